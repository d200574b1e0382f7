"""Detection: sliding windows, false accepts per hour, the DET curve."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

TAIL_EVENTS = 30  # the loudest false events, from which the rate of still louder ones is estimated
SMALLEST_SCALE = 0.25  # of a tail: a few events may lie close together by chance
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


@dataclass(frozen=True)
class Tail:
    """How often other audio is louder than a cutoff, beyond what hours of it can count.

    The logits of the loudest events above a threshold fall off exponentially (peaks over threshold:
    Pickands 1975), so the rate at higher cutoffs follows from their number and mean.
    """

    threshold: float  # logit
    scale: float  # mean of the logits above it
    events: int
    hours: float

    def rate(self, cutoff: float) -> float:
        """Expected false accepts per hour."""
        above = (float(_logit(np.array(cutoff))) - self.threshold) / self.scale
        return self.events / self.hours * float(np.exp(-above))

    def cutoff(self, limit_per_hour: float) -> float:
        """The cutoff with this expected rate, 0 to 1."""
        if not self.events:
            return float(_probability(self.threshold))
        above = self.scale * np.log(self.events / (self.hours * limit_per_hour))
        return float(_probability(self.threshold + above))


def tail(means: Sequence[np.ndarray], hours: float, pause: int) -> Tail:
    """The tail of the means along streams."""
    counts = [sum(len(detections(m, c, pause)) for m in means) for c in CUTOFFS]
    start = int(np.argmax(np.array(counts) <= TAIL_EVENTS))
    threshold = float(CUTOFFS[start])
    loudest = [
        float(m[at : at + pause].max()) for m in means for at in detections(m, threshold, pause)
    ]
    base = float(_logit(np.array(threshold)))
    scale = float(np.mean(_logit(np.array(loudest)) - base)) if loudest else SMALLEST_SCALE
    return Tail(base, max(scale, SMALLEST_SCALE), len(loudest), hours)


def other_half(means: Sequence[np.ndarray], hours: float, pause: int, limit: float) -> float:
    """False accepts an hour where the cutoff comes from one half of streams and they are counted
    in the other, both ways: what a promise of `limit` an hour is worth."""
    halves = means[::2], means[1::2]
    count = 0
    for chosen, counted in (halves, halves[::-1]):
        share = sum(map(len, chosen)) / max(1, sum(map(len, means)))
        cutoff = tail(chosen, hours * share, pause).cutoff(limit)
        count += sum(len(detections(one, cutoff, pause)) for one in counted)
    return count / hours


def _logit(p: np.ndarray) -> np.ndarray:
    p = np.clip(p, 1 / 512, 511 / 512)
    return np.asarray(np.log(p / (1 - p)))


def _probability(logit: float) -> float:
    return 1 / (1 + float(np.exp(-logit)))
