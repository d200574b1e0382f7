"""Stored features: uint8 steps of the micro front-end, rows of 40 channels, 10 ms each."""

import numpy as np

from trainer.audio.micro_frontend import CHANNELS
from trainer.store import Store


class Frames(Store):
    """A store of features (micro_frontend.quantize)."""

    dtype = np.uint8
    width = CHANNELS

    @property
    def hours(self) -> float:
        """Total length."""
        return float(self.index["length"].sum()) / 360_000
