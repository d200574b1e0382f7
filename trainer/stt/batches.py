"""Batches of training clips: how each is augmented, and its targets."""

from dataclasses import dataclass

import numpy as np

from trainer.audio.mfcc import Features
from trainer.audio.spec_augment import other_microphone, other_voice
from trainer.stt.augmentation import Augmentation
from trainer.stt.preparation import Clips, mfcc_batch
from trainer.stt.splicing import Words
from trainer.training.buckets import frames_needed
from trainer.training.ctc import targets


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
    y = targets([*map(len, mels)], labels, numbers.tolist(), longest)
    return x, y, np.ones(len(numbers), np.float32)
