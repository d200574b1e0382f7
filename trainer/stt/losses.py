"""CTC losses in TensorFlow: plain, of two views that must agree, and guarded against bad clips."""

from collections.abc import Callable

import numpy as np

from trainer.errors import UserError
from trainer.log import log
from trainer.models.deepspeech import Tensor
from trainer.stt.batches import HEAD
from trainer.stt.preparation import Clips


def ctc(targets: Tensor, logits: Tensor) -> Tensor:
    """CTC loss of each clip. `targets` as of `batch_of`; the blank is the last class."""
    import tensorflow as tf

    targets = tf.cast(targets, tf.int32)
    frames, count, labels = targets[:, 0], targets[:, 1], targets[:, HEAD:]
    used = tf.sequence_mask(count, tf.shape(labels)[1])
    sparse = tf.SparseTensor(
        tf.where(used), tf.boolean_mask(labels, used), tf.cast(tf.shape(labels), tf.int64)
    )
    return tf.compat.v1.nn.ctc_loss(sparse, logits, frames, time_major=False)


def agreeing(weight: float, targets: Tensor, logits: Tensor) -> Tensor:
    """CR-CTC (Yao et al. 2025): `ctc` of two views of each clip, plus `weight` times the divergence
    of their outputs in each frame. Rows: all first views, then the second ones."""
    import tensorflow as tf

    outputs = tf.nn.log_softmax(logits)
    one, other = tf.split(outputs, 2)
    frames = tf.cast(targets, tf.int32)[:, 0]
    used = tf.sequence_mask(frames, tf.shape(logits)[1], logits.dtype)
    wanted = tf.stop_gradient(tf.concat([other, one], 0))
    divergence = tf.reduce_sum(tf.exp(wanted) * (wanted - outputs), 2)
    return ctc(targets, logits) + weight * tf.reduce_sum(divergence * used, 1)


class Unusable:
    """Clips whose loss was not finite in training: logged once, and left out of the step."""

    def __init__(self, clips: Clips, loss: Callable[[Tensor, Tensor], Tensor] = ctc) -> None:
        self.clips, self.numbers, self._loss = clips, set[int](), loss

    def loss(self, targets: Tensor, logits: Tensor) -> Tensor:
        """The loss, zero for such clips and without a gradient from them."""
        import tensorflow as tf

        @tf.custom_gradient
        def guarded(x: Tensor) -> tuple[Tensor, Tensor]:
            return tf.identity(x), lambda gradient: tf.where(
                tf.math.is_finite(gradient), gradient, 0.0
            )

        each = self._loss(targets, guarded(logits))
        finite = tf.math.is_finite(each)
        fine = tf.reduce_all(finite)
        noted = tf.cond(fine, lambda: tf.constant(0), lambda: self._note(targets, finite))
        with tf.control_dependencies([noted]):
            return tf.where(finite, each, 0.0)

    def check(self) -> None:
        """Raises UserError when most clips are concerned."""
        if len(self.numbers) * 2 > len(self.clips.labels):
            raise UserError("the loss of most clips is not finite: try a smaller LEARNING_RATE")

    def _note(self, targets: Tensor, finite: Tensor) -> Tensor:
        import tensorflow as tf

        def note(numbers: Tensor) -> int:
            for number in set(map(int, np.asarray(numbers))) - self.numbers:
                self.numbers.add(number)
                log.warning(
                    "%s: the loss of this clip is not finite; it is left out of the step",
                    self.clips.names[number].path,
                )
            return 0

        return tf.py_function(
            note, [tf.boolean_mask(tf.cast(targets, tf.int32)[:, 2], ~finite)], tf.int32
        )
