"""MFCCs of the speech-to-text clients, in numpy: what TensorFlow's AudioSpectrogram and Mfcc compute (a test compares).

512-sample periodic Hann windows every 320 samples, power spectrum, 40 mel triangles from 20 Hz to half the rate, logarithm,
DCT-II, 26 coefficients, no normalisation. In workers no TensorFlow is needed for it.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import fft

from trainer.audio import SAMPLE_RATE_HZ, Audio

MFCCS = 26
CONTEXT = 9  # frames on each side that the network sees
WINDOW_MS, STEP_MS = 32, 20
WINDOW_SAMPLES, STEP_SAMPLES = 512, 320
FILTERS = 40
LOWEST_HZ = 20.0
FLOOR = 1e-12


def frame_count(samples: int) -> int:
    """Whole windows in `samples`."""
    return max(0, 1 + (samples - WINDOW_SAMPLES) // STEP_SAMPLES)


def padded(samples: Audio) -> Audio:
    """Zeros up to the last whole window: the clients process the last, partial window too."""
    rest = max(len(samples), WINDOW_SAMPLES) - WINDOW_SAMPLES
    return np.pad(samples, (0, -(-rest // STEP_SAMPLES) * STEP_SAMPLES + WINDOW_SAMPLES - len(samples)))


def log_mels(samples: Audio) -> np.ndarray:
    """float32 (n,) -> float32 (frames, 40): logarithms of the mel bands, before the DCT."""
    return mel_logarithms(spectrogram(samples))


def spectrogram(samples: Audio) -> np.ndarray:
    """float32 (n,) -> float32 (frames, 257): magnitudes."""
    if len(samples) < WINDOW_SAMPLES:
        return np.zeros((0, WINDOW_SAMPLES // 2 + 1), np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(samples, WINDOW_SAMPLES)[::STEP_SAMPLES]
    return np.abs(fft.rfft(windows * _hann(), axis=1))  # Mfcc takes the root of the power that AudioSpectrogram gives


def mel_logarithms(magnitude: np.ndarray) -> np.ndarray:
    """(frames, 257) magnitudes -> float32 (frames, 40)."""
    return np.log(np.maximum(magnitude @ _filterbank(), FLOOR)).astype(np.float32)


def cepstra(mels: np.ndarray) -> np.ndarray:
    """(..., 40) -> (..., 26) MFCCs."""
    return (mels @ _cosines()).astype(np.float32)


def mfcc(samples: Audio) -> np.ndarray:
    """float32 (n,) -> float32 (frames, 26)."""
    return cepstra(log_mels(samples))


@cache
def _hann() -> np.ndarray:
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW_SAMPLES) / WINDOW_SAMPLES)).astype(np.float32)


def _mel(hertz: np.ndarray | float) -> np.ndarray:
    return 1127.0 * np.log1p(np.asarray(hertz) / 700.0)


def _bands() -> tuple[float, float]:
    """Mels of the lower limit, and from one band's centre to the next."""
    low, high = float(_mel(LOWEST_HZ)), float(_mel(SAMPLE_RATE_HZ / 2))
    return low, (high - low) / (FILTERS + 1)


def scaled_bands(factor: float) -> np.ndarray:
    """(40,) places among the bands where their centres lie when frequencies are `factor` times as high; -1 and 40 are the limits."""
    low, spacing = _bands()
    hertz = 700.0 * np.expm1((low + spacing * np.arange(1, FILTERS + 1)) / 1127.0)
    return np.asarray((_mel(hertz * factor) - low) / spacing - 1)


@cache
def _filterbank() -> np.ndarray:
    """(257, 40): TensorFlow's triangles; the bins below and above the limits count for nothing."""
    bins = WINDOW_SAMPLES // 2 + 1
    hertz_per_bin = 0.5 * SAMPLE_RATE_HZ / (bins - 1)
    low, spacing = _bands()
    centres = low + spacing * np.arange(1, FILTERS + 2)
    bank = np.zeros((bins, FILTERS + 1))
    first, last = int(1.5 + LOWEST_HZ / hertz_per_bin), int(SAMPLE_RATE_HZ / 2 / hertz_per_bin)
    for i in range(first, last + 1):
        mel = _mel(i * hertz_per_bin)
        band = int(np.searchsorted(centres, mel)) - 1
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
