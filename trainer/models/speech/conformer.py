"""Conformer (Gulati et al. 2020) with CTC and consistency of two views (Yao et al. 2025).

Layer norm instead of batch norm, and rotary positions (Su et al. 2021) instead of relative ones:
nothing depends on what else is in a batch, and the same weights run offline and, where `chunk` is
set, on speech as it arrives.
"""

from typing import Any

import keras
import numpy as np
from keras import ops

from trainer.models.recurrent import Tensor
from trainer.models.speech.base import Used, halved
from trainer.models.speech.ctc import CtcModel
from trainer.serialization import serializable

KERNEL, STRIDE = 3, 2  # of the two convolutions that begin


@serializable
class Conformer(CtcModel):
    """`chunk`: frames after subsampling (40 ms each) that are seen at once, with `left` chunks of
    the past; 0: the whole clip."""

    labels: tuple[str, ...]
    bands: int = 80
    width: int = 144
    layers: int = 8
    heads: int = 4
    kernel: int = 15
    channels: int = 32
    dropout: float = 0.1
    chunk: int = 0
    left: int = 4
    consistency: float = 0.2

    def output_frames(self, frames: Any) -> Any:
        return halved(frames, 2)

    def network(self) -> keras.Model:
        features, frames = self.given()
        mask = Used(name="used")(frames, features)
        x = (features * mask)[..., None]
        for number in range(2):
            x = keras.layers.Conv2D(
                self.channels, KERNEL, STRIDE, "same", activation="relu", name=f"halve_{number}"
            )(x)
            mask = mask[:, ::2]
            x = x * mask[..., None]
        x = keras.layers.Reshape((-1, x.shape[2] * x.shape[3]))(x)
        x = keras.layers.Dense(self.width, name="enter")(x)
        x = keras.layers.Dropout(self.dropout, seed=0)(x)
        for number in range(self.layers):
            x = self._layer(x, mask, number)
        x = keras.layers.Dense(len(self.labels) + 1, dtype="float32", name="logits")(x)
        return keras.Model([features, frames], x, name="conformer")

    def _layer(self, x: Tensor, mask: Tensor, number: int) -> Tensor:
        def dropped(y: Tensor) -> Tensor:
            return keras.layers.Dropout(self.dropout, seed=number)(y)

        def normed(y: Tensor, name: str) -> Tensor:
            return keras.layers.LayerNormalization(epsilon=1e-5, name=f"{name}_{number}")(y)

        def fed(y: Tensor, name: str) -> Tensor:
            y = keras.layers.Dense(4 * self.width, "silu", name=f"{name}_in_{number}")(y)
            return keras.layers.Dense(self.width, name=f"{name}_out_{number}")(dropped(y))

        x = x + 0.5 * dropped(fed(normed(x, "first_norm"), "first"))
        attention = Attention(self.heads, self.chunk, self.left, name=f"attention_{number}")
        x = x + dropped(attention(normed(x, "attention_norm"), mask))
        y = keras.layers.Dense(2 * self.width, name=f"gate_{number}")(normed(x, "gate_norm"))
        y = y[..., : self.width] * ops.sigmoid(y[..., self.width :]) * mask
        y = TimeConvolution(self.kernel, self.chunk > 0, name=f"convolution_{number}")(y)
        y = keras.layers.Activation("silu")(normed(y, "convolution_norm"))
        x = x + dropped(keras.layers.Dense(self.width, name=f"convolved_{number}")(y))
        x = x + 0.5 * dropped(fed(normed(x, "second_norm"), "second"))
        return normed(x, "last_norm")


class Attention(keras.layers.Layer):
    """Self-attention with rotary positions: (b, t, n), used (b, t, 1) -> (b, t, n)."""

    def __init__(self, heads: int, chunk: int, left: int, name: str) -> None:
        super().__init__(name=name)
        self.heads, self.chunk, self.left = heads, chunk, left

    def build(self, x_shape: Any, used_shape: Any) -> None:
        width = int(x_shape[-1])
        self.kernel = self.add_weight((width, 3 * width), "glorot_uniform", name="kernel")
        self.bias = self.add_weight((3 * width,), "zeros", name="bias")
        self.out = self.add_weight((width, width), "glorot_uniform", name="out")

    def call(self, x: Tensor, used: Tensor) -> Tensor:
        batch, time, width = ops.shape(x)
        joined = ops.matmul(x, self.kernel) + self.bias
        size = width // self.heads
        parts = ops.transpose(
            ops.reshape(joined, (batch, time, 3, self.heads, size)), (2, 0, 3, 1, 4)
        )
        angles = _angles(time, size, joined.dtype)
        query, key = _turned(parts[0], angles), _turned(parts[1], angles)
        scores = ops.matmul(query, ops.transpose(key, (0, 1, 3, 2))) / np.sqrt(size)
        closed = 1 - ops.transpose(used, (0, 2, 1))[:, None]
        if self.chunk:
            place = ops.arange(time) // self.chunk
            ahead = place[None] - place[:, None]  # chunks from query to key
            seen = ops.logical_and(ahead <= 0, ahead >= -self.left)
            closed = ops.maximum(closed, 1 - ops.cast(seen, closed.dtype)[None, None])
        weights = ops.softmax(scores + closed * -1e9)
        found = ops.transpose(ops.matmul(weights, parts[2]), (0, 2, 1, 3))
        return ops.matmul(ops.reshape(found, (batch, time, width)), self.out)

    def compute_output_shape(self, x_shape: Any, used_shape: Any) -> Any:
        """As the input."""
        return x_shape


def speeds(size: int) -> np.ndarray:
    """Radians that each pair of values in a head turns by from one position to the next,
    (size / 2,)."""
    return 10000.0 ** (-np.arange(0, size, 2, dtype=np.float32) / size)


def _angles(time: Any, size: int, kind: Any) -> tuple[Tensor, Tensor]:
    """(cosines, sines) of positions, (time, size / 2)."""
    angles = ops.cast(ops.arange(time), "float32")[:, None] * speeds(size)[None]
    return ops.cast(ops.cos(angles), kind), ops.cast(ops.sin(angles), kind)


def _turned(x: Tensor, angles: tuple[Tensor, Tensor]) -> Tensor:
    cosines, sines = angles
    one, other = ops.split(x, 2, axis=-1)
    return ops.concatenate([one * cosines - other * sines, one * sines + other * cosines], -1)


class TimeConvolution(keras.layers.Layer):
    """Depthwise convolution over time as a sum of shifted copies: (b, t, n) -> (b, t, n). `causal`:
    of the past only."""

    def __init__(self, size: int, causal: bool, name: str) -> None:
        super().__init__(name=name)
        self.size, self.causal = size, causal

    def build(self, shape: tuple[Any, ...]) -> None:
        self.kernel = self.add_weight((self.size, int(shape[-1])), "glorot_uniform", name="kernel")

    def call(self, x: Tensor) -> Tensor:
        before = self.size - 1 if self.causal else self.size // 2
        wide = ops.pad(x, ((0, 0), (before, self.size - 1 - before), (0, 0)))
        time = ops.shape(x)[1]
        return sum(wide[:, i : i + time] * self.kernel[i] for i in range(self.size))

    def compute_output_shape(self, shape: Any) -> Any:
        """As the input."""
        return shape
