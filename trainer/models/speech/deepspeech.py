"""The acoustic model of DeepSpeech 0.9.3: three dense layers, one LSTM, two dense layers, CTC.

Names and layout of weights are those of its checkpoints.
"""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from trainer.audio.mfcc import CONTEXT, MFCCS
from trainer.models.recurrent import Lstm
from trainer.models.speech.base import Used
from trainer.models.speech.ctc import CtcModel
from trainer.serialization import serializable

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
    bands: int = MFCCS


class InContext(keras.layers.Layer):
    """(t, b, n) -> (t, b, 19 n): each frame with its neighbours, zeros beyond the ends."""

    def call(self, x: Tensor) -> Tensor:
        wide = ops.pad(x, ((CONTEXT, CONTEXT), (0, 0), (0, 0)))
        return ops.concatenate(
            [wide[k : (k - 2 * CONTEXT) or None] for k in range(2 * CONTEXT + 1)], axis=-1
        )

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Same length, wider rows."""
        return (*shape[:2], (2 * CONTEXT + 1) * (shape[2] or 0))


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


@serializable
class DeepSpeech(CtcModel):
    """The acoustic model of DeepSpeech, for experiments; `stt` trains it for its clients."""

    labels: tuple[str, ...]
    bands: int = MFCCS
    units: int = 512
    dropout: float = 0.2
    layer_norm: bool = True
    consistency: float = 0.0

    def network(self) -> keras.Model:
        features, frames = self.given()
        rates = (self.dropout,) * 4
        spec = Spec(self.units, len(self.labels) + 1, 20.0, rates, self.layer_norm, self.bands)
        mask = Used(name="used")(frames, features)
        return keras.Model([features, frames], build(spec)(features * mask))


def build(spec: Spec) -> keras.Model:
    """(batch, frames, 26) MFCCs -> (batch, frames, classes) logits."""
    given = keras.Input((None, spec.bands), name="mfccs")

    def clipped(x: Tensor, number: int, rate: float) -> Tensor:
        x = ClippedDense(spec.n_hidden, spec.relu_clip, f"layer_{number}")(x)
        if spec.layer_norm:
            x = Norm(name=f"norm_{number}")(x)
        return keras.layers.Dropout(rate, seed=number, name=f"dropout_{number}")(x)

    x = ops.transpose(given, (1, 0, 2))  # time first, as the recurrence wants it
    x = InContext(name="in_context")(x)
    for number, rate in zip((1, 2, 3), spec.dropout, strict=False):
        x = clipped(x, number, rate)
    x = clipped(Lstm(spec.n_hidden, name="lstm")(x), 5, spec.dropout[3])
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
