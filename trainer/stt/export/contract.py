"""What DeepSpeech 0.9.3 and Coqui STT 1.4.0 expect of a model: geometry and metadata.

Source: `tfmodelstate.cc` and `tflitemodelstate.cc` of the clients.
"""

from dataclasses import dataclass

from trainer.audio.mfcc import AS_PUBLISHED, Features
from trainer.text.alphabet import Alphabet

GRAPH_VERSION = 6


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
            "metadata_version": GRAPH_VERSION,
            "metadata_sample_rate": self.features.sample_rate_hz,
            "metadata_feature_win_len": self.features.window_ms,
            "metadata_feature_win_step": self.features.step_ms,
            "metadata_beam_width": self.beam_width,
        }
