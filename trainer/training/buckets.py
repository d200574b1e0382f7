"""Which clips a batch has, and in which order: lengths that go together, few sizes."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

FRAMES_MULTIPLE = 32  # batches are padded to it: each new length is compiled once
MIXED_SECONDS = 0.96  # variation of length within a batch: with 0.64 training is slower


def padded_frames(longest: int) -> int:
    """Frames of a batch whose longest clip has so many."""
    return -(-longest // FRAMES_MULTIPLE) * FRAMES_MULTIPLE


def frames_needed(labels: Sequence[int] | np.ndarray) -> int:
    """Frames that CTC needs for labels: one each, and a blank between two that are equal."""
    return len(labels) + sum(bool(a == b) for a, b in pairwise(labels))


class Batches:
    """Training batch i: clips of similar length, shuffled every epoch, the largest batch first."""

    def __init__(
        self, lengths: np.ndarray, mixed: int, size: int, seed: int, frames: int = 0
    ) -> None:
        """`lengths`: frames of each clip; `mixed`: how much they may vary within a batch. `size`
        clips each; with `frames`, at most so many frames in total, including padding."""
        self.seed, self._lengths, self._mixed = seed, lengths, mixed
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
