"""The clients' micro front-end, and its output as uint8: for training, export and evaluation.

The front-end is TFLite-Micro's `micro_speech` in C (30 ms window, 10 ms step, 40 channels, noise
reduction, PCAN, log), through pymicro-features: what ESPHome and pymicro-wakeword run. Its output u
(uint16) means u / 25.6, 0 ... 26; the models' int8 input has step 26/255. Features are stored as
uint8 in that step: a twentieth of float32 with ten shifts, and exactly what the device computes.
"""

import numpy as np
from pymicro_features import MicroFrontend

from trainer.audio.io import Audio, to_int16

CHANNELS = 40
STEP_SAMPLES = 160  # 10 ms
WINDOW_SAMPLES = 480  # 30 ms
FRAMES_PER_SECOND = 100
FEATURE_MAX = 26.0
FEATURE_STEP = FEATURE_MAX / 255  # one step of the models' int8 input


def quantize(features: np.ndarray) -> np.ndarray:
    """float features -> uint8 steps of 26/255, clipped (int8 model input = this - 128)."""
    return np.clip(np.rint(features * np.float32(1 / FEATURE_STEP)), 0, 255).astype(np.uint8)


class FrontEnd:
    """The streaming front-end: `push` takes any amount of audio, returns the completed frames."""

    def __init__(self) -> None:
        self._front_end = MicroFrontend()
        self._rest = b""

    def push(self, samples: np.ndarray) -> np.ndarray:
        """int16 (n,) -> uint8 (frames, 40)."""
        audio = self._rest + samples.astype(np.int16, copy=False).tobytes()
        step = 2 * STEP_SAMPLES
        process, frames = self._front_end.process_samples, []
        whole = len(audio) // step * step
        for at in range(0, whole, step):
            output = process(audio[at : at + step]).features
            if output:
                frames.append(output)
        self._rest = audio[whole:]
        return quantize(np.array(frames, np.float32).reshape(-1, CHANNELS))


def features(samples: Audio | np.ndarray) -> np.ndarray:
    """One clip, float32 or int16 -> uint8 (frames, 40), from a fresh front-end."""
    if samples.dtype != np.int16:
        samples = to_int16(samples)
    return FrontEnd().push(samples)
