"""Confidence intervals of shares, rates and error rates."""

import numpy as np
from scipy import stats

from trainer.metrics.error_rate import error_rate


def wilson(hits: int, total: int, level: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a share; (0, 1) for no trials."""
    if total == 0:
        return 0.0, 1.0
    z = stats.norm.ppf(0.5 + level / 2)
    centre = (hits + z * z / 2) / (total + z * z)
    half = z / (total + z * z) * np.sqrt(hits * (total - hits) / total + z * z / 4)
    return float(max(0.0, centre - half)), float(min(1.0, centre + half))


def poisson_rate(events: int, hours: float, level: float = 0.95) -> tuple[float, float]:
    """Exact (Garwood) interval of a rate per hour."""
    low = stats.chi2.ppf((1 - level) / 2, 2 * events) / 2 if events else 0.0
    high = stats.chi2.ppf(0.5 + level / 2, 2 * events + 2) / 2
    return float(low / hours), float(high / hours)


def standard_error(counts: np.ndarray) -> float:
    """Standard error of `error_rate`, a ratio of means over clips (Cochran 1977)."""
    rest = counts[:, 0] - error_rate(counts) * counts[:, 1]
    return float(np.sqrt(np.square(rest).sum()) / counts[:, 1].sum())


def paired(
    one: np.ndarray, other: np.ndarray, rounds: int = 10_000, level: float = 0.95
) -> tuple[float, float, float, float]:
    """(difference of error rates, its interval, p-value) of two systems on the same clips by
    bootstrap (Koehn 2004). `one`, `other`: (clips, 2), errors and total; negative: `one` is better.
    The p-value is two-sided."""
    rng, found = np.random.default_rng(0), []
    both = np.concatenate([one, other], 1)
    for at in range(0, rounds, 500):
        share = np.full(len(both), 1 / len(both))
        weights = rng.multinomial(len(both), share, size=min(500, rounds - at))
        sums = weights @ both
        found.append(
            sums[:, 0] / np.maximum(sums[:, 1], 1) - sums[:, 2] / np.maximum(sums[:, 3], 1)
        )
    draws = np.concatenate(found)
    low, high = np.percentile(draws, (50 - level * 50, 50 + level * 50))
    difference = error_rate(one) - error_rate(other)
    beyond = min(float((draws <= 0).mean()), float((draws >= 0).mean()))
    return difference, float(low), float(high), min(1.0, 2 * beyond)


def bootstrap(counts: np.ndarray, level: float = 0.95, rounds: int = 1000) -> tuple[float, float]:
    """Bootstrap interval of an error rate (Efron 1979). `counts`: (clips, 2), errors and total."""
    picked = np.random.default_rng(0).integers(len(counts), size=(rounds, len(counts)))
    sums = counts[picked].sum(1)
    low, high = np.percentile(
        sums[:, 0] / np.maximum(sums[:, 1], 1), (50 - level * 50, 50 + level * 50)
    )
    return float(low), float(high)
