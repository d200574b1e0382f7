"""Models with one output a frame, trained by CTC: targets, loss, decoding."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from scipy.special import log_softmax

from trainer.data.batch import Batch
from trainer.errors import UserError
from trainer.models.recurrent import Tensor
from trainer.models.speech.base import GREEDY, Decoding, SpeechModel
from trainer.text.alphabet import collapse
from trainer.text.decoder import Search, decode, load_scorer
from trainer.training import ctc
from trainer.training.buckets import frames_needed


class CtcModel(SpeechModel):
    """Base: logits (clips, frames after subsampling, labels and blank); the blank is last.

    `consistency`: weight of the divergence of two augmented views of each clip (Yao et al. 2025),
    in models that have it as a field; 0: one view.
    """

    consistency: float = 0.0

    @property
    def views(self) -> int:
        return 2 if self.consistency else 1

    @property
    def aligns(self) -> bool:
        return True

    def output_frames(self, frames: Any) -> Any:
        """Frames of output for frames of input."""
        return frames

    @property
    def subsampling(self) -> int:
        """Frames of input for one of output."""
        return round(6400 / self.output_frames(6400))

    def fewest_frames(self, labels: np.ndarray) -> int:
        return self.subsampling * (frames_needed(labels) + 1)

    def learns(self, frames: int, labels: np.ndarray) -> bool:
        """CTC aligns no more labels than frames."""
        return int(self.output_frames(frames)) >= frames_needed(labels)

    def targets(self, batch: Batch) -> np.ndarray:
        frames = self.output_frames(batch.frames)
        return ctc.targets(frames, batch.labels, batch.numbers, batch.longest)

    def loss(self, targets: Any, outputs: Any) -> Tensor:
        if not self.consistency:
            return ctc.ctc(targets, outputs)
        return ctc.agreeing(self.consistency, targets, outputs)

    def evaluation_loss(self, targets: Any, outputs: Any) -> Tensor:
        return ctc.ctc(targets, outputs)

    def log_probabilities(self, batch: Batch, outputs: Any) -> list[np.ndarray]:
        """(frames, labels and blank) of each clip. Raises UserError for outputs of other sizes."""
        logits = np.asarray(outputs, np.float32)
        frames = self.output_frames(batch.frames)
        wanted = len(batch), int(self.output_frames(batch.features.shape[1])), len(self.labels) + 1
        if logits.shape != wanted:
            raise UserError(
                f"{type(self).__name__}.network: outputs of shape {logits.shape} instead of "
                f"{wanted}: clips, output_frames(frames), labels and one blank"
            )
        found = log_softmax(logits, axis=-1)
        return [row[:count] for row, count in zip(found, frames, strict=True)]

    def transcripts(
        self, network: keras.Model, batch: Batch, outputs: Any, decoding: Decoding = GREEDY
    ) -> list[str]:
        return self.texts(self.log_probabilities(batch, outputs), decoding)

    def texts(self, outputs: Sequence[np.ndarray], decoding: Decoding) -> list[str]:
        """Of log probabilities."""
        alphabet = self.alphabet
        if decoding.beam == 1 and decoding.scorer is None:
            best = (collapse(row.argmax(-1), alphabet.blank) for row in outputs)
            return [alphabet.decode(labels) for labels in best]
        scorer = load_scorer(decoding.scorer, alphabet) if decoding.scorer else None
        search = replace(Search(), beam_width=max(decoding.beam, 2))
        return [alphabet.decode(decode(row, search, scorer)[0]) for row in outputs]
