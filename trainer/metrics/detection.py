"""Detection: sliding windows, false accepts per hour, the DET curve."""

from dataclasses import dataclass

import numpy as np

CUTOFFS = np.round(np.arange(0, 256) / 256, 6)  # what a uint8 output can be compared with


def sliding_mean(probabilities: np.ndarray, window: int) -> np.ndarray:
    """(..., n) -> means of the last `window` values, 0 until there are as many (as in clients)."""
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
    """Recall and false accepts at each cutoff, on phrases and on hours of other audio."""

    cutoffs: np.ndarray
    recall: np.ndarray
    false_accepts_per_hour: np.ndarray
    positives: int
    hours: float

    def at_limit(self, limit_per_hour: float) -> tuple[float, float]:
        """(cutoff, recall) of the lowest cutoff above which false accepts are within the limit."""
        within = self.false_accepts_per_hour <= limit_per_hour
        good = np.flatnonzero(np.logical_and.accumulate(within[::-1])[::-1])
        if not len(good):
            return float(self.cutoffs[-1]), float(self.recall[-1])
        return float(self.cutoffs[good[0]]), float(self.recall[good[0]])


def curve(peaks: np.ndarray, ambient: list[np.ndarray], hours: float, pause: int) -> Curve:
    """DET curve from the highest mean of each phrase and the means along ambient streams."""
    sorted_peaks = np.sort(peaks)
    recall = 1 - np.searchsorted(sorted_peaks, CUTOFFS, side="right") / max(len(peaks), 1)
    false = np.array([sum(len(detections(m, c, pause)) for m in ambient) for c in CUTOFFS], float)
    return Curve(CUTOFFS, recall, false / hours, len(peaks), hours)
