"""Batches for streaming models: batch i is a function of (seed, i)."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from trainer.wakeword.frames import Frames

# after a start the model's window is empty: a window may reach back before its clip, over zeros
COLD_SHARE = 0.25
COLD_FRAMES = 30
REAL_HOURS = 0.25  # of held-out recordings, from which a rate can be promised


@dataclass(frozen=True)
class Source:
    """Clips of one kind: share of a batch, label, weight, and where their windows may end."""

    name: str
    frames: Frames
    clips: np.ndarray  # numbers of the clips that may be drawn (a split)
    share: float
    label: float
    weight: float = 1.0
    # a window ends between these frames after the mark (or before it: less than 0); None: anywhere
    after_mark: tuple[int, int] | None = None

    def draw(self, rng: np.random.Generator, count: int, window: int) -> np.ndarray:
        """Numbers of the last frame + 1, in the store, of `count` windows."""
        index = self.frames.index[self.clips[rng.integers(len(self.clips), size=count)]]
        if self.after_mark is not None:
            low, high = self.after_mark
            ends = index["mark"] + rng.integers(low, high + 1, size=count)
            ends = np.clip(ends, 1, index["length"])
        else:
            lowest = np.where(rng.random(count) < COLD_SHARE, COLD_FRAMES, window)
            ends = rng.integers(np.minimum(lowest, index["length"]), index["length"] + 1)
        return index["start"] + ends

    def begins(self, ends: np.ndarray) -> np.ndarray:
        """Numbers of the first frames of the clips in which windows end."""
        starts = self.frames.index["start"]
        return starts[np.searchsorted(starts, ends, side="left") - 1]


Part = tuple[Frames, np.ndarray]  # a store, and the numbers of some of its clips


@dataclass(frozen=True)
class HeldOut:
    """Clips that are never trained on, for the choice of weights and cutoff."""

    phrases: list[Part]
    ambient: list[Part]  # what a device receives for hours
    confusables: list[Part]  # similar phrases, which are rare in ambient audio
    real: list[Part] = field(default_factory=list)  # those of `ambient` that were recorded

    @property
    def decisive(self) -> list[Part]:
        """By which cutoffs are chosen: recordings, where there are enough of them."""
        return self.real if hours_of(self.real) >= REAL_HOURS else self.ambient

    @property
    def ambient_hours(self) -> float:
        """Length of the ambient clips."""
        return hours_of(self.ambient)


def hours_of(parts: Sequence[Part]) -> float:
    """Length of clips."""
    lengths = (frames.index["length"][clips] for frames, clips in parts)
    return sum(float(length.sum()) for length in lengths) / 360_000


@dataclass(frozen=True)
class Hard:
    """Windows that an earlier model took for the phrase: their ends in one source's store."""

    source: int
    ends: np.ndarray


def draw_batch(
    sources: Sequence[Source],
    hard: Sequence[Hard],
    hard_share: float,
    size: int,
    window: int,
    seed: int,
    step: int,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(features uint8 (size, window, 40), labels (size, 1), weights (size, 1)) of one step."""
    rng = np.random.default_rng([seed, step])
    shares = np.array([s.share for s in sources])
    kinds = np.sort(rng.choice(len(sources), size, p=shares / shares.sum()))
    x = np.zeros((size, window, sources[0].frames.width), np.uint8)
    labels, weights = np.empty((size, 1), np.float32), np.empty((size, 1), np.float32)
    mined = {h.source: h.ends for h in hard if len(h.ends)}
    for kind, source in enumerate(sources):
        rows = np.flatnonzero(kinds == kind)
        if not len(rows):
            continue
        ends = source.draw(rng, len(rows), window)
        if kind in mined:
            take = rng.random(len(rows)) < hard_share
            ends[take] = mined[kind][rng.integers(len(mined[kind]), size=int(take.sum()))]
        starts = np.maximum(ends - window, source.begins(ends))
        for row, start, end in zip(rows, starts, ends, strict=True):
            x[row, window - (end - start) :] = source.frames.data[start:end]
        labels[rows], weights[rows] = source.label, source.weight
    mask(x, rng)
    return x, labels, weights


def mask(x: np.ndarray, rng: np.random.Generator, time_frames: int = 20, channels: int = 7) -> None:
    """SpecAugment (Park et al. 2019) in place: time and frequency masks in two thirds of rows."""
    count, window, width = x.shape
    rows = np.flatnonzero(rng.random(count) < 0.67)
    lengths, bands = (
        rng.integers(0, time_frames + 1, len(rows)),
        rng.integers(0, channels + 1, len(rows)),
    )
    at, low = rng.integers(0, window - lengths), rng.integers(0, width - bands)
    for i, row in enumerate(rows):
        x[row, at[i] : at[i] + lengths[i]] = 0
        x[row, :, low[i] : low[i] + bands[i]] = 0
