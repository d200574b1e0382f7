"""The CTC loss in training: guarded against bad clips."""

from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from trainer.errors import UserError
from trainer.log import log
from trainer.models.recurrent import Tensor
from trainer.stt.preparation import Clips
from trainer.training.ctc import ctc, finite_gradient


class Unusable:
    """Clips whose loss was not finite in training: logged once, and left out of the step."""

    def __init__(self, clips: Clips, loss: Callable[[Tensor, Tensor], Tensor] = ctc) -> None:
        self.clips, self.numbers, self._loss = clips, set[int](), loss

    def loss(self, targets: Tensor, logits: Tensor) -> Tensor:
        """The loss, zero for such clips and without a gradient from them."""
        each = self._loss(targets, finite_gradient(logits))
        finite = ops.isfinite(each)
        numbers = ops.cast(targets, "int32")[:, 2]
        if keras.backend.backend() == "jax":
            self._note_on_jax(numbers, finite)
            return ops.where(finite, each, 0.0)
        import tensorflow as tf

        def note() -> Tensor:
            some = tf.boolean_mask(numbers, ~finite)
            return tf.py_function(
                lambda found: self._note(np.asarray(found)) or 0, [some], tf.int32
            )

        noted = tf.cond(tf.reduce_all(finite), lambda: tf.constant(0), note)
        with tf.control_dependencies([noted]):
            return tf.where(finite, each, 0.0)

    def check(self) -> None:
        """Raises UserError when most clips are concerned."""
        if len(self.numbers) * 2 > len(self.clips.labels):
            raise UserError("the loss of most clips is not finite: try a smaller LEARNING_RATE")

    def _note_on_jax(self, numbers: Tensor, finite: Tensor) -> None:
        import jax

        def note(some: np.ndarray, fine: np.ndarray) -> None:
            self._note(np.asarray(some)[~np.asarray(fine)])

        jax.lax.cond(
            ops.all(finite), lambda: None, lambda: jax.debug.callback(note, numbers, finite)
        )

    def _note(self, numbers: np.ndarray) -> int:
        for number in set(map(int, numbers)) - self.numbers:
            self.numbers.add(number)
            log.warning(
                "%s: the loss of this clip is not finite; it is left out of the step",
                self.clips.names[number].path,
            )
        return 0
