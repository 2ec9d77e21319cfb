import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hydroml.toolkit.demos.quantum import CountingNet, run, simulate
from hydroml.toolkit.domains.optical_elements import ELEMENTS, Setup
from hydroml.toolkit.domains.optics_polynomial import (
    apply_element,
    coincidences,
    crystals,
    norm,
    run_setup,
)
from hydroml.toolkit.domains.quantum import (
    OpticsSimulator,
    QuantumLSTM,
    enrichment,
    quantum_loss,
    rediscovery,
    schmidt_ranks,
    tokens_of,
)

TOKENS = {str(element): token for token, element in enumerate(ELEMENTS)}
setups = st.lists(st.integers(0, len(ELEMENTS) - 1), max_size=8).map(tuple)


def setup_of(*names: str) -> Setup:
    return tuple(TOKENS[name] for name in names)


def amplitudes_of(setup: Setup) -> dict[tuple[int, int, int], complex]:
    """What the fast simulator gives, as the polynomial tells it."""
    amplitudes, levels = OpticsSimulator().state(setup)
    return {
        tuple(int(axis[i]) for axis, i in zip(levels, place, strict=True)): amplitudes[tuple(place)]
        for place in np.argwhere(np.abs(amplitudes) > 1e-12)
    }


def product(*photons: list[complex]) -> np.ndarray:
    return np.einsum("i,j,k->ijk", *(np.array(photon, complex) for photon in photons))


class TestSchmidtRanks:
    def test_known_states(self) -> None:
        up, down = [1, 0], [0, 1]
        ghz = product(up, up, up) + product(down, down, down)
        w = product(up, up, down) + product(up, down, up) + product(down, up, up)
        bell = product(up, up, up) + product(down, down, up)
        assert schmidt_ranks(ghz) == (2, 2, 2)
        assert schmidt_ranks(w) == (2, 2, 2)
        assert schmidt_ranks(bell) == schmidt_ranks(np.moveaxis(bell, 2, 0)) == (2, 2, 1)
        assert schmidt_ranks(product(up, down, [1, 1j])) == (1, 1, 1)
        assert schmidt_ranks(0 * ghz) == (0, 0, 0)

    def test_an_asymmetric_state(self) -> None:
        # |000> + |101> + |210> + |311>: 4 levels of the first, 2 of each other (Huber, de Vicente)
        state = np.zeros((4, 2, 2))
        for level, (second, third) in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
            state[level, second, third] = 1
        assert schmidt_ranks(state) == (4, 2, 2)

    @given(st.integers(0, 1000))
    def test_local_unitary_operators_change_nothing(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        state = product(*rng.normal(size=(3, 4))) + product(*rng.normal(size=(3, 4)))
        turn = np.linalg.qr(rng.normal(size=(4, 4)) + 1j * rng.normal(size=(4, 4)))[0]
        turned = np.einsum("ijk,ai->ajk", state, turn)
        assert schmidt_ranks(turned) == schmidt_ranks(state) == (2, 2, 2)

    def test_three_axes(self) -> None:
        with pytest.raises(ValueError, match="2 photons"):
            schmidt_ranks(np.eye(2))


class TestElements:
    def test_two_equal_photons_leave_a_splitter_together(self) -> None:
        # (b + i a)(a + i b) / 2 = i (a a + b b) / 2: no term a b (Hong, Ou and Mandel 1987)
        state = apply_element({(("a", 0), ("b", 0)): 1}, ELEMENTS[TOKENS["splitter(ab)"]])
        assert set(state) == {(("a", 0), ("a", 0)), (("b", 0), ("b", 0))}
        assert all(c == pytest.approx(0.5j) for c in state.values())
        assert norm(state) == pytest.approx(1)  # |1/2|^2 2! + |1/2|^2 2!

    def test_unequal_photons_may_part(self) -> None:
        # (b_1 + i a_-1)(a_0 + i b_0) / 2 has b_1 a_0 / 2 and - a_-1 b_0 / 2
        state = apply_element({(("a", 1), ("b", 0)): 1}, ELEMENTS[TOKENS["splitter(ab)"]])
        assert state[("a", 0), ("b", 1)] == pytest.approx(0.5)
        assert state[("a", -1), ("b", 0)] == pytest.approx(-0.5)

    def test_one_photon(self) -> None:
        photon = {(("a", 1),): 1.0}
        for name, modes, factor in (
            ("mirror(a)", ("a", -1), 1j),
            ("dove(a)", ("a", -1), -1j),
            ("hologram(a-2)", ("a", -1), 1),
            ("mirror(b)", ("a", 1), 1),
        ):
            assert apply_element(photon, ELEMENTS[TOKENS[name]]) == {(modes,): factor}
        assert apply_element({(("a", 2),): 1.0}, ELEMENTS[TOKENS["dove(a)"]]) == {(("a", -2),): 1j}

    @pytest.mark.parametrize("element", ELEMENTS, ids=str)
    def test_each_keeps_the_norm(self, element) -> None:
        state = run_setup(setup_of("splitter(bc)", "hologram(c+1)"))  # something less even
        assert norm(apply_element(state, element)) == pytest.approx(norm(state))

    def test_thirty(self) -> None:
        assert len(TOKENS) == len(ELEMENTS) == 30


class TestSimulator:
    @given(setups)
    @settings(max_examples=30)
    def test_quadratic_forms_equal_the_polynomial(self, setup: Setup) -> None:
        plain = coincidences(run_setup(setup))
        fast = amplitudes_of(setup)
        assert set(fast) == set(plain)
        assert all(abs(fast[levels] - plain[levels]) < 1e-12 for levels in plain)

    def test_without_elements(self) -> None:
        # a_0 b_0 (c_-1 d_1 + c_0 d_0 + c_1 d_-1), twice: the square holds each product twice
        assert amplitudes_of(()) == {(0, k, -k): 2 for k in (-1, 0, 1)}
        assert norm(crystals()) ** 2 == pytest.approx(_norm_of_crystals())

    def test_a_hologram_moves_the_heralded_level(self) -> None:
        # with l + 1 in a, a photon found at 0 started at -1: its partner has 1
        assert amplitudes_of(setup_of("hologram(a+1)")) == {(1, k, -k): 2 for k in (-1, 0, 1)}

    def test_no_coincidence(self) -> None:
        # a is two levels too high in each term, and nothing else reaches a
        optics = OpticsSimulator().srv(setup_of("hologram(a+2)"))
        assert optics == ((0, 0, 0), False)

    def test_a_splitter_entangles_all_three(self) -> None:
        optics = OpticsSimulator().srv(setup_of("splitter(bc)"))
        assert optics.entangled
        assert min(optics.ranks) >= 2

    @given(setups)
    @settings(max_examples=30)
    def test_symmetries(self, setup: Setup) -> None:
        # c and d may be swapped, and every l may change its sign: ranks are sorted
        swap = str.maketrans("cd", "dc")
        swapped, signs = [], []
        for element in (ELEMENTS[token] for token in setup):
            paths = "".join(sorted(element.paths.translate(swap)))
            swapped.append(TOKENS[str(replace(element, paths=paths))])
            signs.append(TOKENS[str(replace(element, shift=-element.shift))])
        bench = OpticsSimulator()
        assert bench.srv(tuple(swapped)) == bench.srv(tuple(signs)) == bench.srv(setup)

    def test_random_setups(self) -> None:
        bench, rng = OpticsSimulator(2, 4), np.random.default_rng(0)
        drawn = [bench.random_setup(rng) for _ in range(600)]
        assert {len(setup) for setup in drawn} == {2, 3, 4}
        assert set().union(*drawn) == set(range(30))

    def test_bad_input(self) -> None:
        with pytest.raises(ValueError, match="Token 30"):
            OpticsSimulator().srv((0, 30))
        with pytest.raises(ValueError, match="7 to 6"):
            OpticsSimulator(7, 6)


def _norm_of_crystals() -> float:
    # both pairs of one crystal: three squares with 2! 2!, three mixed terms with coefficient 2
    # one pair of each: nine terms with coefficient 2
    return 2 * (3 * 2 * 2 + 3 * 2**2) + 9 * 2**2


class TestQuantumLSTM:
    def test_ranks_fall_and_are_positive(self) -> None:
        torch.manual_seed(0)
        net = QuantumLSTM(hidden=5).double()
        _, ranks = net(torch.randint(30, (7, 4)), torch.full((7,), 4))
        assert (ranks > 0).all()
        assert (ranks[:, :-1] >= ranks[:, 1:]).all()

    def test_what_is_behind_the_end_does_not_matter(self) -> None:
        torch.manual_seed(0)
        net = QuantumLSTM(hidden=5).double()
        tokens, lengths = tokens_of([(1, 2, 3, 4, 5), (6, 7)])
        logit, ranks = net(tokens, lengths)
        tokens[1, 2:] = 29
        other, other_ranks = net(tokens, lengths)
        torch.testing.assert_close(logit, other)
        torch.testing.assert_close(ranks, other_ranks)
        alone, alone_ranks = net(*tokens_of([(6, 7)]))
        torch.testing.assert_close(alone[0], logit[1])
        torch.testing.assert_close(alone_ranks[0], ranks[1])

    def test_is_an_lstm_of_one_hot_tokens(self) -> None:
        torch.manual_seed(0)
        net = QuantumLSTM(hidden=5, layers=1).double()
        h = c = torch.zeros(1, 5, dtype=torch.float64)
        lstm = net.lstm
        for token in (3, 8):
            # of a one-hot input, W x is a column of W
            gates = lstm.weight_ih_l0[:, token] + lstm.bias_ih_l0 + lstm.bias_hh_l0
            i, f, g, o = (gates + h @ lstm.weight_hh_l0.T).chunk(4, dim=1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = o.sigmoid() * c.tanh()
        logit, ranks = net(*tokens_of([(3, 8)]))
        torch.testing.assert_close(logit, net.entangled(h)[0])
        torch.testing.assert_close(ranks[0, 2], torch.log1p(net.steps(h)[0, 2].exp()))

    def test_bad_input(self) -> None:
        net = QuantumLSTM(hidden=3)
        tokens = torch.zeros(2, 4, dtype=torch.long)
        with pytest.raises(ValueError, match="Lengths of 0 to 4"):
            net(tokens, torch.tensor([0, 4]))
        with pytest.raises(ValueError, match="Lengths of 1 to 5"):
            net(tokens, torch.tensor([1, 5]))
        with pytest.raises(ValueError, match=r"lengths \(3,\)"):
            net(tokens, torch.ones(3, dtype=torch.long))
        with pytest.raises(ValueError, match="Tokens of 30 to 30"):
            net(tokens + 30, torch.tensor([1, 4]))
        with pytest.raises(ValueError, match="at least one element"):
            tokens_of([(1,), ()])

    def test_loss_by_hand(self) -> None:
        # cross entropy log 2; of the positive setup the ranks are e times too large: 1
        ranks = torch.full((2, 3), 2 * math.e, dtype=torch.float64)
        label = torch.tensor([1.0, 0.0], dtype=torch.float64)
        truth = torch.tensor([[2, 2, 2], [0, 0, 0]])
        loss = quantum_loss(torch.zeros(2, dtype=torch.float64), ranks, label, truth, weight=3.0)
        assert float(loss) == pytest.approx(math.log(2) + 3)
        none = quantum_loss(torch.zeros(1), ranks[1:], label[1:], truth[1:])
        assert float(none) == pytest.approx(math.log(2))


class TestSearch:
    def test_rediscovery_by_hand(self) -> None:
        truth = torch.tensor([[3, 3, 2], [4, 4, 3], [5, 5, 5], [3, 3, 1]])
        pred = torch.tensor([[3.0, 3.0, 2.9], [4.0, 4.0, 4.2], [5.0, 5.0, 5.0], [3.0, 3.0, 1.0]])
        chance = torch.tensor([0.9, 0.7, 0.4, 0.6])
        found = rediscovery((chance, pred), (torch.tensor([1, 1, 1, 0]), truth), tau=0.5, r=1.0)
        assert found == pytest.approx((2 / 3, 0.0, 1 / 3))
        assert rediscovery((chance, pred), (torch.tensor([1, 1, 1, 0]), truth), 0.3, 2.0).found == 1
        assert math.isnan(rediscovery((chance, pred), (torch.ones(4), truth)).tnr)

    def test_enrichment(self) -> None:
        hits = torch.tensor([1, 1, 0, 0, 0, 0, 0, 0])
        scores = torch.tensor([8.0, 6.0, 7.0, 5.0, 4.0, 3.0, 2.0, 1.0])
        assert enrichment(scores, hits, 1) == 4
        assert enrichment(scores, hits, 2) == 2
        assert enrichment(scores, hits, 8) == 1
        assert enrichment(-scores, hits, 4) == 0
        assert math.isnan(enrichment(scores, 0 * hits, 2))
        with pytest.raises(ValueError, match="9 of 8"):
            enrichment(scores, hits, 9)


class TestDemo:
    def test_counting_net_sees_no_order(self) -> None:
        net = CountingNet(4)
        logit, ranks = net(*tokens_of([(1, 2, 2, 0), (2, 0, 1, 2), (2, 1)]))
        torch.testing.assert_close(logit[0], logit[1])
        torch.testing.assert_close(ranks[0], ranks[1])
        weights = CountingNet(0)
        one = weights(*tokens_of([(5,)]))[0]
        assert isinstance(weights.net, torch.nn.Linear)
        torch.testing.assert_close(one[0], weights.net.weight[0, 5] + weights.net.bias[0])

    def test_simulated_setups(self) -> None:
        found = simulate(40, np.random.default_rng(0))
        for tokens, length, ranks, label in zip(
            found.tokens, found.lengths, found.ranks, found.label, strict=True
        ):
            optics = OpticsSimulator().srv(tuple(tokens[:length].tolist()))
            assert optics == (tuple(ranks.tolist()), bool(label))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_claim(seed: int) -> None:
    demo = run(seed)
    assert demo.holds, [f for f in demo.findings if f.holds is False]
