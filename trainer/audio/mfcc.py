"""MFCCs of the speech-to-text clients: TensorFlow's AudioSpectrogram and Mfcc in NumPy.

Periodic Hann windows, power spectrum, 40 mel triangles from 20 Hz to half the rate, logarithm,
DCT-II, 26 coefficients, no normalisation. A test compares. Workers need no TensorFlow for it.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy import fft

from trainer.audio.io import SAMPLE_RATE_HZ, Audio

MFCCS = 26
CONTEXT = 9  # frames on each side that the network sees
FILTERS = 40
LOWEST_HZ = 20.0
FLOOR = 1e-12


@dataclass(frozen=True)
class Features:
    """Sample rate, length and distance of windows: clients read them from the model.

    Windows must be whole samples: `SpeechSettings.features` checks it.
    """

    sample_rate_hz: int = SAMPLE_RATE_HZ
    window_ms: int = 32
    step_ms: int = 20

    @property
    def window(self) -> int:
        """Samples of a window."""
        return self.sample_rate_hz * self.window_ms // 1000

    @property
    def step(self) -> int:
        """Samples from one window to the next."""
        return self.sample_rate_hz * self.step_ms // 1000

    @property
    def bins(self) -> int:
        """Bins of the spectrum: of the next power of two, as AudioSpectrogram has it."""
        return _fft_size(self.window) // 2 + 1

    def seconds(self, frames: int) -> float:
        """Duration of `frames` frames."""
        return frames * self.step_ms / 1000

    def frames(self, seconds: float) -> int:
        """Number of frames in `seconds`."""
        return round(seconds * 1000 / self.step_ms)

    def padded(self, samples: Audio) -> Audio:
        """Zeros up to the last whole window: the clients process the last, partial window too."""
        rest = max(len(samples), self.window) - self.window
        return np.pad(samples, (0, -(-rest // self.step) * self.step + self.window - len(samples)))

    def spectrogram(self, samples: Audio) -> np.ndarray:
        """float32 (n,) -> float32 (frames, bins): magnitudes."""
        if len(samples) < self.window:
            return np.zeros((0, self.bins), np.float32)
        windows = np.lib.stride_tricks.sliding_window_view(samples, self.window)[:: self.step]
        # Mfcc takes the root of the power that AudioSpectrogram gives
        return np.abs(fft.rfft(windows * _hann(self.window), n=_fft_size(self.window), axis=1))

    def mel_logarithms(self, magnitude: np.ndarray) -> np.ndarray:
        """(frames, bins) magnitudes -> float32 (frames, 40)."""
        return np.log(
            np.maximum(magnitude @ _filterbank(self.sample_rate_hz, self.bins), FLOOR)
        ).astype(np.float32)

    def log_mels(self, samples: Audio) -> np.ndarray:
        """float32 (n,) -> float32 (frames, 40): logarithms of the mel bands, before the DCT."""
        return self.mel_logarithms(self.spectrogram(samples))

    def scaled_bands(self, factor: float) -> np.ndarray:
        """(40,) positions of the bands' centres among the bands when frequencies are scaled by
        `factor`; -1 and 40 are the limits."""
        low, spacing = _bands(self.sample_rate_hz)
        hertz = 700.0 * np.expm1((low + spacing * np.arange(1, FILTERS + 1)) / 1127.0)
        return np.asarray((_mel(hertz * factor) - low) / spacing - 1)


AS_PUBLISHED = Features()  # the published models


def cepstra(mels: np.ndarray) -> np.ndarray:
    """(..., 40) -> (..., 26) MFCCs."""
    return (mels @ _cosines()).astype(np.float32)


def _fft_size(window: int) -> int:
    return 1 << (window - 1).bit_length()


@cache
def _hann(window: int) -> np.ndarray:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(window) / window)).astype(np.float32)


def _mel(hertz: np.ndarray | float) -> np.ndarray:
    return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)


def _bands(sample_rate_hz: int) -> tuple[float, float]:
    """Mels of the lower limit, and from one band's centre to the next."""
    low, high = float(_mel(LOWEST_HZ)), float(_mel(sample_rate_hz / 2))
    return low, (high - low) / (FILTERS + 1)


@cache
def _filterbank(sample_rate_hz: int, bins: int) -> np.ndarray:
    """(bins, 40): TensorFlow's triangles; the bins below and above the limits count for nothing."""
    hertz_per_bin = 0.5 * sample_rate_hz / (bins - 1)
    low, spacing = _bands(sample_rate_hz)
    centres = low + spacing * np.arange(1, FILTERS + 2)
    bank = np.zeros((bins, FILTERS + 1))
    first, last = int(1.5 + LOWEST_HZ / hertz_per_bin), int(sample_rate_hz / 2 / hertz_per_bin)
    for i in range(first, last + 1):
        mel = _mel(i * hertz_per_bin)
        band = min(int(np.searchsorted(centres, mel)), FILTERS) - 1
        if band < 0:
            weight = (centres[0] - mel) / (centres[0] - low)
        else:
            weight = (centres[band + 1] - mel) / (centres[band + 1] - centres[band])
            bank[i, band] += weight
        bank[i, band + 1] += 1 - weight
    return bank[:, :FILTERS].astype(np.float32)


@cache
def _cosines() -> np.ndarray:
    """(40, 26)."""
    i, j = np.arange(MFCCS)[None, :], np.arange(FILTERS)[:, None]
    return (np.sqrt(2 / FILTERS) * np.cos(i * np.pi / FILTERS * (j + 0.5))).astype(np.float32)
