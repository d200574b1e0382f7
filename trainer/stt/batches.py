"""Batches of training clips: which clips, in which order, and how each is augmented."""

from dataclasses import dataclass

import numpy as np

from trainer.audio.mfcc import Features
from trainer.audio.spec_augment import other_microphone, other_voice
from trainer.stt.augmentation import Augmentation
from trainer.stt.preparation import Clips, frames_needed, mfcc_batch, padded_frames
from trainer.stt.splicing import Words

MIXED_SECONDS = 0.96  # variation of length within a batch: with 0.64 training is slower
HEAD = 3  # numbers before the labels of a target: frames, labels, index of the clip


@dataclass
class Changes:
    """How training clips are augmented: `augmentation` when they are read, composed sentences of
    `words`, `other_voice`, and `views` of each clip by `other_microphone`."""

    voices: float = 0.0
    augmentation: Augmentation | None = None
    words: Words | None = None
    views: int = 1

    def clips(
        self, clips: Clips, numbers: np.ndarray, clock: float, rng: np.random.Generator
    ) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """Log mels and labels, first views of all clips before second ones; `clock`: see
        batch_of."""
        made: dict[int, tuple[np.ndarray, np.ndarray]] = {}
        for row, number in enumerate(numbers):
            if (
                self.words is not None
                and rng.random() < self.words.share
                and (sentence := self.words.sentence(int(number), clips.longest, rng))
            ):
                made[row] = sentence
        rest = {row: clips.labels[number] for row, number in enumerate(numbers) if row not in made}
        if self.augmentation is not None:
            read = self.augmentation.log_mels(
                [clips.names[numbers[row]] for row in rest],
                [*map(frames_needed, rest.values())],
                clock,
                rng,
            )
        else:
            read = [clips.frames.raw(int(numbers[row])) for row in rest]
        made |= {row: (mels, text) for (row, text), mels in zip(rest.items(), read, strict=True)}
        found = [made[row] for row in range(len(numbers))]
        labels = [text for _, text in found]
        views = [
            self._views(mels, frames_needed(text), rng, clips.features) for mels, text in found
        ]
        return [
            of_clip[view] for view in range(self.views) for of_clip in views
        ], labels * self.views

    def _views(
        self, mels: np.ndarray, needed: int, rng: np.random.Generator, features: Features
    ) -> list[np.ndarray]:
        if self.voices <= 0:
            return [mels] * self.views
        voice = other_voice(mels, needed, rng, self.voices, features)
        return [other_microphone(voice, rng, self.voices, features) for _ in range(self.views)]


def batch_of(
    clips: Clips,
    numbers: np.ndarray,
    longest: int,
    rng: np.random.Generator | None = None,
    changes: Changes | None = None,
    clock: float = 0.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(MFCCs (b, t, 26) padded with zeros, targets (b, 3 + longest), weights of one).

    Targets: number of frames, number of labels, index of the clip, the labels. With `rng` clips
    are augmented, each as often as `changes` has views; `clock`: progress of training, 0 to 1.
    """
    if rng is None or changes is None:
        mels, labels = (
            [clips.frames.raw(int(number)) for number in numbers],
            [clips.labels[number] for number in numbers],
        )
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


class Batches:
    """Training batch i: clips of similar length, shuffled every epoch, the largest batch first."""

    def __init__(self, clips: Clips, size: int, seed: int, frames: int = 0) -> None:
        """`size` clips each; with `frames`, at most so many frames in total, including padding."""
        self.seed, self._lengths, self._mixed = (
            seed,
            clips.frames.index["length"],
            clips.features.frames(MIXED_SECONDS),
        )
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
        """Numbers of the clips in batch `step`."""
        epoch, at = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            rng = np.random.default_rng([self.seed, epoch])
            turn = np.arange(self.per_epoch)
            if epoch == 0:
                order = np.argsort(-self._lengths, kind="stable")[: self._whole]
                first = int(
                    np.argmax(
                        [(end - start) * self._lengths[order[start]] for start, end in self._slots]
                    )
                )
                turn[[0, first]] = first, 0
            else:  # clips that do not fill a batch are left out at random
                some = rng.permutation(len(self._lengths))[: self._whole]
                order = some[
                    np.argsort(
                        -self._lengths[some] - rng.uniform(0, self._mixed, len(some)), kind="stable"
                    )
                ]
            rng.shuffle(turn[int(epoch == 0) :])
            order = np.resize(order, self._whole)  # fewer clips than a batch are repeated
            self._batches = [order[slice(*self._slots[k])] for k in turn]
            self._epoch = epoch
        return self._batches[at]


def _slots(lengths: np.ndarray, frames: int, mixed: int) -> list[tuple[int, int]]:
    """Begin and end of batches among clips sorted by falling length. Few sizes, because each pair
    of size and length is compiled once."""
    slots, at = [], 0
    while at < len(lengths):
        # no clip there will be longer
        most = max(1, frames // padded_frames(int(lengths[at]) + mixed))
        size = 1 << (most.bit_length() - 1)
        size += size // 2 if size + size // 2 <= most else 0
        slots.append((at, min(at + size, len(lengths))))
        at += size
    return slots
