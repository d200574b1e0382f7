"""Listen, Attend and Spell (Chan et al. 2016): a pyramid of bidirectional LSTMs, and two LSTMs that
write with attention."""

from typing import Any

import keras
from keras import ops

from trainer.models.recurrent import Lstm, Tensor, both_ways
from trainer.models.speech.attention import AttentionModel, SoftWindow, attended, embedded
from trainer.models.speech.base import Used, halved
from trainer.serialization import serializable


@serializable
class Las(AttentionModel):
    """`listener`: units of each direction in each of `pyramid` layers, each of which halves the
    frames; `speller`: units of the two LSTMs that write; `window`: as in `tds`."""

    labels: tuple[str, ...]
    bands: int = 80
    listener: int = 256
    pyramid: int = 3
    speller: int = 384
    embedding: int = 64
    dropout: float = 0.2
    window: float = 4.0
    label_smoothing: float = 0.1
    ctc_weight: float = 0.3

    def memory_frames(self, frames: Any) -> Any:
        return halved(frames, self.pyramid)

    def network(self) -> keras.Model:
        return self.joined(self._listener(), self._speller())

    def _listener(self) -> keras.Model:
        features, frames = self.given()
        mask = Used(name="used")(frames, features)
        x = ops.transpose(features * mask, (1, 0, 2))
        for number in range(self.pyramid):
            x = Pairs(name=f"pairs_{number}")(x)
            mask = mask[:, ::2]
            turned = ops.transpose(mask, (1, 0, 2))
            ways = both_ways(Lstm, self.listener, x, turned, f"listener_{number}")
            x = keras.layers.Dropout(self.dropout, seed=number)(ops.concatenate(ways, -1))
        return keras.Model([features, frames], [ops.transpose(x, (1, 0, 2)), mask], name="listener")

    def _speller(self) -> keras.Model:
        memory = keras.Input((None, 2 * self.listener), name="memory")
        mask = keras.Input((None, 1), name="used")
        before = keras.Input((None,), dtype="int32", name="labels")
        x = embedded(before, len(self.labels) + 2, self.embedding)
        bias = SoftWindow(self.window, self.start, name="window")(before, mask)
        x = Speller(self.speller, name="speller")(x, memory, mask, bias)
        x = keras.layers.Dropout(self.dropout, seed=self.pyramid)(x)
        x = keras.layers.Dense(self.speller, activation="tanh")(x)
        logits = keras.layers.Dense(self.classes, dtype="float32", name="logits")(x)
        return keras.Model([memory, mask, before], logits, name="speller")


class Pairs(keras.layers.Layer):
    """(t, b, n) -> (t / 2, b, 2 n): frames two by two."""

    def call(self, x: Tensor) -> Tensor:
        time, batch, width = ops.shape(x)
        x = ops.transpose(ops.reshape(x, (time // 2, 2, batch, width)), (0, 2, 1, 3))
        return ops.reshape(x, (time // 2, batch, 2 * width))

    def compute_output_shape(self, shape: tuple[Any, ...]) -> tuple[Any, ...]:
        """Half of the frames, twice as wide."""
        time, batch, width = shape
        return None if time is None else time // 2, batch, 2 * width


class Speller(keras.layers.Layer):
    """Two LSTMs; the first one sees what was attended to one label before (input feeding).

    (b, steps, n), memory (b, t, m), used (b, t, 1), bias of the attention (b, steps, t) -> states
    and contexts (b, steps, units + m).
    """

    def __init__(self, units: int, name: str) -> None:
        super().__init__(name=name)
        self.units = units

    def build(self, x_shape: Any, memory_shape: Any, used_shape: Any, bias_shape: Any) -> None:
        wide, width = self.units, int(memory_shape[-1])
        first, second = int(x_shape[-1]) + width + wide, 2 * wide
        self.first = self.add_weight((first, 4 * wide), "glorot_uniform", name="first")
        self.second = self.add_weight((second, 4 * wide), "glorot_uniform", name="second")
        self.biases = self.add_weight((2, 4 * wide), "zeros", name="biases")
        self.query = self.add_weight((wide, width), "glorot_uniform", name="query")
        self.key = self.add_weight((width, width), "glorot_uniform", name="key")

    def call(self, x: Tensor, memory: Tensor, used: Tensor, bias: Tensor) -> Tensor:
        keys = ops.matmul(memory, self.key)
        size = int(x.shape[-1])
        fed = ops.transpose(ops.matmul(x, self.first[:size]) + self.biases[0], (1, 0, 2))
        inner = self.first[size:]
        biases = ops.transpose(bias, (1, 0, 2))[:, :, None]  # (steps, b, 1, t)
        blank = ops.zeros_like(fed[0, :, : self.units])

        def step(
            state: tuple[Tensor, ...], given: Tensor
        ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
            h, c, h2, c2, context, place = state
            gates = given + ops.matmul(ops.concatenate([context, h], -1), inner)
            h, c = _cell(gates, c)
            joined = ops.matmul(ops.concatenate([h, h2], -1), self.second) + self.biases[1]
            h2, c2 = _cell(joined, c2)
            query = ops.matmul(h2, self.query)[:, None]
            context = attended(query, keys, memory, used, ops.take(biases, place, 0))[:, 0]
            state = h, c, h2, c2, context, place + 1
            return state, state

        start = (blank, blank, blank, blank, ops.zeros_like(memory[:, 0]), ops.zeros((), "int32"))
        states = ops.scan(step, start, fed)[1]
        return ops.transpose(ops.concatenate([states[2], states[4]], -1), (1, 0, 2))

    def compute_output_shape(
        self, x_shape: Any, memory_shape: Any, used_shape: Any, bias_shape: Any
    ) -> tuple[Any, ...]:
        """States and contexts."""
        return (*x_shape[:2], self.units + memory_shape[-1])


def _cell(gates: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
    i, j, f, o = ops.split(gates, 4, axis=-1)
    c = ops.sigmoid(f + 1) * c + ops.sigmoid(i) * ops.tanh(j)
    return ops.sigmoid(o) * ops.tanh(c), c
