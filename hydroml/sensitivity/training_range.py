"""How far the weather of a scenario lies outside that a model was trained on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hydroml.progress import Advance, silent
from hydroml.sensitivity.draw import Draw

LIMIT_QUANTILE = 0.999
"""A day is unusual beyond this quantile of the training days' own distances."""
SKEWED = 1.0
"""Inputs that are never negative and have a larger skewness are compared in logarithms."""
SMALLEST_VARIANCE = 1e-4
"""Floor of the joint variance in any direction, in variances of the region: a direction in which
training days do not vary (tmax = tmin) counts as if its standard deviation were 1 % of the
region's."""
BASINS_AT_ONCE = 64
"""Basins whose training days are in memory at once."""
FEWEST_DAYS = 365
"""Complete training days below which a basin has no range of its own."""


@dataclass(frozen=True)
class TrainingRange:
    r"""The inputs of all training days, summed up for the region and for each basin.

    Inputs are compared one by one, with the smallest and largest value of training, and
    jointly, by the distance of Mahalanobis (1936, "On the generalised distance in statistics")

    .. math:: d^2 = (z - \bar z)^T C^{-1} (z - \bar z)

    to the mean of training days with covariance C. A joint distance also sees what no single
    input shows: a hot day without radiation. Skewed inputs (`SKEWED`: precipitation) enter as
    :math:`z = \log(1 + x / \bar x)`, or every storm would be far from the mean; the others as they
    are; all are divided by their standard deviation over the region. The limit is no quantile of
    a chi-square, which would need normal inputs, but that of training days (`LIMIT_QUANTILE`):
    about one day in a thousand is unusual in training itself. Distances do not depend on units.

    Parameters
    ----------
    basins, names : tuple of str
        Training basins (B) and inputs (F).
    low, high : ndarray
        Smallest and largest value of training, (F,).
    skewed : ndarray
        Inputs that are compared in logarithms, (F,), bool.
    scale : ndarray
        Mean of the skewed inputs, by which they are divided; 1 for the others; (F,).
    mean : ndarray
        Of transformed inputs, (F,).
    whitening : ndarray
        (F, F); squared rows of ``(z - mean) @ whitening`` sum to :math:`d^2`.
    limit : float
        Largest usual :math:`d^2`.
    basin_mean, basin_whitening, basin_limit : ndarray
        The same for each training basin, (B, F), (B, F, F), (B,); the limit is NaN for basins
        with fewer than `FEWEST_DAYS` complete days.

    Examples
    --------
    >>> x = np.random.default_rng(0).normal(10, 1, (2, 4000, 1)).astype("float32")
    >>> known = TrainingRange.fit(x, ["01", "02"], ["tmax"])
    >>> known.outside(x).max(), known.unusual(x + 10)
    (np.float64(0.0), array([1., 1.]))
    """

    basins: tuple[str, ...]
    names: tuple[str, ...]
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    skewed: NDArray[np.bool_]
    scale: NDArray[np.float32]
    mean: NDArray[np.float32]
    whitening: NDArray[np.float32]
    limit: float
    basin_mean: NDArray[np.float32]
    basin_whitening: NDArray[np.float32]
    basin_limit: NDArray[np.float64]

    @classmethod
    def fit(
        cls, x: NDArray[np.float32], basins: Sequence[str], names: Sequence[str], *, seed: int = 0
    ) -> "TrainingRange":
        """Sum up training days.

        Parameters
        ----------
        x : ndarray
            Raw inputs of the training period, (B, T, F), NaN where missing; days that miss an
            input do not count jointly.
        basins, names : sequence of str
            B gauge ids and F names.
        seed : int
            Of the draw of days (`hydroml.sensitivity.draw.MOST_DAYS`), where there are more.

        Raises
        ------
        RunError
            No day has all inputs.
        """
        place = {name: b for b, name in enumerate(basins)}
        return cls.fit_in_parts(lambda some: x[[place[b] for b in some]], basins, names, seed=seed)

    @classmethod
    def fit_in_parts(
        cls,
        read: Callable[[Sequence[str]], NDArray[np.float32]],
        basins: Sequence[str],
        names: Sequence[str],
        *,
        seed: int = 0,
        on_progress: Advance = silent,
    ) -> "TrainingRange":
        """Sum up training days of any number of basins, some in memory at a time.

        Parameters
        ----------
        read : callable
            From some basins to their raw inputs, as `fit` takes them. Each basin is read twice:
            what its own days are compared in depends on those of all.
        basins, names, seed
            As in `fit`.
        on_progress : callable
            Told of the basins read.

        Raises
        ------
        RunError
            No day has all inputs.
        """
        parts = [basins[i : i + BASINS_AT_ONCE] for i in range(0, len(basins), BASINS_AT_ONCE)]
        draw, ranges = Draw(seed), []
        for some in parts:
            x = read(some)
            draw.add(x)
            ranges.append((np.fmin.reduce(x, axis=(0, 1)), np.fmax.reduce(x, axis=(0, 1))))
            on_progress(len(some))
        skewed, scale = _skewed(days := draw.days())
        z = _transform(days, skewed, scale).astype("float64")
        mean, std = z.mean(axis=0), z.std(axis=0)
        # an input that never varies (its standard deviation may round to just above zero) is left
        # in its own units; the floor of the variance sees to it
        std[z.min(axis=0) == z.max(axis=0)] = 1.0
        z = (z - mean) / std
        whitening = _whitening((z.T @ z / len(z))[None], std)[0]
        own = []
        for some in parts:
            x = _transform(read(some), skewed, scale)
            own.append(_basins(x, mean.astype("float32"), std.astype("float32")))
            on_progress(len(some))
        basin_mean, basin_whitening, basin_limit = map(np.concatenate, zip(*own, strict=True))
        return cls(
            basins=tuple(basins),
            names=tuple(names),
            low=np.fmin.reduce([low for low, _ in ranges]),
            high=np.fmax.reduce([high for _, high in ranges]),
            skewed=skewed,
            scale=scale,
            mean=mean.astype("float32"),
            whitening=whitening,
            limit=float(np.quantile(np.square((z * std) @ whitening).sum(axis=1), LIMIT_QUANTILE)),
            basin_mean=basin_mean,
            basin_whitening=basin_whitening,
            basin_limit=basin_limit,
        )

    def of(self, basins: Sequence[str]) -> "TrainingRange":
        """Return the same range of the region with the own ranges of these basins only."""
        wanted = set(basins)
        rows = [b for b, name in enumerate(self.basins) if name in wanted]
        return replace(
            self,
            basins=tuple(self.basins[b] for b in rows),
            basin_mean=self.basin_mean[rows],
            basin_whitening=self.basin_whitening[rows],
            basin_limit=self.basin_limit[rows],
        )

    def outside(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Share of days below the smallest or above the largest value of training.

        Parameters
        ----------
        x : ndarray
            Raw inputs, (B, T, F), of any basins and days.

        Returns
        -------
        ndarray
            (B, F), 0 to 1, of the days that have the input; NaN where none has.
        """
        shares = [
            _share((v < low) | (v > high), ~np.isnan(v))
            for v, low, high in zip(np.moveaxis(x, 2, 0), self.low, self.high, strict=True)
        ]
        return np.stack(shares, axis=1)

    def unusual(self, x: NDArray[np.float32]) -> NDArray[np.float64]:
        """Share of days farther from the region's training days than its limit.

        Parameters
        ----------
        x : ndarray
            Raw inputs, (B, T, F), of any basins and days.

        Returns
        -------
        ndarray
            (B,), 0 to 1, of the days with all inputs; NaN where there is none.
        """
        distance = _distances(_transform(x, self.skewed, self.scale), self.mean, self.whitening)
        return _share(distance > self.limit, ~np.isnan(distance))

    def unusual_here(self, x: NDArray[np.float32], basins: Sequence[str]) -> NDArray[np.float64]:
        """Share of days farther from the basin's own training days than their limit.

        A regional model may know from elsewhere what is new here, so this is the stricter of the
        two: see `unusual`.

        Parameters
        ----------
        x : ndarray
            Raw inputs, (B, T, F).
        basins : sequence of str
            Gauge ids of the rows of `x`, in any order.

        Returns
        -------
        ndarray
            (B,), 0 to 1; NaN for basins without a range of their own: not of the training, or
            with fewer than `FEWEST_DAYS` complete days there.
        """
        place = {name: b for b, name in enumerate(self.basins)}
        found = np.full(len(basins), np.nan)
        rows = [r for r, b in enumerate(basins) if b in place]
        here = [place[basins[r]] for r in rows]
        if list(basins) != [basins[r] for r in rows]:
            x = x[rows]
        z = _transform(x, self.skewed, self.scale)
        distance = _distances(z, self.basin_mean[here][:, None], self.basin_whitening[here])
        limit = self.basin_limit[here]
        found[rows] = np.where(
            np.isnan(limit), np.nan, _share(distance > limit[:, None], ~np.isnan(distance))
        )
        return found


def _skewed(days: NDArray[np.float32]) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Tell which inputs are compared in logarithms, (F,), and the scale of each, (F,)."""
    values = days.astype("float64")
    mean = values.mean(axis=0)
    deviation = values - mean
    variance = np.square(deviation).mean(axis=0)
    third = (deviation**3).mean(axis=0)
    skewed = (values.min(axis=0) >= 0) & (third > SKEWED * variance**1.5) & (mean > 0)
    return skewed, np.where(skewed, mean, 1.0).astype("float32")


def _transform(
    x: NDArray[np.float32], skewed: NDArray[np.bool_], scale: NDArray[np.float32]
) -> NDArray[np.float32]:
    z = np.array(x, dtype="float32", order="C")
    for f in np.flatnonzero(skewed):
        z[..., f] = np.log1p(np.maximum(z[..., f], 0) / scale[f])
    return z


def _whitening(covariance: NDArray[np.float64], std: NDArray[np.float64]) -> NDArray[np.float32]:
    """Matrices W with W W^T = C^-1, (..., F, F), from covariances in units of `std`."""
    values, vectors = np.linalg.eigh(covariance)
    floored = np.maximum(values, SMALLEST_VARIANCE)
    return (vectors / np.sqrt(floored)[..., None, :] / std[:, None]).astype("float32")


def _basins(
    z: NDArray[np.float32], centre: NDArray[np.float32], std: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float64]]:
    """Mean (B, F), whitening (B, F, F) and limit (B,) of each basin's own days (B, T, F)."""
    scaled = (z - centre) / std
    missing = np.isnan(scaled).any(axis=2)
    scaled[missing] = 0.0
    count = (~missing).sum(axis=1)
    divisor = np.maximum(count, 1)[:, None]
    mean = scaled.sum(axis=1, dtype="float64") / divisor
    scaled -= mean[:, None].astype("float32")
    scaled[missing] = 0.0
    covariance = np.matmul(scaled.transpose(0, 2, 1), scaled) / divisor[:, :, None]
    whitening = _whitening(covariance.astype("float64"), std.astype("float64"))
    mean = (mean * std + centre).astype("float32")
    limit = np.full(len(z), np.nan)
    distance = _distances(z, mean[:, None], whitening)
    for b in np.flatnonzero(count >= FEWEST_DAYS):
        limit[b] = np.quantile(distance[b, ~missing[b]], LIMIT_QUANTILE)
    return mean, whitening, limit


def _distances(
    z: NDArray[np.float32], mean: NDArray[np.float32], whitening: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Squared distances (B, T); NaN on days that miss an input."""
    w = np.matmul(z - mean, whitening)
    return np.einsum("btf,btf->bt", w, w)


def _share(event: NDArray[np.bool_], counted: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share of counted days with the event, (B,); NaN where none counts."""
    days = counted.sum(axis=1)
    share = (event & counted).sum(axis=1) / np.maximum(days, 1)
    return np.where(days > 0, share, np.nan)
