"""Time-depth separable convolutions and a decoder with key-value attention (Hannun et al. 2019)."""

from typing import Any

import keras
from keras import ops

from trainer.models.recurrent import Gru, Tensor
from trainer.models.speech.attention import AttentionModel, SoftWindow, attended, embedded
from trainer.models.speech.base import Used, halved
from trainer.serialization import serializable


@serializable
class Tds(AttentionModel):
    """`channels`: of each group of `blocks` convolutions, each group at half of the frames of the
    one before; `window`: deviation, in frames of memory, of the soft window that holds attention
    near the diagonal until `callbacks.ReleaseWindow` ends it; 0: none."""

    labels: tuple[str, ...]
    bands: int = 80
    channels: tuple[int, ...] = (10, 14, 18)
    blocks: tuple[int, ...] = (2, 2, 3)
    kernel: int = 11
    units: int = 256
    embedding: int = 64
    dropout: float = 0.2
    window: float = 4.0
    label_smoothing: float = 0.1
    ctc_weight: float = 0.3

    def memory_frames(self, frames: Any) -> Any:
        return halved(frames, len(self.channels))

    def network(self) -> keras.Model:
        return self.joined(self._encoder(), self._decoder())

    def _encoder(self) -> keras.Model:
        features, frames = self.given()
        mask = Used(name="used")(frames, features)
        x = (features * mask)[..., None]  # (clips, frames, bands, channels)
        for group, (channels, blocks) in enumerate(zip(self.channels, self.blocks, strict=True)):
            x = keras.layers.Conv2D(
                channels, (self.kernel, 1), (2, 1), "same", activation="relu",
                name=f"halve_{group}",
            )(x)  # fmt: skip
            mask = mask[:, ::2]
            x = _normed(x) * mask[..., None]
            for block in range(blocks):
                x = self._block(x, f"block_{group}_{block}") * mask[..., None]
        x = keras.layers.Reshape((-1, x.shape[2] * x.shape[3]))(x)
        x = keras.layers.Dense(2 * self.units, name="keys_and_values")(x)
        return keras.Model([features, frames], [x, mask], name="encoder")

    def _block(self, x: Tensor, name: str) -> Tensor:
        """Convolution over time, then two dense layers over bands and channels; both add."""
        bands, channels = x.shape[2], x.shape[3]
        y = keras.layers.Conv2D(
            channels, (self.kernel, 1), padding="same", activation="relu", name=name
        )(x)
        x = _normed(x + keras.layers.Dropout(self.dropout, seed=1)(y))
        wide = bands * channels
        flat = keras.layers.Reshape((-1, wide))(x)
        y = keras.layers.Dense(wide, activation="relu", name=f"{name}_first")(flat)
        y = keras.layers.Dropout(self.dropout, seed=2)(y)
        y = keras.layers.Dense(wide, name=f"{name}_second")(y)
        y = flat + keras.layers.Dropout(self.dropout, seed=3)(y)
        return _normed(keras.layers.Reshape((-1, bands, channels))(y))

    def _decoder(self) -> keras.Model:
        memory = keras.Input((None, 2 * self.units), name="memory")
        mask = keras.Input((None, 1), name="used")
        before = keras.Input((None,), dtype="int32", name="labels")
        x = embedded(before, len(self.labels) + 2, self.embedding)
        x = ops.transpose(Gru(self.units, name="states")(ops.transpose(x, (1, 0, 2))), (1, 0, 2))
        bias = SoftWindow(self.window, self.start, name="window")(before, mask)
        context = attended(x, memory[..., : self.units], memory[..., self.units :], mask, bias)
        x = ops.concatenate([x, context], -1)
        x = keras.layers.Dropout(self.dropout, seed=4)(x)
        x = keras.layers.Dense(self.units, activation="relu")(x)
        logits = keras.layers.Dense(self.classes, dtype="float32", name="logits")(x)
        return keras.Model([memory, mask, before], logits, name="decoder")


def _normed(x: Tensor) -> Tensor:
    """Layer norm over bands and channels."""
    return keras.layers.LayerNormalization(axis=(-2, -1), epsilon=1e-5)(x)
