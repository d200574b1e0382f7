"""The acoustic model of DeepSpeech 0.9.3: three dense layers, one LSTM, two dense layers, CTC.

Names and layout of weights are those of its checkpoints.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from trainer.audio.mfcc import CONTEXT, MFCCS

Tensor = Any  # a tensor of TensorFlow or JAX, or a Keras tensor
WINDOW = (2 * CONTEXT + 1) * MFCCS
_CELL = "cudnn_lstm/rnn/multi_rnn_cell/cell_0/cudnn_compatible_lstm_cell"
LSTM_KERNEL, LSTM_BIAS = f"{_CELL}/kernel", f"{_CELL}/bias"  # columns: i, j, f, o
NORMED = ("layer_1", "layer_2", "layer_3", "layer_5")  # with layer_norm
NORM_EPSILON = 1e-12


def norm_names(layer: str) -> tuple[str, str]:
    """Names of a layer's normalisation: factor, offset."""
    return f"{layer}/LayerNorm/gamma", f"{layer}/LayerNorm/beta"


def shapes(n_hidden: int, classes: int, layer_norm: bool = False) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all weights, in the layout of the original checkpoints."""
    h = n_hidden
    found: dict[str, tuple[int, ...]] = {LSTM_KERNEL: (2 * h, 4 * h), LSTM_BIAS: (4 * h,)}
    for number, rows, columns in ((1, WINDOW, h), (2, h, h), (3, h, h), (5, h, h), (6, h, classes)):
        found |= {f"layer_{number}/weights": (rows, columns), f"layer_{number}/bias": (columns,)}
    norms = [name for layer in NORMED for name in norm_names(layer)] if layer_norm else []
    return found | dict.fromkeys(norms, (h,))


@dataclass(frozen=True)
class Spec:
    """Geometry and regularisation. `dropout`: after layers 1, 2, 3 and 5."""

    n_hidden: int = 2048
    classes: int = 29
    relu_clip: float = 20.0
    dropout: tuple[float, float, float, float] = (0.05, 0.05, 0.05, 0.05)
    layer_norm: bool = False


class InContext(keras.layers.Layer):
    """(t, b, 26) -> (t, b, 19 * 26): each frame with its neighbours, zeros beyond the ends."""

    def call(self, x: Tensor) -> Tensor:
        wide = ops.pad(x, ((CONTEXT, CONTEXT), (0, 0), (0, 0)))
        return ops.concatenate(
            [wide[k : (k - 2 * CONTEXT) or None] for k in range(2 * CONTEXT + 1)], axis=-1
        )

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Same length, wider rows."""
        return (*shape[:2], WINDOW)


class ClippedDense(keras.layers.Layer):
    """min(relu(x W + b), clip)."""

    def __init__(self, width: int, clip: float | None, name: str) -> None:
        super().__init__(name=name)
        self.width, self.clip = width, clip

    def build(self, shape: tuple[int | None, ...]) -> None:
        self.kernel = self.add_weight(
            shape=(shape[-1], self.width), initializer="glorot_uniform", name="weights"
        )
        self.bias = self.add_weight(shape=(self.width,), initializer="zeros", name="bias")

    def call(self, x: Tensor) -> Tensor:
        y = ops.matmul(x, self.kernel) + self.bias
        return y if self.clip is None else ops.minimum(ops.relu(y), self.clip)


class Norm(keras.layers.Layer):
    """Layer normalisation over the last axis, as TensorFlow 1's contrib.layers had it."""

    def build(self, shape: tuple[int | None, ...]) -> None:
        self.gamma = self.add_weight(shape=(shape[-1],), initializer="ones", name="gamma")
        self.beta = self.add_weight(shape=(shape[-1],), initializer="zeros", name="beta")

    def call(self, x: Tensor) -> Tensor:
        mean, variance = ops.moments(x, axes=[-1], keepdims=True)
        return (x - mean) * ops.rsqrt(variance + NORM_EPSILON) * self.gamma + self.beta


class Recurrence(keras.layers.Layer):
    """The LSTM (gates i, j, f, o; forget bias 0; zero initial state) over time-major (t, batch, h).

    The input projection is one product before the loop, and the gradient is written by hand, so
    that the weights' gradients are one product after it: on two cores three times as fast as
    Keras' own LSTM.
    """

    def build(self, shape: tuple[int | None, ...]) -> None:
        width = int(shape[-1] or 0)
        self.width = width
        self.kernel = self.add_weight(
            shape=(2 * width, 4 * width), initializer="glorot_uniform", name="kernel"
        )
        self.bias = self.add_weight(shape=(4 * width,), initializer=_remember(width), name="bias")

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Hidden states, as many as inputs."""
        return shape

    def call(self, x: Tensor) -> Tensor:
        fed = ops.matmul(x, self.kernel[: self.width]) + self.bias
        recurrent = self.kernel[self.width :]
        if keras.backend.backend() == "tensorflow":
            return _side_by_side(fed, ops.cast(recurrent, fed.dtype))

        def step(
            state: tuple[Tensor, Tensor], gates: Tensor
        ) -> tuple[tuple[Tensor, Tensor], Tensor]:
            h, c = state
            i, j, f, o = ops.split(gates + ops.matmul(h, recurrent), 4, axis=-1)
            c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(j)
            h = ops.sigmoid(o) * ops.tanh(c)
            return (h, c), h

        start = ops.zeros_like(fed[0, :, : self.width])
        return ops.scan(step, (start, start), fed)[1]


def _side_by_side(fed: Tensor, recurrent: Tensor) -> Tensor:
    """`_recur_tensorflow`; on processors as two loops at once, each over half of the batch."""
    import tensorflow as tf

    recur, half = _recur_tensorflow(), (fed.shape[1] or 0) // 2
    if not half or tf.config.list_physical_devices("GPU"):
        return recur(fed, recurrent)
    return tf.concat([recur(fed[:, :half], recurrent), recur(fed[:, half:], recurrent)], 1)


def _remember(width: int) -> Callable[..., Tensor]:
    """Bias of one for the forget gate (Jozefowicz et al. 2015), which halves the epochs; clients
    add none of their own."""
    return lambda shape, dtype=None: ops.concatenate(
        [ops.zeros((2 * width,), dtype), ops.ones((width,), dtype), ops.zeros((width,), dtype)]
    )


def _recur_tensorflow() -> Callable[[Tensor, Tensor], Tensor]:
    """recur(fed (t, b, 4h), recurrent (h, 4h)) -> (t, b, h), with its gradient."""
    import tensorflow as tf

    def rows(shape: Tensor, kind: Tensor) -> Tensor:
        return tf.TensorArray(kind, shape, element_shape=None)

    @tf.custom_gradient
    def recur(fed: Tensor, recurrent: Tensor) -> tuple[Tensor, Callable[..., tuple[Tensor, ...]]]:
        time = tf.shape(fed)[0] if fed.shape[0] is None else fed.shape[0]
        batch = tf.shape(fed)[1] if fed.shape[1] is None else fed.shape[1]
        width = recurrent.shape[0]
        zero = tf.zeros((batch, width), fed.dtype)

        def forward(
            t: Tensor, h: Tensor, c: Tensor, hs: Tensor, cs: Tensor, gates: Tensor
        ) -> tuple[Tensor, ...]:
            i, j, f, o = tf.split(fed[t] + tf.matmul(h, recurrent), 4, axis=1)
            i, j, f, o = tf.sigmoid(i), tf.tanh(j), tf.sigmoid(f), tf.sigmoid(o)
            c = f * c + i * j
            h = o * tf.tanh(c)
            gates = gates.write(t, tf.concat([i, j, f, o], 1))
            return t + 1, h, c, hs.write(t, h), cs.write(t, c), gates

        arrays = [rows(time, fed.dtype) for _ in range(3)]
        _, _, _, hs, cs, gates = tf.while_loop(
            lambda t, *_: t < time,
            forward,
            (0, zero, zero, *arrays),
            maximum_iterations=time,
            parallel_iterations=1,
        )
        every_h, every_c, every_gate = hs.stack(), cs.stack(), gates.stack()

        def gradient(given: Tensor) -> tuple[Tensor, Tensor]:
            before_c = tf.concat([zero[None], every_c[:-1]], 0)
            before_h = tf.concat([zero[None], every_h[:-1]], 0)
            turned = tf.transpose(recurrent)

            def backward(t: Tensor, dh: Tensor, dc: Tensor, dz: Tensor) -> tuple[Tensor, ...]:
                i, j, f, o = tf.split(every_gate[t], 4, axis=1)
                on = tf.tanh(every_c[t])
                dh = dh + given[t]
                dc = dc + dh * o * (1 - on * on)
                di, dj = dc * j * i * (1 - i), dc * i * (1 - j * j)
                df, do = dc * before_c[t] * f * (1 - f), dh * on * o * (1 - o)
                z = tf.concat([di, dj, df, do], 1)
                return t - 1, tf.matmul(z, turned), dc * f, dz.write(t, z)

            _, _, _, dz = tf.while_loop(
                lambda t, *_: t >= 0,
                backward,
                (time - 1, zero, zero, rows(time, fed.dtype)),
                maximum_iterations=time,
                parallel_iterations=1,
            )
            every_z = dz.stack()
            flat = (-1, width)
            return every_z, tf.matmul(
                tf.reshape(before_h, flat), tf.reshape(every_z, (-1, 4 * width)), transpose_a=True
            )

        return every_h, gradient

    return tf.function(recur, jit_compile=True)


def build(spec: Spec) -> keras.Model:
    """(batch, frames, 26) MFCCs -> (batch, frames, classes) logits."""
    given = keras.Input((None, MFCCS), name="mfccs")

    def clipped(x: Tensor, number: int, rate: float) -> Tensor:
        x = ClippedDense(spec.n_hidden, spec.relu_clip, f"layer_{number}")(x)
        if spec.layer_norm:
            x = Norm(name=f"norm_{number}")(x)
        return keras.layers.Dropout(rate, seed=number, name=f"dropout_{number}")(x)

    x = ops.transpose(given, (1, 0, 2))  # time first, as the recurrence wants it
    x = InContext(name="in_context")(x)
    for number, rate in zip((1, 2, 3), spec.dropout, strict=False):
        x = clipped(x, number, rate)
    x = clipped(Recurrence(name="lstm")(x), 5, spec.dropout[3])
    x = ClippedDense(spec.classes, None, "layer_6")(x)
    # the loss is not for 16 bits
    x = keras.layers.Activation("linear", dtype="float32", name="logits")(x)
    return keras.Model(given, ops.transpose(x, (1, 0, 2)), name="deepspeech")


def _name(layer: str, weight: str) -> str:
    """Name of a weight in the original checkpoints."""
    if layer == "lstm":
        return {"kernel": LSTM_KERNEL, "bias": LSTM_BIAS}[weight]
    return (
        f"layer_{layer[-1]}/LayerNorm/{weight}"
        if layer.startswith("norm_")
        else f"{layer}/{weight}"
    )


def weights_of(model: keras.Model) -> dict[str, Any]:
    """Named weights, as in the original checkpoints."""
    return {
        _name(layer.name, w.name): np.asarray(w)
        for layer in model.layers
        for w in layer.weights
        if "seed" not in w.name
    }


def load_weights(model: keras.Model, weights: dict[str, Any]) -> None:
    """Set all weights by name. Raises KeyError for one that is missing."""
    for layer in model.layers:
        for w in layer.weights:
            if "seed" not in w.name:
                w.assign(weights[_name(layer.name, w.name)])
