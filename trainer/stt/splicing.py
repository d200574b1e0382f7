"""New sentences composed of the log mels of a speaker's words (see trainer.training.splicing)."""

from typing import Any

import numpy as np

from trainer.stt.preparation import Clips, mfcc_batch
from trainer.text.alphabet import SPACE, Alphabet
from trainer.training import splicing
from trainer.training.callbacks import Callback, Round, State
from trainer.training.splicing import alignments, bounds

ALIGNED_AFTER = (1 / 8, 1 / 4, 1 / 2)  # of the training
SPREAD = 0.15  # how much longer or shorter than the clip a sentence may be


class Words:
    """The words of all clips by speaker, known once the network has aligned them."""

    def __init__(self, clips: Clips, alphabet: Alphabet, share: float, size: int) -> None:
        """`share` of the clips become sentences of them; `size`: clips aligned in one batch."""
        self.clips, self.blank, self.space = clips, alphabet.blank, alphabet.encode(SPACE)[0]
        self.share, self.size = share, size
        speakers = [name.speaker or name.path for name in clips.names]
        rate = clips.features.frames(1.0)
        self.known = splicing.Words(clips.labels, speakers, self.space, rate, ALIGNED_AFTER)

    def update(self, model: Any, clock: float) -> None:
        """Align them, when it is time. `clock`: progress of the training, 0 to 1."""
        if self.known.due(clock):
            self.known.take(self._find(model))

    def sentence(
        self, number: int, longest: int, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray] | None:
        """(log mels, at most `longest` labels), about as long as clip `number`, by its speaker;
        None where nothing can be made."""
        length = int(self.clips.frames.index["length"][number])
        frames = (1 - SPREAD) * length, (1 + SPREAD) * length
        made = self.known.sentence(self.known.speakers[number], frames, longest, rng)
        if made is None:
            return None
        cut = [self.clips.frames.raw(which)[first:last] for which, first, last in made[0]]
        return np.concatenate(cut), made[1]

    def _find(self, model: Any) -> list[np.ndarray]:
        """`bounds` of each clip."""
        found: dict[int, np.ndarray] = {}
        margin = max(1, self.clips.features.frames(0.02))
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
                found[int(number)] = bounds(m.mean(1), path, text, self.space, margin)
        return [found[number] for number in range(len(order))]


class AlignedWords(Callback):
    """Aligns the words of `Words` at its times, and keeps them in checkpoints."""

    def __init__(self, words: Words) -> None:
        self.words = words

    def on_round_end(self, current: Round) -> None:
        self.words.update(current.model, current.step / current.steps)

    def state(self) -> State:
        return self.words.known.state()

    def restore(self, state: State) -> None:
        self.words.known.restore(state)
