"""Augmentation of clips: rooms, noise, microphones. All linear changes share one FFT.

Kinds and order follow microWakeWord's notebook (equaliser, distortion, pitch, band stop, room,
noise, gain, level change). One by one, as library transforms, they take about 3.5 ms a clip; as
factors of one spectrum about 1 ms. Pitch shift, the slowest, runs on the word alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import numpy as np
from scipy import fft

from trainer.audio.io import SAMPLE_RATE_HZ, Audio, rms
from trainer.audio.stretch import shift_pitch

ROOM_SAMPLES = SAMPLE_RATE_HZ // 2  # what is kept of an impulse response


class Sounds(Protocol):
    """A store of clips at 16 kHz."""

    index: np.ndarray  # with the field `length`

    def __len__(self) -> int: ...

    def __getitem__(self, i: int, /) -> Audio: ...

    def piece(self, i: int, offset: int, length: int) -> Audio:
        """`length` samples of clip i from `offset`, repeated from its start."""


@dataclass(frozen=True)
class Chain:
    """Probabilities and ranges; dB unless the name says otherwise."""

    equalizer: float = 0.6
    equalizer_db: float = 8.0
    tilt_db_per_octave: float = 6.0  # with the equalizer: bass-heavy and thin microphones
    distortion: float = 0.1
    pitch: float = 0.1
    pitch_semitones: float = 3.0
    band_stop: float = 0.1
    low_pass: float = 0.1
    room: float = 0.6
    noise: float = 0.75
    noise_snr_db: tuple[float, float] = (-3.0, 25.0)
    color_noise: float = 0.25
    color_snr_db: tuple[float, float] = (10.0, 40.0)
    peak_db: tuple[float, float] = (-36.0, 0.0)
    level_change: float = 0.15
    level_change_db: float = 8.0
    overdrive: float = 0.03


@cache
def _equalizer_basis(bins: int, rate_hz: int) -> np.ndarray:
    """(8, bins): seven bumps an octave apart on a logarithmic axis, and a tilt about 1 kHz."""
    hertz = np.maximum(np.arange(bins) * (rate_hz / 2 / (bins - 1)), 20.0)
    centres = 90.0 * 2.0 ** (np.arange(7) * 1.05)
    octaves = np.log2(hertz[None, :] / centres[:, None])
    bumps = np.exp(-0.5 * np.square(octaves / 0.6))
    return np.concatenate([bumps, np.log2(hertz[None, :] / 1000).clip(-4, 3)]).astype(np.float32)


class Augmenter:
    """Rooms (as spectra) and noises; `augmenter(samples, place, rng)` changes one clip."""

    def __init__(
        self, chain: Chain, rooms: Sounds | None, noises: Sequence[Sounds], total: int
    ) -> None:
        """`total`: length in samples of every clip that comes out."""
        self.chain, self.total = chain, total
        self.noises = [store for store in noises if len(store)]
        self.size = fft.next_fast_len(total + ROOM_SAMPLES, real=True)
        self.rooms: list[np.ndarray] = []
        if rooms is not None:
            self.rooms = [self._room_spectrum(rooms[i]) for i in range(min(len(rooms), 256))]

    def _room_spectrum(self, response: Audio) -> np.ndarray:
        """Direct sound moved to time 0 (the word must not move) and energy 1."""
        response = response[int(np.argmax(np.abs(response))) :][:ROOM_SAMPLES].copy()
        response[len(response) // 2 :] *= np.linspace(
            1, 0, len(response) - len(response) // 2, dtype=np.float32
        )
        return fft.rfft(response / (np.sqrt(np.sum(response**2)) + 1e-9), self.size).astype(
            np.complex64
        )

    def __call__(self, samples: Audio, place: int, rng: np.random.Generator) -> Audio:
        """Augment `samples`, put at sample `place` of the result (negative: their start is cut)."""
        chain = self.chain
        if rng.random() < chain.pitch:
            samples = shift_pitch(
                samples, rng.uniform(-chain.pitch_semitones, chain.pitch_semitones)
            )
        if rng.random() < chain.distortion:
            samples = distort(samples, rng.uniform(0.05, 0.5))
        clip = np.zeros(self.total, np.float32)
        source = samples[max(0, -place) :][: self.total - max(0, place)]
        clip[max(0, place) : max(0, place) + len(source)] = source
        loud = rms(source) + 1e-9
        response = self._response(rng)
        if response is not None:
            clip = fft.irfft(fft.rfft(clip, self.size) * response, self.size)[: self.total]
            clip *= loud * np.sqrt(max(len(source), 1) / self.total) / (rms(clip) + 1e-9)
        clip += self._noise(loud, rng)
        if rng.random() < chain.level_change:
            clip *= self._level_change(rng)
        peak = float(np.abs(clip).max()) + 1e-9
        level = 10 ** (rng.uniform(*chain.peak_db) / 20)
        if rng.random() < chain.overdrive:
            level *= rng.uniform(2, 8)
        return np.clip(clip * np.float32(level / peak), -1.0, 1.0)

    def _response(self, rng: np.random.Generator) -> np.ndarray | None:
        """Room, equaliser and filters as one spectrum; None when none of them is drawn."""
        chain, bins = self.chain, self.size // 2 + 1
        response: np.ndarray | None = None
        if self.rooms and rng.random() < chain.room:
            response = self.rooms[rng.integers(len(self.rooms))]
        if rng.random() < chain.equalizer:
            widths = np.array([chain.equalizer_db] * 7 + [chain.tilt_db_per_octave])
            gains = (rng.uniform(-1, 1, 8) * widths).astype(np.float32)
            curve = np.exp(
                (gains * np.float32(np.log(10) / 20)) @ _equalizer_basis(bins, SAMPLE_RATE_HZ)
            )
            response = curve if response is None else response * curve
        hertz_per_bin = SAMPLE_RATE_HZ / 2 / (bins - 1)
        if rng.random() < chain.band_stop:
            response = np.ones(bins, np.float32) if response is None else response.copy()
            centre = np.exp(rng.uniform(np.log(200), np.log(4000)))
            width = centre * rng.uniform(0.2, 0.8)
            low, high = (
                int((centre - width / 2) / hertz_per_bin),
                int((centre + width / 2) / hertz_per_bin),
            )
            response[low:high] *= 0.06
        if rng.random() < chain.low_pass:
            response = np.ones(bins, np.float32) if response is None else response.copy()
            corner = int(rng.uniform(2500, 7000) / hertz_per_bin)
            response[corner:] *= np.geomspace(1, 1e-3, bins - corner, dtype=np.float32)
        return response

    def _noise(self, loud: float, rng: np.random.Generator) -> Audio:
        noise = np.zeros(self.total, np.float32)
        if self.noises and rng.random() < self.chain.noise:
            noise += self._scaled_noise(loud, self.chain.noise_snr_db, rng)
        if rng.random() < self.chain.color_noise:
            start = rng.integers(_LONG)
            colour = color_noise(int(rng.integers(5)))[start : start + self.total]
            noise += colour * np.float32(
                loud / 10 ** (rng.uniform(*self.chain.color_snr_db) / 20) / (rms(colour) + 1e-9)
            )
        return noise

    def _scaled_noise(
        self, loud: float, snr_db: tuple[float, float], rng: np.random.Generator
    ) -> Audio:
        store = self.noises[rng.integers(len(self.noises))]
        i = int(rng.integers(len(store)))
        noise = store.piece(i, int(rng.integers(store.index["length"][i])), self.total)
        return noise * np.float32(loud / 10 ** (rng.uniform(*snr_db) / 20) / (rms(noise) + 1e-9))

    def _level_change(self, rng: np.random.Generator) -> Audio:
        """A ramp between two levels somewhere in the clip, as when a person turns away."""
        start, stop = np.sort(rng.integers(0, self.total, 2))
        db = rng.uniform(-self.chain.level_change_db, self.chain.level_change_db)
        return 10 ** (
            np.interp(np.arange(self.total), [start, stop + 1], [0, db]).astype(np.float32) / 20
        )


def distort(samples: Audio, amount: float) -> Audio:
    """Soft clipping (tanh) at the `1 - amount` quantile of the level, loudness kept."""
    threshold = np.percentile(np.abs(samples), 100 - 99 * amount) + 1e-9
    bent = np.tanh(samples / np.float32(threshold))
    return bent * np.float32((rms(samples) + 1e-9) / (rms(bent) + 1e-9))


_LONG = 20 * SAMPLE_RATE_HZ


@cache
def color_noise(color: int) -> Audio:
    """40 s of noise; power falls by 3 dB per octave times (color - 1): violet 0 ... brown 4."""
    rng = np.random.default_rng([7, color])
    spectrum = fft.rfft(rng.standard_normal(2 * _LONG).astype(np.float32))
    hertz = np.maximum(np.arange(len(spectrum)), 20).astype(np.float32)
    return np.asarray(fft.irfft(spectrum * hertz ** np.float32((1 - color) / 2)), np.float32)
