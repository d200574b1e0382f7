"""One batch of clips: what data loaders yield and models take."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Batch:
    """`features`: float32 (clips, frames, bands), zeros behind the end of each clip; `frames`:
    int32 (clips,), how many are not padding; `labels`: of each transcript; `numbers`: of the clips
    in their data set; `longest`: labels of the data set's longest transcript."""

    features: np.ndarray
    frames: np.ndarray
    labels: Sequence[np.ndarray]
    numbers: Sequence[int]
    longest: int

    def by_part(self, views: int, parts: int) -> "Batch":
        """The clips in so many equal parts, each of which has all of its views."""
        places = np.arange(len(self)).reshape(views, parts, -1)
        order: list[int] = places.transpose(1, 0, 2).ravel().tolist()
        labels = [self.labels[i] for i in order]
        numbers = [self.numbers[i] for i in order]
        return Batch(self.features[order], self.frames[order], labels, numbers, self.longest)

    def __len__(self) -> int:
        return len(self.frames)
