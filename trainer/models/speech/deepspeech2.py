"""Deep Speech 2 (Amodei et al. 2016): 2-D convolutions, bidirectional GRUs, CTC."""

from typing import Any

import keras
from keras import ops

from trainer.models.recurrent import Gru, Tensor, both_ways
from trainer.models.speech.base import Used, halved
from trainer.models.speech.ctc import CtcModel
from trainer.serialization import serializable

CEILING = 20.0  # of the rectifier


@serializable
class DeepSpeech2(CtcModel):
    """`units` of each of `layers` bidirectional GRUs, whose directions are added.

    Sonosco's defaults are 800 units and 5 layers; these are for hours of speech, not thousands.
    """

    labels: tuple[str, ...]
    bands: int = 80
    channels: int = 32
    units: int = 320
    layers: int = 3
    dropout: float = 0.2
    consistency: float = 0.0

    def output_frames(self, frames: Any) -> Any:
        return halved(frames)

    def network(self) -> keras.Model:
        features, frames = self.given()
        mask = Used(name="used")(frames, features)
        x = (features * mask)[..., None]
        for number, (size, stride) in enumerate((((11, 41), (2, 2)), ((11, 21), (1, 2)))):
            x = _convolution(x, self.channels, size, stride, number)
            if not number:
                mask = mask[:, ::2]
            x = x * mask[..., None]
        x = keras.layers.Reshape((-1, x.shape[2] * x.shape[3]))(x)
        x, turned = ops.transpose(x, (1, 0, 2)), ops.transpose(mask, (1, 0, 2))
        for number in range(self.layers):
            if number:
                x = keras.layers.LayerNormalization(epsilon=1e-5)(x)
            x = sum(both_ways(Gru, self.units, x, turned, f"gru_{number}"))
            x = keras.layers.Dropout(self.dropout, seed=number)(x)
        x = keras.layers.LayerNormalization(epsilon=1e-5)(x)
        x = keras.layers.Dense(len(self.labels) + 1, dtype="float32", name="logits")(x)
        return keras.Model([features, frames], ops.transpose(x, (1, 0, 2)), name="deepspeech2")


def _convolution(
    x: Tensor, channels: int, size: tuple[int, int], stride: tuple[int, int], number: int
) -> Tensor:
    """Convolution over time and bands, batch norm, clipped rectifier."""
    x = keras.layers.Conv2D(
        channels, size, stride, "same", use_bias=False, name=f"convolution_{number}"
    )(x)
    x = keras.layers.BatchNormalization(momentum=0.95, name=f"norm_{number}")(x)
    return keras.layers.ReLU(max_value=CEILING)(x)
