"""Training sentences composed of a speaker's words, which the network being trained aligns."""

import numpy as np

from trainer.audio.io import SAMPLE_RATE_HZ, Audio
from trainer.data.processor import stacked
from trainer.errors import UserError
from trainer.experiment.callbacks import Callback, Context
from trainer.serialization import serializable
from trainer.text.alphabet import SPACE
from trainer.training import devices
from trainer.training.callbacks import Round, State
from trainer.training.splicing import Words, alignments, bounds

FRAMES_PER_SECOND = 100
SAMPLES = SAMPLE_RATE_HZ // FRAMES_PER_SECOND  # of a frame
ALIGNED_AFTER = (0.2, 0.4, 0.6)  # of the training
SHORTER = 0.7  # of the clip that a sentence replaces; it is never longer


@serializable
class Splice(Callback):
    """Replaces `share` of the clips in training by sentences of the same speaker's words, for small
    corpora whose clips have speakers; without one, a clip's own words are put in other orders. From
    a fifth of the training on. For networks with outputs of CTC, such as all of the zoo."""

    share: float = 0.5

    def begin(self, context: Context) -> None:
        """Raises UserError for networks and labels by which no words can be found."""
        super().begin(context)
        model, dataset = context.model, context.loader.dataset
        if not model.aligns:
            raise UserError(f"Splice: {type(model).__name__} has no outputs of CTC to align words")
        if SPACE not in dataset.labels:
            raise UserError(f"Splice: {dataset.path}: no transcript has a space between words")
        speakers = [row.speaker or row.wav_filename for row in dataset.rows]
        space = dataset.alphabet.encode(SPACE)[0]
        self._words = Words(dataset.targets, speakers, space, FRAMES_PER_SECOND, ALIGNED_AFTER)
        context.loader.compose = self.sentence

    def sentence(self, number: int, rng: np.random.Generator) -> tuple[Audio, np.ndarray] | None:
        """Samples and labels instead of those of clip `number`; None: as it is."""
        if rng.random() >= self.share:
            return None
        dataset, words = self.context.loader.dataset, self._words
        frames = len(dataset.store[number]) / SAMPLES
        within = SHORTER * frames, frames
        made = words.sentence(words.speakers[number], within, dataset.longest, rng)
        if made is None:
            return None
        cut = [
            dataset.store[clip][first * SAMPLES : last * SAMPLES] for clip, first, last in made[0]
        ]
        return np.concatenate(cut)[: len(dataset.store[number])], made[1]

    def on_round_end(self, current: Round) -> None:
        if self._words.due(current.step / current.steps):
            self._words.take(self._bounds())

    def _bounds(self) -> list[np.ndarray]:
        """Where the words of each clip begin."""
        model, loader = self.context.model, self.context.loader
        dataset = loader.dataset
        found: dict[int, np.ndarray] = {}
        for numbers in loader.all():
            batch = loader.of(numbers)
            outputs = devices.outputs_of(self.context.network, model.inputs(batch))
            chances = model.log_probabilities(batch, outputs)
            frames = [*map(len, chances)]
            padded = stacked(chances, max(frames))
            paths = alignments(padded, frames, batch.labels, dataset.alphabet.blank)
            for number, path, text in zip(batch.numbers, paths, batch.labels, strict=True):
                loud = loudness(dataset.store[number])
                each = -(-len(loud) // len(path))  # frames of input for one of output
                at = np.minimum(np.arange(len(loud)) // each, len(path) - 1)
                found[number] = bounds(loud, path[at], text, self._words.space, 2)
        return [found[number] for number in range(len(found))]

    def state(self) -> State:
        return self._words.state()

    def restore(self, state: State) -> None:
        self._words.restore(state)


def loudness(samples: Audio) -> np.ndarray:
    """Logarithm of the power of each frame of 10 ms."""
    whole = np.pad(samples, (0, -len(samples) % SAMPLES)).reshape(-1, SAMPLES)
    return np.log(np.mean(whole.astype(np.float32) ** 2, axis=1) + 1e-9)
