"""Batches of training clips: which, in what order, and how each is changed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from trainer.mfcc import FILTERS, Features
from trainer.stt.augmentation import Augmentation, rows_at
from trainer.stt.preparation import Clips, frames_needed, mfcc_batch, padded_frames
from trainer.stt.splicing import Words

MIXED_SECONDS = 0.96  # clips of a batch may differ so much in length: with 0.64 they are too much alike, and it learns slower
HEAD = 3  # numbers before the labels of a target: frames, labels, the clip's number


@dataclass
class Changes:
    """How clips of training are changed: `augmentation` on what is read anew, words put together anew, `other_voice`, and `views` of each
    clip by `other_microphone`."""

    voices: float = 0.0
    augmentation: Augmentation | None = None
    words: Words | None = None
    views: int = 1

    def clips(self, clips: Clips, numbers: np.ndarray, clock: float, rng: np.random.Generator) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Log mels and labels, the first views of all clips before the second ones; ranges of the augmentation run with `clock` from 0 to 1."""
        made: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        for row, number in enumerate(numbers):
            if self.words is not None and rng.random() < self.words.share and (sentence := self.words.sentence(int(number), clips.longest, rng)):
                made[row] = sentence
        rest = {row: clips.labels[number] for row, number in enumerate(numbers) if row not in made}
        if self.augmentation is not None:
            read = self.augmentation.log_mels([clips.names[numbers[row]] for row in rest], [*map(frames_needed, rest.values())], clock, rng)
        else:
            read = [clips.frames.raw(int(numbers[row])) for row in rest]
        made |= {row: (mels, text) for (row, text), mels in zip(rest.items(), read, strict=True)}
        found = [made[row] for row in range(len(numbers))]
        labels = [text for _, text in found]
        views = [self._views(mels, frames_needed(text), rng, clips.features) for mels, text in found]
        return [of_clip[view] for view in range(self.views) for of_clip in views], labels * self.views

    def _views(self, mels: np.ndarray, needed: int, rng: np.random.Generator, features: Features) -> list[np.ndarray]:
        if self.voices <= 0:
            return [mels] * self.views
        voice = other_voice(mels, needed, rng, self.voices, features)
        return [other_microphone(voice, rng, self.voices, features) for _ in range(self.views)]


def batch_of(
    clips: Clips, numbers: np.ndarray, longest: int, rng: np.random.Generator | None = None, changes: Changes | None = None, clock: float = 0.0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(MFCCs (b, t, 26) padded with zeros, targets (b, 3 + longest): frames, labels, number of the clip, the labels; weights of one).

    With `rng` each clip is changed first, and comes as often as `changes` has views; `clock`: how far training is, 0 to 1.
    """
    if rng is None or changes is None:
        mels, labels = [clips.frames.raw(int(number)) for number in numbers], [clips.labels[number] for number in numbers]
    else:
        mels, labels = changes.clips(clips, numbers, clock, rng)
        numbers = np.tile(numbers, changes.views)
    x = mfcc_batch(mels)
    if rng is not None and changes is not None and changes.augmentation is not None:
        changes.augmentation.mfccs(x, [len(m) for m in mels], clock, rng)
    y = np.zeros((len(numbers), HEAD + longest), np.int32)
    for row, (number, frames, text) in enumerate(zip(numbers, mels, labels, strict=True)):
        y[row, :HEAD] = len(frames), len(text), number
        y[row, HEAD : HEAD + len(text)] = text
    return x, y, np.ones(len(numbers), np.float32)


def other_voice(mels: np.ndarray, needed: int, rng: np.random.Generator, amount: float, features: Features) -> np.ndarray:
    """Another tempo and size of head (frequencies scaled; Jaitly & Hinton 2013). `needed`: frames that must be left."""
    fast = float(np.exp(rng.uniform(-0.18, 0.18) * amount))
    count = max(needed, 1, round(len(mels) / fast))
    mels = rows_at(mels, np.linspace(0, len(mels) - 1, count))
    head = float(np.exp(rng.uniform(-0.16, 0.16) * amount))
    return rows_at(mels.T, np.clip(features.scaled_bands(head), 0, FILTERS - 1)).T


def other_microphone(mels: np.ndarray, rng: np.random.Generator, amount: float, features: Features) -> np.ndarray:
    """Another level and tilt, noise, and SpecAugment's masks (Park et al. 2019)."""
    slope = np.linspace(-1, 1, FILTERS, dtype=np.float32)
    mels = mels + np.float32(rng.uniform(-1.5, 1.5) * amount) + slope * np.float32(rng.uniform(-1, 1) * amount)
    if rng.random() < 0.5:  # noise under the voice
        floor = np.percentile(mels, 95) - rng.uniform(2.5, 7) + slope * rng.uniform(-1, 1)
        mels = np.logaddexp(mels, floor + rng.normal(0, 0.4, mels.shape))
    mean = mels.mean(0)
    for _ in range(2):
        size = int(rng.integers(0, min(features.frames(0.2), max(1, len(mels) // 6)) + 1) * min(amount, 1.0))
        at = int(rng.integers(0, max(1, len(mels) - size)))
        mels[at : at + size] = mean
        band = int(rng.integers(0, 6))
        low = int(rng.integers(0, FILTERS - band))
        mels[:, low : low + band] = mean[low : low + band]
    return np.asarray(mels, np.float32)


class Batches:
    """Batch i of training: clips of like length together, another order every epoch, what needs most memory first of all."""

    def __init__(self, clips: Clips, size: int, seed: int, frames: int = 0) -> None:
        """`size` clips each; with `frames`, as many as have at most so many frames together, padding included, but one at least."""
        self.seed, self._lengths, self._mixed = seed, clips.frames.index["length"], clips.features.frames(MIXED_SECONDS)
        count = len(self._lengths)
        if frames:
            self._slots = _slots(np.sort(self._lengths)[::-1], frames, self._mixed)
        else:
            self._slots = [(k * size, (k + 1) * size) for k in range(max(1, count // size))]
        self.per_epoch, self._whole = len(self._slots), self._slots[-1][1]
        self.mean_size = self._whole / self.per_epoch
        self._epoch = -1
        self._batches: list[np.ndarray] = []

    def numbers(self, step: int) -> np.ndarray:
        """Which clips."""
        epoch, at = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            rng = np.random.default_rng([self.seed, epoch])
            turn = np.arange(self.per_epoch)
            if epoch == 0:
                order = np.argsort(-self._lengths, kind="stable")[: self._whole]
                first = int(np.argmax([(end - start) * self._lengths[order[start]] for start, end in self._slots]))
                turn[[0, first]] = first, 0
            else:  # what does not fill a batch is left out by chance, another time others
                some = rng.permutation(len(self._lengths))[: self._whole]
                order = some[np.argsort(-self._lengths[some] - rng.uniform(0, self._mixed, len(some)), kind="stable")]
            rng.shuffle(turn[int(epoch == 0) :])
            order = np.resize(order, self._whole)  # fewer clips than a batch holds come several times
            self._batches = [order[slice(*self._slots[k])] for k in turn]
            self._epoch = epoch
        return self._batches[at]


def _slots(lengths: np.ndarray, frames: int, mixed: int) -> list[tuple[int, int]]:
    """Where batches begin and end among clips that fall in length. Few sizes: each pair of size and length is compiled once."""
    slots, at = [], 0
    while at < len(lengths):
        most = max(1, frames // padded_frames(int(lengths[at]) + mixed))  # no clip there will be longer
        size = 1 << (most.bit_length() - 1)
        size += size // 2 if size + size // 2 <= most else 0
        slots.append((at, min(at + size, len(lengths))))
        at += size
    return slots
