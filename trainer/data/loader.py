"""Batches of a data set: clips of like length together, in an order that a seed and a step give."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from trainer.audio.io import SAMPLE_RATE_HZ, Audio
from trainer.data.batch import Batch
from trainer.data.dataset import AudioDataset
from trainer.data.processor import stacked
from trainer.serialization import serializable
from trainer.training.buckets import Batches, padded_frames

Fewest: TypeAlias = Callable[[np.ndarray], int]
Clip: TypeAlias = tuple[Audio, np.ndarray]  # samples, labels
Compose: TypeAlias = Callable[[int, np.random.Generator], Clip | None]
LONGER = 1.06  # room for slower speech in training
EVALUATION_SECONDS = 120.0  # of audio in one batch without training


def roomy(frames: float) -> int:
    """Frames of a batch for clips of so many: few sizes, each of which is compiled once, a fifth
    apart."""
    size = 32
    while size < frames:
        size = padded_frames(max(size + 1, round(size * 1.2)))
    return size


@serializable
class AudioLoader:
    """Batches of at most `batch_seconds` of audio, padding included, or of `batch_size` clips.

    Batch `step` is a function of the seed and the step: training goes on from any.
    """

    dataset: AudioDataset
    batch_seconds: float = 60.0
    batch_size: int = 0

    def begin(self, seed: int) -> None:
        """Fix the order of batches."""
        a_second = self.dataset.processor.frames_per_second
        frames = 0 if self.batch_size else round(self.batch_seconds * a_second)
        lengths = self.dataset.seconds_of_clips * a_second * LONGER
        self.compose: Compose | None = None  # another clip instead of one of a training batch
        self._seed, self._rooms = seed, np.array([*map(roomy, lengths)])
        self._batches = Batches(self._rooms, 0, self.batch_size or 1, seed, frames)

    @property
    def per_epoch(self) -> int:
        """Batches of an epoch; known after `begin`."""
        return self._batches.per_epoch

    @property
    def mean_size(self) -> float:
        """Clips of a batch, on average; known after `begin`."""
        return self._batches.mean_size

    def batch(self, step: int, fewest: Fewest, views: int = 1, parts: int = 1) -> Batch:
        """Training batch `step`, augmented. `fewest(labels)`: frames that a clip must keep;
        `views`: how often each clip is in it, all first views before the second ones; `parts`: the
        number of clips is a multiple of it."""
        rng = np.random.default_rng([self._seed, step])
        numbers = self._batches.numbers(step)
        numbers = np.resize(numbers, -(-len(numbers) // parts) * parts)
        room = int(self._rooms[numbers].max())
        clips = [self._clip(int(number), rng, fewest) for number in numbers]
        return self._of(np.tile(numbers, views), clips * views, room, rng, fewest)

    def all(self) -> list[np.ndarray]:
        """Numbers of clips for one pass without training: each clip once, by length."""
        seconds = self.dataset.seconds_of_clips
        order = np.argsort(seconds, kind="stable")
        found: list[list[int]] = []
        for number in map(int, order):
            if not found or (len(found[-1]) + 1) * seconds[number] > EVALUATION_SECONDS:
                found.append([])
            found[-1].append(number)
        return [np.array(some) for some in found]

    def of(self, numbers: np.ndarray) -> Batch:
        """The clips with these numbers, as they are."""
        a_second = self.dataset.processor.frames_per_second
        longest = float(self.dataset.seconds_of_clips[numbers].max()) * a_second
        clips = [self._recorded(int(number)) for number in numbers]
        return self._of(numbers, clips, roomy(longest + 2), None, lambda labels: 1)

    def _recorded(self, number: int) -> Clip:
        return self.dataset.store[number], self.dataset.targets[number]

    def _clip(self, number: int, rng: np.random.Generator, fewest: Fewest) -> Clip:
        """Clip `number`, or what is composed instead, if its labels fit into its frames."""
        made = self.compose(number, rng) if self.compose else None
        if made is None:
            return self._recorded(number)
        frames = len(made[0]) / SAMPLE_RATE_HZ * self.dataset.processor.frames_per_second
        return made if frames >= fewest(made[1]) else self._recorded(number)

    def _of(
        self,
        numbers: np.ndarray,
        clips: Sequence[Clip],
        room: int,
        rng: np.random.Generator | None,
        fewest: Fewest,
    ) -> Batch:
        labels = [text for _, text in clips]
        features = [
            self.dataset.processor(samples, rng, (fewest(text), room)) for samples, text in clips
        ]
        frames = np.array([*map(len, features)], np.int32)
        x = stacked(features, room)
        return Batch(x, frames, labels, [int(number) for number in numbers], self.dataset.longest)
