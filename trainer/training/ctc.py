"""CTC (Graves et al. 2006): targets, the loss on TensorFlow and JAX, and that of two views.

The blank is the last class. A row of targets: frames, labels, number of the clip, the labels.
"""

from collections.abc import Callable, Sequence

import keras
import numpy as np
from keras import ops

from trainer.models.recurrent import Tensor

HEAD = 3  # numbers before the labels of a target


def targets(
    frames: Sequence[int], labels: Sequence[np.ndarray], numbers: Sequence[int], longest: int
) -> np.ndarray:
    """(b, 3 + longest) of int32: `frames` of output and `labels` of the clips with `numbers`."""
    y = np.zeros((len(labels), HEAD + longest), np.int32)
    for row, (count, text, number) in enumerate(zip(frames, labels, numbers, strict=True)):
        y[row, :HEAD] = count, len(text), number
        y[row, HEAD : HEAD + len(text)] = text
    return y


def ctc(targets: Tensor, logits: Tensor) -> Tensor:
    """Loss of each clip, (b,): targets (b, 3 + n), logits (b, frames, classes). Of clips that have
    fewer frames than their labels need, 0."""
    targets = ops.cast(targets, "int32")
    frames, count, labels = targets[:, 0], targets[:, 1], targets[:, HEAD:]
    pairs = ops.arange(1, ops.shape(labels)[1])[None] < count[:, None]
    equal = ops.logical_and(labels[:, 1:] == labels[:, :-1], pairs)
    needed = count + ops.sum(ops.cast(equal, "int32"), 1)
    each = _loss(frames, count, labels, logits)
    return ops.where(needed <= frames, each, ops.zeros_like(each))


def _loss(frames: Tensor, count: Tensor, labels: Tensor, logits: Tensor) -> Tensor:
    if keras.backend.backend() != "tensorflow":
        blank = logits.shape[-1] - 1
        return ops.ctc_loss(labels, logits, count, frames, mask_index=blank)
    import tensorflow as tf

    used = tf.sequence_mask(count, tf.shape(labels)[1])
    sparse = tf.SparseTensor(
        tf.where(used), tf.boolean_mask(labels, used), tf.cast(tf.shape(labels), tf.int64)
    )
    return tf.compat.v1.nn.ctc_loss(
        sparse, logits, frames, time_major=False, ignore_longer_outputs_than_inputs=True
    )


@ops.custom_gradient
def finite_gradient(x: Tensor) -> tuple[Tensor, Callable[..., Tensor]]:
    """`x`; parts of its gradient that are not finite are zero: a clip without a finite loss then
    changes nothing."""

    def gradient(*given: Tensor, upstream: Tensor = None) -> Tensor:
        found = given[0] if upstream is None else upstream
        return ops.where(ops.isfinite(found), found, ops.zeros_like(found))

    return x, gradient


def agreeing(weight: float, targets: Tensor, logits: Tensor) -> Tensor:
    """CR-CTC (Yao et al. 2025): `ctc` of two views of each clip, plus `weight` times the divergence
    of their outputs in each frame. Rows: all first views, then the second ones."""
    outputs = ops.log_softmax(logits)
    one, other = ops.split(outputs, 2)
    frames = ops.cast(targets, "int32")[:, 0]
    used = ops.cast(ops.arange(ops.shape(logits)[1])[None] < frames[:, None], logits.dtype)
    wanted = ops.stop_gradient(ops.concatenate([other, one], 0))
    divergence = ops.sum(ops.exp(wanted) * (wanted - outputs), 2)
    return ctc(targets, logits) + weight * ops.sum(divergence * used, 1)
