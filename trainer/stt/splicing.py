"""New sentences composed of a speaker's words, cut from the clips at the network's alignments.

For small corpora, whose few sentences a network would memorise (Lam et al. 2021, on-the-fly aligned
data augmentation).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from trainer.log import log
from trainer.stt.preparation import Clips, mfcc_batch
from trainer.text.alphabet import SPACE, Alphabet
from trainer.training.buckets import frames_needed
from trainer.training.callbacks import Callback, Round, State

ALIGNED_AFTER = (1 / 8, 1 / 4, 1 / 2)  # of the training
LONGEST_WORD, SHORTEST_WORD = 1.5, 0.08  # seconds; longer ones hold a pause or were not found
SPREAD = 0.15  # how much longer or shorter than the clip a sentence may be
NEVER = np.float32(-1e30)


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
    mels: np.ndarray, path: np.ndarray, labels: np.ndarray, space: int, margin: int = 1
) -> np.ndarray:
    """Frames where words begin, and the end: the quietest frame between the labels around each
    space. `margin`: 20 ms in frames."""
    loud = np.convolve(np.pad(mels.mean(1), 1, mode="edge"), [0.25, 0.5, 0.25], "valid")
    found = [0]
    for k in np.flatnonzero(labels == space):
        before, after = np.flatnonzero(path < 2 * k), np.flatnonzero(path > 2 * k + 2)
        low = max(found[-1] + 1, (int(before[-1]) if len(before) else 0) - 2 * margin)
        high = max(low + 1, (int(after[0]) if len(after) else len(path) - 1) + margin)
        found.append(
            min(low + int(np.argmin(loud[low:high])) if low < len(loud) else low, len(mels))
        )
    return np.array([*found, len(mels)], np.int32)


class Words:
    """The words of all clips by speaker, known once the network has aligned them."""

    def __init__(self, clips: Clips, alphabet: Alphabet, share: float, size: int) -> None:
        """`share` of the clips become sentences of them; `size`: clips aligned in one batch."""
        self.clips, self.blank, self.space = clips, alphabet.blank, alphabet.encode(SPACE)[0]
        self.share, self.size = share, size
        self.times = 0  # number of alignments so far
        self._set(np.zeros(0, np.int32))

    def update(self, model: Any, clock: float) -> None:
        """Align them, when it is time. `clock`: progress of the training, 0 to 1."""
        due = sum(clock >= part for part in ALIGNED_AFTER)
        if due > self.times:
            self.times = due
            self._set(self._find(model))
            log.info(
                "splice: %d words of %d speakers", sum(map(len, self._of.values())), len(self._of)
            )

    def state(self) -> State:
        """For the checkpoint."""
        return {"words_times": np.array(self.times), "words_bounds": self._bounds}

    def restore(self, state: State) -> None:
        """From a checkpoint."""
        self.times = int(state["words_times"])
        self._set(state["words_bounds"])

    def sentence(
        self, number: int, longest: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """(log mels, at most `longest` labels), about as long as clip `number`, by its speaker;
        None where nothing can be made."""
        length, known = (
            int(self.clips.frames.index["length"][number]),
            self._of.get(self._speaker(number)),
        )
        mels: list[np.ndarray] = []
        labels: list[int] = []
        frames = 0
        while known is not None and frames < (1 - SPREAD) * length:
            which, first, last, start, end = known[rng.integers(len(known))]
            if mels and (
                frames + last - first > (1 + SPREAD) * length
                or len(labels) + 1 + end - start > longest
            ):
                break
            mels.append(self.clips.frames.raw(int(which))[first:last])
            labels += [*([self.space] if labels else []), *self.clips.labels[which][start:end]]
            frames += last - first
        if not mels or frames_needed(labels) > frames:
            return None
        return np.concatenate(mels), np.array(labels, np.int32)

    def _speaker(self, number: int) -> str:
        return self.clips.names[number].speaker or self.clips.names[number].path

    def _find(self, model: Any) -> np.ndarray:
        """`bounds` of each clip, joined."""
        found: dict[int, np.ndarray] = {}
        order = np.argsort(self.clips.frames.index["length"], kind="stable")
        for at in range(0, len(order), self.size):
            numbers = order[at : at + self.size]
            mels = [self.clips.frames.raw(int(number)) for number in np.resize(numbers, self.size)]
            logits = np.asarray(model.predict_on_batch(mfcc_batch(mels)), np.float32)[
                : len(numbers)
            ]
            labels = [self.clips.labels[number] for number in numbers]
            paths = alignments(
                logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True),
                [*map(len, mels)][: len(numbers)],
                labels,
                self.blank,
            )
            for number, m, path, text in zip(numbers, mels, paths, labels, strict=False):
                found[int(number)] = bounds(
                    m, path, text, self.space, max(1, self.clips.features.frames(0.02))
                )
        return np.concatenate([found[number] for number in range(len(order))])

    def _set(self, found: np.ndarray) -> None:
        self._bounds = found
        table: dict[str, list[tuple[int, ...]]] = {}
        shortest, longest = (
            self.clips.features.frames(SHORTEST_WORD),
            self.clips.features.frames(LONGEST_WORD),
        )
        at = 0
        for number, text in enumerate(self.clips.labels if len(found) else ()):
            starts = [0, *(int(k) + 1 for k in np.flatnonzero(text == self.space))]
            ends = [*(start - 1 for start in starts[1:]), len(text)]
            for k, (start, end) in enumerate(zip(starts, ends, strict=True)):
                first, last = int(found[at + k]), int(found[at + k + 1])
                if (
                    end > start
                    and max(shortest, frames_needed(text[start:end])) <= last - first <= longest
                ):
                    table.setdefault(self._speaker(number), []).append(
                        (number, first, last, start, end)
                    )
            at += len(starts) + 1
        # clip, its frames, its labels
        self._of = {speaker: np.array(rows, np.int32) for speaker, rows in table.items()}


class AlignedWords(Callback):
    """Aligns the words of `Words` at its times, and keeps them in checkpoints."""

    def __init__(self, words: Words) -> None:
        self.words = words

    def on_round_end(self, current: Round) -> None:
        self.words.update(current.model, current.step / current.steps)

    def state(self) -> State:
        return self.words.state()

    def restore(self, state: State) -> None:
        self.words.restore(state)
