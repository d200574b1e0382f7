"""New sentences composed of a speaker's words, cut from the clips at a network's alignments.

For small corpora, whose few sentences a network would memorise (Lam et al. 2021, on-the-fly aligned
data augmentation).
"""

from collections.abc import Sequence

import numpy as np

from trainer.log import log
from trainer.training.buckets import frames_needed
from trainer.training.callbacks import State

LONGEST_WORD, SHORTEST_WORD = 1.5, 0.08  # seconds; longer ones hold a pause or were not found
NEVER = np.float32(-1e30)
Piece = tuple[int, int, int]  # a clip, and the frames from which to which it is cut


def alignments(
    log_probabilities: np.ndarray, frames: Sequence[int], labels: Sequence[np.ndarray], blank: int
) -> list[np.ndarray]:
    """The most probable CTC path of each clip (Graves et al. 2006).

    (b, t, classes) -> for each clip (frames,): 2 k + 1 at label k, even numbers at blanks.
    """
    states = 2 * max(map(len, labels)) + 1
    path_labels = np.full((len(labels), states), blank)
    for row, text in enumerate(labels):
        path_labels[row, 1 : 2 * len(text) : 2] = text
    leap = np.zeros(path_labels.shape, bool)
    later = path_labels[:, 2:]
    leap[:, 2:] = (later != blank) & (later != path_labels[:, :-2])
    emitted = np.take_along_axis(log_probabilities, path_labels[:, None], 2)
    score = np.full(path_labels.shape, NEVER)
    score[:, :2] = emitted[:, 0, :2]
    steps = np.zeros(emitted.shape, np.int8)
    for t in range(1, emitted.shape[1]):
        ways = np.full((3, *path_labels.shape), NEVER)
        ways[0], ways[1, :, 1:], ways[2, :, 2:] = (
            score,
            score[:, :-1],
            np.where(leap[:, 2:], score[:, :-2], NEVER),
        )
        steps[:, t] = ways.argmax(0)
        new = ways.max(0) + emitted[:, t]
        score = np.where((t < np.asarray(frames))[:, None], new, score)
    paths = []
    for row, (text, count) in enumerate(zip(labels, frames, strict=True)):
        end = 2 * len(text)
        place = end if end == 0 or score[row, end] > score[row, end - 1] else end - 1
        path = np.zeros(count, int)
        for t in range(count - 1, -1, -1):
            path[t] = place
            place -= steps[row, t, place]
        paths.append(path)
    return paths


def bounds(
    loudness: np.ndarray, path: np.ndarray, labels: np.ndarray, space: int, margin: int = 1
) -> np.ndarray:
    """Frames where words begin, and the end: the quietest frame between the labels around each
    space. `loudness`, `path`: of each frame; `margin`: 20 ms in frames."""
    loud = np.convolve(np.pad(loudness, 1, mode="edge"), [0.25, 0.5, 0.25], "valid")
    found = [0]
    for k in np.flatnonzero(labels == space):
        before, after = np.flatnonzero(path < 2 * k), np.flatnonzero(path > 2 * k + 2)
        low = max(found[-1] + 1, (int(before[-1]) if len(before) else 0) - 2 * margin)
        high = max(low + 1, (int(after[0]) if len(after) else len(path) - 1) + margin)
        found.append(
            min(low + int(np.argmin(loud[low:high])) if low < len(loud) else low, len(loudness))
        )
    return np.array([*found, len(loudness)], np.int32)


class Words:
    """The words of all clips by speaker, known once a network has aligned the clips."""

    def __init__(
        self,
        labels: Sequence[np.ndarray],
        speakers: Sequence[str],
        space: int,
        frames_per_second: float,
        aligned_after: Sequence[float],
    ) -> None:
        """`labels`, `speakers`: of each clip; `aligned_after`: shares of the training after which
        clips are aligned anew."""
        self.labels, self.speakers, self.space = labels, speakers, space
        self.frames_per_second, self.aligned_after = frames_per_second, aligned_after
        self.times = 0  # number of alignments so far
        self._set(np.zeros(0, np.int32))

    def due(self, clock: float) -> bool:
        """Whether it is time to align again. `clock`: progress of the training, 0 to 1."""
        times = sum(clock >= part for part in self.aligned_after)
        due, self.times = times > self.times, max(times, self.times)
        return due

    def take(self, bounds_of: Sequence[np.ndarray]) -> None:
        """Cut the words at the `bounds` of each clip."""
        self._set(np.concatenate(bounds_of))
        words = sum(map(len, self._of.values()))
        log.info("splice: %d words of %d speakers", words, len(self._of))

    def state(self) -> State:
        """For the checkpoint."""
        return {"words_times": np.array(self.times), "words_bounds": self._bounds}

    def restore(self, state: State) -> None:
        """From a checkpoint."""
        self.times = int(state["words_times"])
        self._set(state["words_bounds"])

    def sentence(
        self, speaker: str, frames: tuple[float, float], longest: int, rng: np.random.Generator
    ) -> tuple[list[Piece], np.ndarray] | None:
        """Pieces and labels, at most `longest`, of a sentence of the speaker's words; from
        `frames[0]` to `frames[1]` frames, or one word. None where nothing can be made."""
        known = self._of.get(speaker)
        pieces: list[Piece] = []
        labels: list[int] = []
        total = 0
        while known is not None and total < frames[0]:
            which, first, last, start, end = map(int, known[rng.integers(len(known))])
            if pieces and (
                total + last - first > frames[1] or len(labels) + 1 + end - start > longest
            ):
                break
            pieces.append((which, first, last))
            labels += [*([self.space] if labels else []), *self.labels[which][start:end]]
            total += last - first
        if not pieces or frames_needed(labels) > total:
            return None
        return pieces, np.array(labels, np.int32)

    def _set(self, found: np.ndarray) -> None:
        self._bounds = found
        table: dict[str, list[tuple[int, ...]]] = {}
        shortest = round(self.frames_per_second * SHORTEST_WORD)
        longest = round(self.frames_per_second * LONGEST_WORD)
        at = 0
        for number, text in enumerate(self.labels if len(found) else ()):
            starts = [0, *(int(k) + 1 for k in np.flatnonzero(text == self.space))]
            ends = [*(start - 1 for start in starts[1:]), len(text)]
            for k, (start, end) in enumerate(zip(starts, ends, strict=True)):
                first, last = int(found[at + k]), int(found[at + k + 1])
                if (
                    end > start
                    and max(shortest, frames_needed(text[start:end])) <= last - first <= longest
                ):
                    row = number, first, last, start, end
                    table.setdefault(self.speakers[number], []).append(row)
            at += len(starts) + 1
        # clip, its frames, its labels
        self._of = {speaker: np.array(rows, np.int32) for speaker, rows in table.items()}
