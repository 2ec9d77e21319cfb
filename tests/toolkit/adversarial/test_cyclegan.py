import copy

import pytest
import torch
from torch import Tensor, nn

from hydroml.toolkit.adversarial.cyclegan import CycleGAN, CycleOptions
from hydroml.toolkit.adversarial.cyclegan_nets import (
    NoisyInput,
    PatchDiscriminator,
    ResnetGenerator,
)
from hydroml.toolkit.adversarial.replay_pool import ReplayPool
from hydroml.toolkit.demos.cyclegan import run

STEPS = 100  # of the made-up training whose rate is looked at


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(seed: int, channels: int = 2) -> Tensor:
    return 2 * torch.rand(3, channels, 8, 8, generator=rng(seed), dtype=torch.float64) - 1


def small(options: CycleOptions | None = None) -> CycleGAN:
    torch.manual_seed(3)
    nets = [nn.Conv2d(2, 2, 3, padding=1) for _ in range(2)]
    critics = [nn.Conv2d(2, 1, 3) for _ in range(2)]
    return CycleGAN(*nets, *critics, options, rng(1)).double()


def constant(value: float) -> nn.Module:
    """Give the same image whatever comes."""
    net = nn.Conv2d(2, 2, 1)
    nn.init.zeros_(net.weight)
    assert net.bias is not None
    nn.init.constant_(net.bias, value)
    return net


class TestStep:
    def test_losses_by_hand(self) -> None:
        model = small(CycleOptions(cycle=7.0, identity=0.3, pool=0))
        a, b = images(0), images(1)
        before = copy.deepcopy(model)
        losses = model.step(a, b)
        fake_b, fake_a = before.g_ab(a), before.g_ba(b)
        count = 3 * 6 * 6  # numbers in a critic's map of three images
        expected = {
            "adversarial_ab": ((before.d_b(fake_b) - 1) ** 2).sum() / count,
            "adversarial_ba": ((before.d_a(fake_a) - 1) ** 2).sum() / count,
            "cycle_a": (before.g_ba(fake_b) - a).abs().sum() / a.numel(),
            "cycle_b": (before.g_ab(fake_a) - b).abs().sum() / b.numel(),
            "identity_a": (before.g_ba(a) - a).abs().sum() / a.numel(),
            "identity_b": (before.g_ab(b) - b).abs().sum() / b.numel(),
        }
        expected["generators"] = (
            expected["adversarial_ab"] + expected["adversarial_ba"]
            + 7.0 * (expected["cycle_a"] + expected["cycle_b"])
            + 7.0 * 0.3 * (expected["identity_a"] + expected["identity_b"])
        )  # fmt: skip
        for name, critic, real, fake in (
            ("critic_a", before.d_a, a, fake_a),
            ("critic_b", before.d_b, b, fake_b),
        ):
            squares = ((critic(real) - 1) ** 2).sum() + (critic(fake) ** 2).sum()
            expected[name] = squares / count / 2
        assert losses.keys() == expected.keys()
        for name, loss in expected.items():
            assert losses[name] == pytest.approx(float(loss.detach()), rel=1e-12), name

    def test_constant_nets(self) -> None:
        # G gives 0.5, F gives -0.5; critics give 0: each adversarial loss 1, each critic's 1/2
        nets = (constant(0.5), constant(-0.5), constant(0.0), constant(0.0))
        zeros = torch.zeros(2, 2, 4, 4)
        losses = CycleGAN(*nets, CycleOptions(cycle=10.0, identity=0.5)).step(zeros, zeros)
        parts = ("cycle_a", "cycle_b", "identity_a", "identity_b")
        assert [losses[p] for p in parts] == [0.5] * 4
        assert losses["generators"] == pytest.approx(1 + 1 + 10 * (1 + 0.5 * 1))
        assert losses["critic_a"] == losses["critic_b"] == 0.5

    def test_generators_and_critics_follow_their_own_gradients(self) -> None:
        # plain autograd and Adam on copies end at the same weights
        options = CycleOptions(rate=0.01, pool=0)
        model = small(options)
        twin = copy.deepcopy(model)
        a, b = images(0), images(1)
        model.step(a, b)
        translators = [*twin.g_ab.parameters(), *twin.g_ba.parameters()]
        critics = [*twin.d_a.parameters(), *twin.d_b.parameters()]
        fake_b, fake_a = twin.g_ab(a), twin.g_ba(b)
        total = ((twin.d_b(fake_b) - 1) ** 2).mean() + ((twin.d_a(fake_a) - 1) ** 2).mean()
        for weight, got, want in (
            (10, twin.g_ba(fake_b), a), (10, twin.g_ab(fake_a), b),
            (5, twin.g_ba(a), a), (5, twin.g_ab(b), b),
        ):  # fmt: skip
            total = total + weight * (got - want).abs().mean()
        first = torch.optim.Adam(translators, lr=0.01, betas=(0.5, 0.999))
        for p, g in zip(translators, torch.autograd.grad(total, translators), strict=True):
            p.grad = g
        first.step()
        second = torch.optim.Adam(critics, lr=0.01, betas=(0.5, 0.999))
        second.zero_grad()
        for critic, real, fake in ((twin.d_a, a, fake_a), (twin.d_b, b, fake_b)):
            loss = ((critic(real) - 1) ** 2).mean() + (critic(fake.detach()) ** 2).mean()
            (loss / 2).backward()
        second.step()
        for p, q in zip(model.parameters(), twin.parameters(), strict=True):
            torch.testing.assert_close(p, q)

    def test_without_identity(self) -> None:
        losses = small(CycleOptions(identity=0)).step(images(0), images(1))
        assert not any(name.startswith("identity") for name in losses)

    def test_critics_see_old_fakes(self) -> None:
        # a pool of one: the second fake is shown itself, or the first one in its place
        model = small(CycleOptions(rate=0.0, pool=1))
        a, b = images(0)[:1], images(1)[:1]
        other = -b
        model.step(a, b)
        losses = model.step(a, other)
        real = ((model.d_a(a) - 1) ** 2).mean()
        shown = [((model.d_a(model.g_ba(x)) ** 2).mean() + real) / 2 for x in (b, other)]
        assert any(losses["critic_a"] == pytest.approx(float(s.detach())) for s in shown)
        assert shown[0] != shown[1]

    def test_it_learns_a_shift_of_brightness(self) -> None:
        # set B is set A plus 1, unpaired: G must come to add 1 (which an identity loss forbids)
        torch.manual_seed(0)
        model = CycleGAN(
            Shift(), Shift(), nn.Conv2d(1, 1, 1), nn.Conv2d(1, 1, 1),
            CycleOptions(rate=0.02, cycle=1.0, identity=0.0, steps=250),
        )  # fmt: skip
        draw = rng(5)
        for _ in range(250):
            a, b = (torch.rand(16, 1, 2, 2, generator=draw) for _ in range(2))
            model.step(a, b + 1)
        assert isinstance(model.g_ab, Shift)
        assert isinstance(model.g_ba, Shift)
        assert float(model.g_ab.by.detach()) == pytest.approx(1, abs=0.35)
        assert float(model.g_ba.by.detach()) == pytest.approx(-1, abs=0.35)


class Shift(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.by = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.by


class TestRateAndGuards:
    def test_linear_decay_in_the_second_half(self) -> None:
        model = small(CycleOptions(rate=1e-3, steps=STEPS))
        rates = []
        for _ in range(STEPS):
            model.step(images(0)[:1], images(1)[:1])
            rates.append([o.param_groups[0]["lr"] for o in model._optimizers])
        assert all(one == other for one, other in rates)
        assert {one for one, _ in rates[:51]} == {1e-3}
        assert rates[75][0] == pytest.approx(0.5e-3)  # half of the second half is over
        assert rates[99][0] == pytest.approx(1e-3 / 50)
        with pytest.raises(RuntimeError, match="All 100 steps"):
            model.step(images(0), images(1))

    def test_a_loss_that_is_no_number(self) -> None:
        model = small()
        model.step(images(0), images(1))
        before = copy.deepcopy(model.state_dict())
        bad = images(0)
        bad[0, 0, 0, 0] = torch.nan
        with pytest.raises(FloatingPointError, match="'adversarial_ab' is nan at step 2"):
            model.step(bad, images(1))
        for name, value in model.state_dict().items():
            assert torch.equal(value, before[name]), name

    def test_a_critic_that_breaks_is_named(self) -> None:
        class OnlyFakes(nn.Conv2d):
            calls = 0

            def forward(self, x: Tensor) -> Tensor:
                self.calls += 1
                return super().forward(x) * (torch.inf if self.calls == 2 else 1.0)

        nets = (constant(0.1), constant(0.1), OnlyFakes(2, 1, 1), nn.Conv2d(2, 1, 1))
        with pytest.raises(FloatingPointError, match="'critic_a' is inf at step 1"):
            CycleGAN(*nets).step(torch.ones(1, 2, 4, 4), torch.ones(1, 2, 4, 4))

    @pytest.mark.parametrize("wrong", [{"cycle": -1.0}, {"pool": -1}, {"steps": 0}])
    def test_wrong_options(self, wrong: dict[str, float]) -> None:
        with pytest.raises(ValueError, match="from 0, steps from 1"):
            small(CycleOptions(**wrong))  # type: ignore[arg-type]


class TestReplayPool:
    def test_against_a_plain_reference(self) -> None:
        pool, draw = ReplayPool(5, rng(7)), rng(7)
        kept: list[float] = []
        for batch in range(20):
            values = [10.0 * batch + i for i in range(4)]
            coins = torch.rand(4, generator=draw)
            places = torch.randint(5, (4,), generator=draw)
            expected = []
            for value, coin, place in zip(values, coins, places, strict=True):
                if len(kept) < 5:
                    kept.append(value)
                    expected.append(value)
                elif coin < 0.5:
                    expected.append(kept[place])
                    kept[place] = value
                else:
                    expected.append(value)
            given = pool.exchange(torch.tensor(values).reshape(4, 1, 1, 1))
            assert given.flatten().tolist() == expected

    def test_half_the_time_an_old_one(self) -> None:
        pool = ReplayPool(50, rng())
        first = torch.arange(50.0)
        assert torch.equal(pool.exchange(first), first)  # while there is room
        assert len(pool) == 50
        new = torch.arange(50.0, 4050.0)
        old = (pool.exchange(new) != new).double().mean()
        assert float(old) == pytest.approx(0.5, abs=0.04)  # 5 standard deviations of 4000 coins
        assert len(pool) == 50

    def test_gradients_stay_outside_and_images_are_copies(self) -> None:
        pool = ReplayPool(2)
        fakes = torch.ones(2, 1, requires_grad=True)
        assert not pool.exchange(fakes).requires_grad
        with torch.no_grad():
            fakes.zero_()
        given = torch.cat([pool.exchange(torch.full((1, 1), 2.0)) for _ in range(20)])
        assert set(given.flatten().tolist()) <= {1.0, 2.0}

    def test_size(self) -> None:
        new = torch.rand(3, 2)
        assert torch.equal(ReplayPool(0).exchange(new), new)
        with pytest.raises(ValueError, match="size is -1"):
            ReplayPool(-1)


class TestNets:
    @pytest.mark.parametrize(("layers", "patch"), [(1, 16), (2, 34), (3, 70)])
    def test_a_score_sees_one_patch(self, layers: int, patch: int) -> None:
        torch.manual_seed(0)
        critic = PatchDiscriminator(1, 4, layers).double()
        for i, part in enumerate(critic.layers):  # instance norm looks at the whole image
            if isinstance(part, nn.InstanceNorm2d):
                critic.layers[i] = nn.Identity()
        image = torch.randn(1, 1, 144, 144, generator=rng(), dtype=torch.float64)
        image.requires_grad_()
        scores = critic(image)
        middle = scores.shape[-1] // 2
        scores[0, 0, middle, middle].backward()
        assert image.grad is not None
        rows, columns = torch.nonzero(image.grad[0, 0], as_tuple=True)
        assert int(rows.max() - rows.min()) + 1 == patch
        assert int(columns.max() - columns.min()) + 1 == patch

    def test_sizes_of_the_paper(self) -> None:
        # generator: 7x7 convolutions 3-64 and 64-3, two halvings, 9 blocks of 256, two doublings
        convs = [(3, 64, 7), (64, 128, 3), (128, 256, 3), *[(256, 256, 3)] * 18]
        convs += [(256, 128, 3), (128, 64, 3), (64, 3, 7)]
        expected = sum(n * m * k * k + m for n, m, k in convs)
        assert sum(p.numel() for p in ResnetGenerator().parameters()) == expected
        convs = [(3, 64, 4), (64, 128, 4), (128, 256, 4), (256, 512, 4), (512, 1, 4)]
        expected = sum(n * m * k * k + m for n, m, k in convs)
        assert sum(p.numel() for p in PatchDiscriminator().parameters()) == expected
        # 256 halves three times to 32; two convolutions of width 4 and padding 1 take one each
        with torch.no_grad():
            assert PatchDiscriminator(width=2)(torch.zeros(1, 3, 256, 256)).shape[-2:] == (30, 30)

    @pytest.mark.parametrize("halvings", [0, 1, 2])
    def test_generator_keeps_the_shape(self, halvings: int) -> None:
        net = ResnetGenerator(2, 4, 1, halvings)
        found = net(torch.randn(2, 2, 16, 24, generator=rng()))
        assert found.shape == (2, 2, 16, 24)
        assert float(found.detach().abs().max()) <= 1

    def test_noisy_input(self) -> None:
        zeros = torch.zeros(1, 3, 100, 100)
        found = NoisyInput(nn.Identity(), 0.2, rng())(zeros)
        assert torch.equal(found[:, 0], found[:, 1])
        assert float(found[:, 0].std()) == pytest.approx(0.2, rel=0.05)  # of 10,000: 0.7 %
        assert torch.equal(found, NoisyInput(nn.Identity(), 0.2, rng())(zeros))

    def test_bad_sizes(self) -> None:
        with pytest.raises(ValueError, match=r"\(18, 16\) cannot be halved 2 times.*multiple of 4"):
            ResnetGenerator(1, 4, 1)(torch.zeros(1, 1, 18, 16))
        with pytest.raises(ValueError, match="at least 8"):
            ResnetGenerator(1, 4, 1)(torch.zeros(1, 1, 4, 4))
        with pytest.raises(ValueError, match="too small for this critic; give at least 24 x 24"):
            PatchDiscriminator(1, 4)(torch.zeros(1, 1, 23, 40))
        assert PatchDiscriminator(1, 4)(torch.zeros(1, 1, 24, 24)).shape == (1, 1, 1, 1)
        with pytest.raises(ValueError, match="layers is 0"):
            PatchDiscriminator(layers=0)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_claim(seed: int) -> None:
    demo = run(seed)
    assert demo.holds, [f for f in demo.findings if f.holds is False]
