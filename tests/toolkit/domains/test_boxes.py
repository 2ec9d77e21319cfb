import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from hydroml.toolkit.domains.boxes import (
    corners_bev,
    decode_boxes,
    encode_boxes,
    half_turn,
    iou_bev,
    nms_bev,
)
from hydroml.toolkit.domains.detection_scores import average_precision, box_errors, match_boxes

places = st.floats(-20, 20)
sizes = st.floats(0.2, 8)
angles = st.floats(-6, 6)
box = st.tuples(places, places, places, sizes, sizes, sizes, angles).map(
    lambda numbers: torch.tensor(numbers, dtype=torch.float64)
)


def boxes_of(count: int, seed: int = 0) -> Tensor:
    rng = torch.Generator().manual_seed(seed)
    draw = torch.rand(count, 7, generator=rng, dtype=torch.float64)
    scale = torch.tensor([4, 4, 1, 3, 3, 3, 7], dtype=torch.float64)
    return draw * scale + torch.tensor([0, 0, 0, 0.5, 0.5, 0.5, 0], dtype=torch.float64)


def flat(x: float, y: float, length: float, width: float, yaw: float = 0.0) -> Tensor:
    return torch.tensor([[x, y, 0.0, length, width, 1.0, yaw]], dtype=torch.float64)


def within(points: Tensor, of: Tensor) -> Tensor:
    away = points - of[:2]
    cos, sin = math.cos(of[6]), math.sin(of[6])
    length = (away[:, 0] * cos + away[:, 1] * sin).abs() <= of[3] / 2
    return length & ((away[:, 1] * cos - away[:, 0] * sin).abs() <= of[4] / 2)


class TestResiduals:
    @given(box, box)
    def test_decode_undoes_encode(self, truth: Tensor, anchor: Tensor) -> None:
        torch.testing.assert_close(decode_boxes(encode_boxes(truth, anchor), anchor), truth)

    @given(box, box)
    def test_encode_undoes_decode(self, residuals: Tensor, anchor: Tensor) -> None:
        residuals = residuals / 4
        found = encode_boxes(decode_boxes(residuals, anchor), anchor)
        torch.testing.assert_close(found, residuals, atol=1e-6, rtol=1e-6)

    def test_by_hand(self) -> None:
        # the anchor's diagonal is 5, its height 2
        anchor = torch.tensor([1.0, 1.0, 1.0, 4.0, 3.0, 2.0, 0.5])
        truth = torch.tensor([2.0, 0.5, 0.0, 4 * math.e, 3.0, 1.0, 0.75])
        expected = torch.tensor([0.2, -0.1, -0.5, 1.0, 0.0, -math.log(2), 0.25])
        torch.testing.assert_close(encode_boxes(truth, anchor), expected)

    @given(angles, st.integers(-3, 3))
    def test_half_turn(self, angle: float, turns: int) -> None:
        one, other = half_turn(torch.tensor([angle, angle + turns * math.pi], dtype=torch.float64))
        assert -math.pi / 2 <= one <= math.pi / 2
        assert math.sin(one - other) == pytest.approx(0, abs=1e-9)


class TestOverlap:
    def test_by_hand(self) -> None:
        square = flat(0, 0, 2, 2)
        for other, iou in (
            (flat(1, 0, 2, 2), 2 / 6),
            (flat(1, 1, 2, 2), 1 / 7),
            (flat(0, 0, 1, 1), 1 / 4),
            (flat(0, 0, 2, 2, math.pi / 2), 1),
            (flat(0, 0, 4, 1), 2 / (4 + 4 - 2)),
            (flat(5, 0, 2, 2), 0),
            (flat(2, 0, 2, 2), 0),  # they touch
            # an octagon: the square without four corners of height sqrt 2 - 1
            (flat(0, 0, 2, 2, math.pi / 4), (oct_ := 4 - 4 * (2**0.5 - 1) ** 2) / (8 - oct_)),
        ):
            assert float(iou_bev(square, other)) == pytest.approx(iou, abs=1e-9)
            assert float(iou_bev(other, square)) == pytest.approx(iou, abs=1e-9)

    def test_equals_shares_of_random_points(self) -> None:
        a, b = boxes_of(12), boxes_of(12, seed=1)
        rng = torch.Generator().manual_seed(2)
        points = torch.rand(200_000, 2, generator=rng, dtype=torch.float64) * 9 - 2.5
        of_a = torch.stack([within(points, one) for one in a]).double()
        of_b = torch.stack([within(points, one) for one in b]).double()
        shared = of_a @ of_b.T
        covered = of_a.sum(1)[:, None] + of_b.sum(1) - shared
        # 9 x 9 m: a box of 1 m2 holds 2469 points, so a standard error below 0.01
        torch.testing.assert_close(iou_bev(a, b), shared / covered, atol=0.04, rtol=0)
        assert (iou_bev(a, b) > 0.1).sum() > 20

    @given(box, angles, places, places)
    @settings(max_examples=30)
    def test_moves_and_turns_change_nothing(
        self, one: Tensor, angle: float, x: float, y: float
    ) -> None:
        other = one + torch.tensor([0.3, -0.2, 0, 0.5, 0.1, 0, 0.4])
        pair = torch.stack([one, other])
        cos, sin = math.cos(angle), math.sin(angle)
        moved = pair.clone()
        moved[:, 0] = pair[:, 0] * cos - pair[:, 1] * sin + x
        moved[:, 1] = pair[:, 0] * sin + pair[:, 1] * cos + y
        moved[:, 6] += angle
        torch.testing.assert_close(iou_bev(moved, moved), iou_bev(pair, pair))
        torch.testing.assert_close(iou_bev(pair, pair).diagonal(), torch.ones(2).double())

    @given(box, st.floats(1e-12, 1e-3), st.floats(-1e-9, 1e-9))
    @settings(max_examples=30)
    def test_boxes_that_nearly_agree(self, one: Tensor, move: float, turn: float) -> None:
        other = one + torch.tensor([move, 0, 0, 0, 0, 0, turn], dtype=torch.float64)
        # moved by m at an angle a: about 1 - 2 m (|cos a| / l + |sin a| / w)
        least = 1 - 3 * (move + 10 * abs(turn)) / float(one[3:5].min())
        assert least - 1e-6 <= float(iou_bev(one[None], other[None])) <= 1

    def test_corners_turn_left(self) -> None:
        corners = corners_bev(flat(1, 2, 4, 2, math.pi / 2))[0]
        expected = torch.tensor([[0.0, 4.0], [0.0, 0.0], [2.0, 0.0], [2.0, 4.0]]).double()
        torch.testing.assert_close(corners, expected)

    def test_bad_boxes(self) -> None:
        with pytest.raises(ValueError, match=r"shape \(2, 6\)"):
            iou_bev(torch.ones(2, 6), torch.ones(2, 7))
        with pytest.raises(ValueError, match="above 0"):
            iou_bev(torch.zeros(2, 7), torch.ones(2, 7))
        assert iou_bev(torch.ones(0, 7), torch.ones(2, 7)).shape == (0, 2)


class TestSuppression:
    @pytest.mark.parametrize("threshold", [0.05, 0.3])
    def test_equals_a_plain_loop(self, threshold: float) -> None:
        boxes = boxes_of(50)
        scores = torch.rand(50, generator=torch.Generator().manual_seed(3))
        scores[10] = scores[20]
        left, kept = scores.argsort(descending=True, stable=True).tolist(), []
        while left:
            best = left.pop(0)
            kept.append(best)
            overlap = iou_bev(boxes[best : best + 1], boxes)[0]
            left = [i for i in left if overlap[i] <= threshold]
        assert 3 < len(kept) < 40
        assert nms_bev(boxes, scores, threshold).tolist() == kept

    def test_a_chain(self) -> None:
        # 1 beats 2, which therefore does not beat 3
        boxes = torch.cat([flat(x, 0, 2, 2) for x in (0.0, 1.0, 2.0)])
        assert nms_bev(boxes, torch.tensor([0.9, 0.8, 0.7]), 0.2).tolist() == [0, 2]

    def test_nothing(self) -> None:
        assert nms_bev(torch.ones(0, 7), torch.ones(0)).tolist() == []


class TestScores:
    def test_each_box_is_found_once(self) -> None:
        truth = torch.cat([flat(0, 0, 4, 2), flat(9, 0, 4, 2)])
        found = torch.cat([flat(9.1, 0, 4, 2), flat(9, 0, 4, 2), flat(5, 5, 4, 2), truth[:1]])
        assert match_boxes(found, truth, 0.7).tolist() == [1, -1, -1, 0]
        assert match_boxes(found, truth[:0], 0.7).tolist() == [-1] * 4
        assert match_boxes(found[:0], truth, 0.7).tolist() == []

    def test_average_precision_against_the_oracle(self) -> None:
        metrics = pytest.importorskip("sklearn.metrics")
        rng = torch.Generator().manual_seed(0)
        hits = torch.rand(40, generator=rng) < 0.4
        scores = torch.rand(40, generator=rng)
        precision, recall, _ = metrics.precision_recall_curve(hits.numpy(), scores.numpy())
        best = [max(precision[: i + 1]) for i in range(len(precision))]  # made to fall
        area = sum((recall[i] - recall[i + 1]) * best[i] for i in range(len(recall) - 1))
        found = average_precision(
            [scores[:15], scores[15:]], [hits[:15], hits[15:]], int(hits.sum())
        )
        assert found == pytest.approx(area)

    def test_average_precision_by_hand(self) -> None:
        right, wrong = torch.tensor([True]), torch.tensor([False])
        one = torch.tensor([0.9])
        assert average_precision([one], [right], 1) == 1
        assert average_precision([one], [right], 2) == 0.5  # the other is never found
        assert average_precision([one, one + 1], [right, wrong], 1) == 0.5
        assert average_precision([one[:0]], [right[:0]], 3) == 0
        with pytest.raises(ValueError, match="0 true boxes"):
            average_precision([one], [wrong], 0)

    def test_errors(self) -> None:
        truth = flat(0, 0, 4, 2, 0.1).repeat(2, 1)
        found = truth + torch.tensor(
            [[0.3, 0.4, 0, 0.6, 0, 0, math.pi - 0.1], [0, 0, 0, 0, 0, 0, 0.1]]
        )
        errors = box_errors(found, truth)
        assert errors == pytest.approx((0.25, 0.1, math.degrees(0.1)))
