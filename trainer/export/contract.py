"""What DeepSpeech 0.9.3 and Coqui STT 1.4.0 expect of a model: geometry, metadata, names of weights.

Source: `tfmodelstate.cc` and `tflitemodelstate.cc` of the clients, checkpoints of the original trainer.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainer.mfcc import AS_PUBLISHED, CONTEXT, MFCCS, Features
from trainer.text import Alphabet

GRAPH_VERSION = 6
_CELL = "cudnn_lstm/rnn/multi_rnn_cell/cell_0/cudnn_compatible_lstm_cell"
LSTM_KERNEL, LSTM_BIAS = f"{_CELL}/kernel", f"{_CELL}/bias"  # columns: i, j, f, o


@dataclass(frozen=True)
class Contract:
    """One model's part of the contract."""

    alphabet: Alphabet
    n_hidden: int
    language: str = ""
    n_steps: int = 16
    beam_width: int = 500
    features: Features = AS_PUBLISHED
    relu_clip: float = 20.0
    layer_norm: bool = False

    @property
    def classes(self) -> int:
        """Labels and the blank."""
        return len(self.alphabet.labels) + 1

    def integers(self) -> dict[str, int]:
        """The numbers that clients read first."""
        return {
            "metadata_version": GRAPH_VERSION, "metadata_sample_rate": self.features.sample_rate_hz,
            "metadata_feature_win_len": self.features.window_ms, "metadata_feature_win_step": self.features.step_ms,
            "metadata_beam_width": self.beam_width,
        }


NORMED = ("layer_1", "layer_2", "layer_3", "layer_5")  # with layer_norm
NORM_EPSILON = 1e-12


def norm_names(layer: str) -> tuple[str, str]:
    """Names of a layer's normalisation: factor, offset."""
    return f"{layer}/LayerNorm/gamma", f"{layer}/LayerNorm/beta"


def shapes(n_hidden: int, classes: int, layer_norm: bool = False) -> dict[str, tuple[int, ...]]:
    """Names and shapes of all weights, in the layout of the original checkpoints."""
    h = n_hidden
    wide = (2 * CONTEXT + 1) * MFCCS
    norms: dict[str, tuple[int, ...]] = {name: (h,) for layer in NORMED for name in norm_names(layer)} if layer_norm else {}
    return norms | {
        "layer_1/weights": (wide, h), "layer_1/bias": (h,), "layer_2/weights": (h, h), "layer_2/bias": (h,),
        "layer_3/weights": (h, h), "layer_3/bias": (h,), LSTM_KERNEL: (2 * h, 4 * h), LSTM_BIAS: (4 * h,),
        "layer_5/weights": (h, h), "layer_5/bias": (h,), "layer_6/weights": (h, classes), "layer_6/bias": (classes,),
    }
