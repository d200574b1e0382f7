"""Augmentation of spectrograms: SpecAugment (Park et al. 2019) and speaker perturbation.

Arrays are (time, bands) unless a function says otherwise; all functions are seeded by their
generator.
"""

import numpy as np
from scipy.ndimage import map_coordinates

from trainer.audio.mfcc import FILTERS, Features


def rows_at(rows: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Rows at fractional `places`, interpolated linearly; zeros beyond the end."""
    low = np.minimum(places.astype(int), len(rows) - 1)
    share = (places - low).astype(np.float32)[:, None]
    found = rows[low] * (1 - share) + rows[np.minimum(low + 1, len(rows) - 1)] * share
    found[places > len(rows) - 1] = 0
    return found


def warp(
    x: np.ndarray, points: tuple[float, float], reach: tuple[float, float], rng: np.random.Generator
) -> np.ndarray:
    """Control points (number along time, frequency) moved by up to `reach` of their distance,
    linear in between; the edges stay. (time, bins) -> the same shape."""

    def axis(size: int, number: float, far: float) -> np.ndarray:
        count = max(0, round(number))
        from_ = np.linspace(0, size - 1, count + 2)
        to = from_.copy()
        if count:
            to[1:-1] += rng.uniform(-1, 1, count) * far * (size - 1) / (count + 1)
        return np.interp(np.arange(size), from_, np.sort(to))

    places = np.meshgrid(
        axis(len(x), points[0], reach[0]), axis(x.shape[1], points[1], reach[1]), indexing="ij"
    )
    return map_coordinates(x, places, order=1).astype(np.float32)


def masked(x: np.ndarray, count: int, size: int, rng: np.random.Generator) -> np.ndarray:
    """A copy with `count` stretches of `size` rows set to zero."""
    x = x.copy()
    for _ in range(count):
        at = int(rng.integers(0, max(1, len(x) - size + 1)))
        x[at : at + size] = 0
    return x


def other_voice(
    mels: np.ndarray, needed: int, rng: np.random.Generator, amount: float, features: Features
) -> np.ndarray:
    """Speaker perturbation: tempo, and vocal tract length (Jaitly & Hinton 2013).

    Log mels (frames, 40) -> at least `needed` frames. `amount` scales all changes.
    """
    fast = float(np.exp(rng.uniform(-0.18, 0.18) * amount))
    count = max(needed, 1, round(len(mels) / fast))
    mels = rows_at(mels, np.linspace(0, len(mels) - 1, count))
    tract = float(np.exp(rng.uniform(-0.16, 0.16) * amount))
    return rows_at(mels.T, np.clip(features.scaled_bands(tract), 0, FILTERS - 1)).T


def other_microphone(
    mels: np.ndarray, rng: np.random.Generator, amount: float, features: Features
) -> np.ndarray:
    """Level, tilt, noise and SpecAugment's masks (Park et al. 2019): log mels, same shape."""
    slope = np.linspace(-1, 1, FILTERS, dtype=np.float32)
    mels = (
        mels
        + np.float32(rng.uniform(-1.5, 1.5) * amount)
        + slope * np.float32(rng.uniform(-1, 1) * amount)
    )
    if rng.random() < 0.5:  # noise under the voice
        floor = np.percentile(mels, 95) - rng.uniform(2.5, 7) + slope * rng.uniform(-1, 1)
        mels = np.logaddexp(mels, floor + rng.normal(0, 0.4, mels.shape))
    mean = mels.mean(0)
    for _ in range(2):
        size = int(
            rng.integers(0, min(features.frames(0.2), max(1, len(mels) // 6)) + 1)
            * min(amount, 1.0)
        )
        at = int(rng.integers(0, max(1, len(mels) - size)))
        mels[at : at + size] = mean
        band = int(rng.integers(0, 6))
        low = int(rng.integers(0, FILTERS - band))
        mels[:, low : low + band] = mean[low : low + band]
    return np.asarray(mels, np.float32)
