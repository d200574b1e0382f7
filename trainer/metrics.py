"""Figures of detection: intervals, sliding windows, false accepts per hour, the DET curve. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

CUTOFFS = np.round(np.arange(0, 256) / 256, 6)  # what a uint8 output can be compared with


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


def sliding_mean(probabilities: np.ndarray, window: int) -> np.ndarray:
    """Mean of the last `window` values at each position, 0 until there are as many, as in the clients. (..., n)."""
    total = np.cumsum(probabilities, axis=-1, dtype=np.float64)
    means = np.zeros_like(total)
    if probabilities.shape[-1] >= window:
        means[..., window - 1] = total[..., window - 1] / window
        means[..., window:] = (total[..., window:] - total[..., :-window]) / window
    return means


def detections(means: np.ndarray, cutoff: float, pause: int) -> np.ndarray:
    """Positions where a client wakes: mean > cutoff, then `pause` steps of rest."""
    above = np.flatnonzero(means > cutoff)
    found, after = [], -1
    for position in map(int, above):
        if position >= after:
            found.append(position)
            after = position + pause
    return np.array(found, int)


@dataclass(frozen=True)
class Curve:
    """What each cutoff gives: misses and false accepts, on one set of phrases and some hours of other audio."""

    cutoffs: np.ndarray
    recall: np.ndarray
    false_accepts_per_hour: np.ndarray
    positives: int
    hours: float

    def at_limit(self, limit_per_hour: float) -> tuple[float, float]:
        """(cutoff, recall): the lowest cutoff with at most `limit_per_hour` false accepts and all above it too."""
        within = self.false_accepts_per_hour <= limit_per_hour
        good = np.flatnonzero(np.logical_and.accumulate(within[::-1])[::-1])
        if not len(good):
            return float(self.cutoffs[-1]), float(self.recall[-1])
        return float(self.cutoffs[good[0]]), float(self.recall[good[0]])


def curve(peaks: np.ndarray, ambient: list[np.ndarray], hours: float, pause: int) -> Curve:
    """DET curve from the highest mean of each phrase clip and the means along each ambient stream."""
    sorted_peaks = np.sort(peaks)
    recall = 1 - np.searchsorted(sorted_peaks, CUTOFFS, side="right") / max(len(peaks), 1)
    false = np.array([sum(len(detections(m, c, pause)) for m in ambient) for c in CUTOFFS], float)
    return Curve(CUTOFFS, recall, false / hours, len(peaks), hours)


def edit_distance(wanted: Sequence[Any], found: Sequence[Any]) -> int:
    """Insertions, deletions and substitutions that turn one into the other (Levenshtein)."""
    row = list(range(len(found) + 1))
    for i, a in enumerate(wanted, 1):
        above, row[0] = row[0], i
        for j, b in enumerate(found, 1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (a != b))
    return row[-1]


def edit_counts(said: Sequence[str], heard: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """(words, characters): (clips, 2) each, edits and length of what was said."""
    pairs = list(zip(said, heard, strict=True))
    words = np.array([(edit_distance(a.split(), b.split()), len(a.split())) for a, b in pairs], float)
    return words, np.array([(edit_distance(a, b), len(a)) for a, b in pairs], float)


def error_kinds(said: Sequence[str], heard: Sequence[str]) -> dict[str, int]:
    """Words inserted, deleted and substituted, in all clips, along a shortest way."""
    total = {"insertions": 0, "deletions": 0, "substitutions": 0}
    for a, b in zip(said, heard, strict=True):
        wanted, found = a.split(), b.split()
        table = [[i + j if not i * j else 0 for j in range(len(found) + 1)] for i in range(len(wanted) + 1)]
        for i, x in enumerate(wanted, 1):
            for j, y in enumerate(found, 1):
                table[i][j] = min(table[i - 1][j] + 1, table[i][j - 1] + 1, table[i - 1][j - 1] + (x != y))
        i, j = len(wanted), len(found)
        while i or j:
            if i and j and table[i][j] == table[i - 1][j - 1] + (wanted[i - 1] != found[j - 1]):
                total["substitutions"] += wanted[i - 1] != found[j - 1]
                i, j = i - 1, j - 1
            elif i and table[i][j] == table[i - 1][j] + 1:
                total["deletions"] += 1
                i -= 1
            else:
                total["insertions"] += 1
                j -= 1
    return total


def error_rate(counts: np.ndarray) -> float:
    """Edits of all clips by the length of what was said in them."""
    return float(counts[:, 0].sum() / counts[:, 1].sum())


def standard_error(counts: np.ndarray) -> float:
    """Of `error_rate`, from how much clips differ (of a ratio of means: Cochran 1977)."""
    rest = counts[:, 0] - error_rate(counts) * counts[:, 1]
    return float(np.sqrt(np.square(rest).sum()) / counts[:, 1].sum())


def bootstrap(counts: np.ndarray, level: float = 0.95, rounds: int = 1000) -> tuple[float, float]:
    """Interval of the ratio of sums over clips drawn again and again (Efron 1979). `counts`: (clips, 2), errors and total."""
    picked = np.random.default_rng(0).integers(len(counts), size=(rounds, len(counts)))
    sums = counts[picked].sum(1)
    low, high = np.percentile(sums[:, 0] / np.maximum(sums[:, 1], 1), (50 - level * 50, 50 + level * 50))
    return float(low), float(high)
