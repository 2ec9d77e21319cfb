"""CLOOB in small: InfoNCE stops teaching, InfoLOOB does not; weak shared features are learned.

(i) One batch whose partners agree by s and whose strangers are orthogonal: the gradient to s.
(ii) Pairs that share eight clean features, enough to tell them apart, and eight noisy bits. The
same encoders are trained with the loss of CLIP, with retrieval or InfoLOOB alone, and with both;
a linear probe then asks the frozen embeddings for the bits.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from hydroml.toolkit.demo import Advance, Demo, Finding, Panel, Series, silent
from hydroml.toolkit.transfer.cloob import (
    CLOOBLoss,
    ContrastivePair,
    hopfield_retrieval,
    info_loob,
    info_nce,
)

Loss = Callable[[Tensor, Tensor], Tensor]

INV_TAU, BETA = 30.0, 8.0
STRANGERS = 63
CLEAN, BITS, WIDTH = 8, 8, 32  # features of a view: shared and clean, shared and noisy, all
PAIRS, UNSEEN, BATCH, STEPS = 4096, 2048, 256, 600
HIDDEN, DIM = 64, 16
CLOOB, CLIP = "CLOOB", "CLIP"


def run(seed: int = 0, advance: Advance = silent) -> Demo:
    """Run both parts (about 20 s of one core).

    Parameters
    ----------
    seed : int
        Of data, weights and batches.
    advance : callable
        Told the share of the work done.
    """
    similarity = torch.linspace(0.0, 0.95, 20)
    slopes = {name: [slope(loss, float(s)) for s in similarity] for name, loss in _PLAIN.items()}
    generator = torch.Generator().manual_seed(seed)
    views = [torch.linalg.qr(torch.randn(WIDTH, WIDTH, generator=generator))[0] for _ in range(2)]
    seen, unseen = (_pairs(n, views, generator) for n in (PAIRS, UNSEEN))
    arms = {}
    for i, (name, loss) in enumerate(_LOSSES.items()):

        def tell(done: float, before: int = i) -> None:
            advance((before + done) / len(_LOSSES))

        arms[name] = _train_and_probe(loss, seen, unseen, seed, tell)
    return Demo(_saturation() + _weak_features(arms), _panels(similarity, slopes, arms), _NOTE)


def slope(loss: Loss, s: float, dtype: torch.dtype = torch.float32) -> float:
    """Gradient of a loss to the common similarity s of all partners; strangers are orthogonal.

    Parameters
    ----------
    loss : callable
        Of (a, b).
    s : float
        0 to below 1.
    dtype : torch.dtype
        To compute in.
    """
    shared = torch.tensor(s, dtype=dtype, requires_grad=True)
    mine = torch.eye(STRANGERS + 1, dtype=dtype)
    none = torch.zeros_like(mine)
    a = torch.cat([mine, none], dim=1)
    b = torch.cat([shared * mine, (1 - s**2) ** 0.5 * mine], dim=1)
    (gradient,) = torch.autograd.grad(loss(a, b), shared)
    return float(gradient)


def effective_rank(x: Tensor) -> float:
    """Exponential of the entropy of the covariance's eigenvalues (Roy & Vetterli, 2007)."""
    share = torch.linalg.eigvalsh(torch.cov(x.T)).clamp_min(0)
    share = share / share.sum()
    return math.exp(float(torch.special.entr(share).sum()))


def _with_retrieval_only(x: Tensor, y: Tensor) -> Tensor:
    U_x, U_y, V_x, V_y = hopfield_retrieval(x, y, BETA)
    return info_nce(U_x, V_x, INV_TAU) + info_nce(U_y, V_y, INV_TAU)


def _loob_only(x: Tensor, y: Tensor) -> Tensor:
    return info_loob(x, y, INV_TAU) + info_loob(y, x, INV_TAU)


_PLAIN: dict[str, Loss] = {
    "InfoNCE": lambda a, b: info_nce(a, b, INV_TAU),
    "InfoLOOB": lambda a, b: info_loob(a, b, INV_TAU),
}
_LOSSES: dict[str, Loss] = {
    CLIP: _PLAIN["InfoNCE"],
    "retrieval only": _with_retrieval_only,
    "InfoLOOB only": _loob_only,
    CLOOB: CLOOBLoss(INV_TAU, BETA),
}
_NOTE = (
    f"(i) {STRANGERS + 1} pairs, 1/tau = {INV_TAU:g}. (ii) {PAIRS} pairs of {WIDTH} numbers: "
    f"{CLEAN} shared clean, {BITS} shared bits with noise of their own size, the rest noise, "
    f"rotated; encoders of {HIDDEN} hidden units to {DIM}, {STEPS} steps of AdamW, batches of "
    f"{BATCH}, beta = {BETA:g}; scored on {UNSEEN} unseen pairs."
)


def _pairs(n: int, views: list[Tensor], generator: torch.Generator) -> tuple[Tensor, ...]:
    """Two views (n, WIDTH) of n things, and their bits as -1 and 1, (n, BITS)."""
    clean = torch.randn(n, CLEAN, generator=generator)
    bits = torch.randint(0, 2, (n, BITS), generator=generator) * 2.0 - 1
    seen = []
    for rotation in views:
        noisy = bits + torch.randn(n, BITS, generator=generator)
        rest = torch.randn(n, WIDTH - CLEAN - BITS, generator=generator)
        seen.append(torch.cat([clean, noisy, rest], dim=1) @ rotation)
    return seen[0], seen[1], bits


def _train_and_probe(
    loss: Loss, seen: tuple[Tensor, ...], unseen: tuple[Tensor, ...], seed: int, advance: Advance
) -> dict[str, float]:
    pair = _pair_of(seed)
    optimizer = torch.optim.AdamW(pair.parameters(), lr=1e-3, weight_decay=0.1)
    generator = torch.Generator().manual_seed(seed)
    for step in range(STEPS):
        rows = torch.randint(PAIRS, (BATCH,), generator=generator)
        optimizer.zero_grad()
        loss(*pair(seen[0][rows], seen[1][rows])).backward()
        optimizer.step()
        if step % 50 == 49:
            advance((step + 1) / STEPS)
    with torch.no_grad():
        known, new = pair.embed_a(seen[0]), pair.embed_a(unseen[0])
    order, _ = pair.rank(unseen[0], unseen[1])
    return {
        "probe": _probe(known, seen[2], new, unseen[2]),
        "rank": effective_rank(new),
        "found": float((order[:, 0] == torch.arange(UNSEEN)).float().mean()),
    }


def _pair_of(seed: int) -> ContrastivePair:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        encoders = [
            nn.Sequential(nn.Linear(WIDTH, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, DIM))
            for _ in range(2)
        ]
    return ContrastivePair(encoders[0], encoders[1], DIM)


def _probe(x: Tensor, bits: Tensor, unseen: Tensor, unseen_bits: Tensor) -> float:
    """Share of unseen bits that the sign of a linear regression on embeddings gets right."""
    x, unseen = (torch.cat([e, torch.ones(len(e), 1)], dim=1).double() for e in (x, unseen))
    weights = torch.linalg.lstsq(x, bits.double(), driver="gelsd").solution
    return float(((unseen @ weights).sign() == unseen_bits).double().mean())


def _saturation() -> tuple[Finding, ...]:
    found = []
    for s in (0.5, 0.8, 0.9):
        nce, loob = (abs(slope(loss, s)) for loss in _PLAIN.values())
        # inv_tau (1 - p); float32 tells 1 - p from 0 in steps of 1e-7
        expected = INV_TAU * STRANGERS / (STRANGERS + math.exp(INV_TAU * s))
        found += [
            Finding(
                f"|d InfoNCE/ds| at s = {s}", f"{expected:.1e}, in float32", nce,
                abs(nce - expected) < 1e-5,
            ),
            Finding(f"|d InfoLOOB/ds| at s = {s}", "1", loob, abs(loob - 1) < 1e-5),
        ]  # fmt: skip
    return tuple(found)


def _weak_features(arms: dict[str, dict[str, float]]) -> tuple[Finding, ...]:
    clip, cloob = arms[CLIP], arms[CLOOB]
    return (
        Finding(
            "weak bits read from CLOOB's embeddings",
            f"above CLIP's, {clip['probe']:.3f}",
            cloob["probe"],
            cloob["probe"] > clip["probe"],
        ),
        Finding(
            "effective rank of CLOOB's embeddings",
            f"above CLIP's, {clip['rank']:.1f}",
            cloob["rank"],
            cloob["rank"] > clip["rank"],
        ),
        Finding("partner found first: CLOOB", f"CLIP {clip['found']:.3f}", cloob["found"]),
    )


def _panels(
    similarity: Tensor, slopes: dict[str, list[float]], arms: dict[str, dict[str, float]]
) -> tuple[Panel, ...]:
    names = ["CLIP", "retrieval", "InfoLOOB", "CLOOB"]
    curves = tuple(
        Series(similarity.tolist(), [abs(v) for v in values], name)
        for name, values in slopes.items()
    )
    bars = {
        "weak bits read by a linear probe": ("probe", "share right [-]"),
        "effective rank of embeddings": ("rank", f"of {DIM}"),
        "partner found first": ("found", f"of {UNSEEN} unseen [-]"),
    }
    return (
        Panel("what a pair still teaches", "similarity s of partners [-]", "|dL/ds|", curves),
        *(
            Panel(title, "", label, (Series(names, [a[key] for a in arms.values()], kind="bars"),))
            for title, (key, label) in bars.items()
        ),
    )
