"""Generated noise and simulated rooms, used until real corpora are downloaded. Seeded."""

import numpy as np
from scipy import signal

from trainer.audio.augment import color_noise
from trainer.audio.io import SAMPLE_RATE_HZ, Audio

_HZ = SAMPLE_RATE_HZ


def room_response(rng: np.random.Generator) -> Audio:
    """Impulse response of a shoebox room: image sources (Allen & Berkley 1979), a diffuse tail.

    Sides of 2-9 m, speaker 0.3-4 m away, reverberation 0.1-0.9 s, shorter at high frequencies.
    """
    size = rng.uniform([2.0, 2.0, 2.2], [9.0, 7.0, 3.5])
    microphone = rng.uniform(0.3, size - 0.3)
    source = np.clip(microphone + rng.normal(0, 1, 3) * rng.uniform(0.3, 2.0), 0.2, size - 0.2)
    t60 = rng.uniform(0.1, 0.9)
    reflect = np.exp(-3 * np.log(10) * 0.053 * size.prod() ** (1 / 3) / t60 / 2) * rng.uniform(
        0.7, 1.0
    )
    response = np.zeros(_HZ, np.float32)
    steps = np.array([(i, j, k) for i in range(-2, 3) for j in range(-2, 3) for k in range(-2, 3)])
    steps = steps[np.abs(steps).sum(1) <= 2]
    images = np.where(steps % 2 == 0, source, size - source) + steps * size
    distance = np.linalg.norm(images - microphone, axis=1)
    gain = (
        reflect ** np.abs(steps).sum(1)
        / np.maximum(distance, 0.2)
        * rng.choice([-1, 1], len(steps))
    )
    np.add.at(
        response,
        np.minimum((distance * _HZ / 343).astype(int), _HZ - 1),
        np.abs(gain) * np.sign(gain + 1e-9),
    )
    direct = int(np.argmax(np.abs(response)))
    time = np.arange(_HZ) / _HZ
    tail = rng.standard_normal(_HZ).astype(np.float32)
    bright = signal.lfilter(*signal.butter(1, 2500 / (_HZ / 2)), tail) * np.exp(-6.9 * time / t60)
    dull = tail * np.exp(-6.9 * time / (t60 * 0.5)) * 0.5
    tail = (bright + dull).astype(np.float32)
    tail[: direct + int(0.01 * _HZ)] = 0
    early = np.abs(response[direct])
    response += tail * np.float32(early * rng.uniform(0.02, 0.25) / (np.abs(tail).max() + 1e-9) * 3)
    return response / np.abs(response).max()


def noise_clip(rng: np.random.Generator, seconds: float = 8.0) -> Audio:
    """A household-like sound of `seconds`, peak 0.5: hiss, fan, hum, clicks, tones, alarms."""
    kinds = (_hiss, _waves, _fan, _hum, _clicks, _tones, _chords, _bursts, _sweeps)
    total = int(seconds * _HZ)
    sound = np.zeros(total, np.float32)
    for kind in rng.choice(len(kinds), rng.integers(1, 4), replace=False):
        part = kinds[kind](rng, total).astype(np.float32)
        sound += part / (np.abs(part).max() + 1e-9) * np.float32(10 ** (rng.uniform(-25, 0) / 20))
    return sound * np.float32(0.5 / (np.abs(sound).max() + 1e-9))


def _hiss(rng: np.random.Generator, total: int) -> Audio:
    start = rng.integers(_HZ * 20)
    return np.take(color_noise(int(rng.integers(5))), np.arange(start, start + total), mode="wrap")


def _waves(rng: np.random.Generator, total: int) -> Audio:
    """Noise that swells and ebbs every one to five seconds: sea, traffic, applause."""
    swell = np.interp(
        np.arange(total), np.linspace(0, total, 8), rng.uniform(0, 1, 8)
    ) ** rng.uniform(1, 6)
    return _hiss(rng, total) * swell


def _fan(rng: np.random.Generator, total: int) -> Audio:
    low, high = np.sort(rng.uniform(60, 6000, 2))
    band = signal.butter(2, [low, max(high, low * 1.3)], "band", fs=_HZ, output="sos")
    wobble = 1 + rng.uniform(0, 0.6) * np.sin(
        2 * np.pi * rng.uniform(0.2, 12) * np.arange(total) / _HZ
    )
    return signal.sosfilt(band, rng.standard_normal(total)) * wobble


def _hum(rng: np.random.Generator, total: int) -> Audio:
    base = rng.choice([50, 60, rng.uniform(30, 400)])
    time = np.arange(total) / _HZ
    return sum(
        rng.uniform(0, 1) / k * np.sin(2 * np.pi * base * k * time + rng.uniform(0, 6))
        for k in range(1, 12)
    )


def _clicks(rng: np.random.Generator, total: int) -> Audio:
    sound = np.zeros(total)
    for at in rng.integers(0, total, rng.integers(3, 60)):
        length = int(rng.uniform(0.001, 0.08) * _HZ)
        decay = np.exp(-np.arange(length) / (length / rng.uniform(3, 8)))
        burst = rng.standard_normal(length) * decay * rng.uniform(0.1, 1)
        if rng.random() < 0.5:
            burst *= np.sin(2 * np.pi * rng.uniform(150, 5000) * np.arange(length) / _HZ)
        sound[at : at + length] += burst[: total - at]
    return sound


def _tones(rng: np.random.Generator, total: int) -> Audio:
    time, sound = np.arange(total) / _HZ, np.zeros(total)
    for _ in range(rng.integers(1, 6)):
        on = (
            signal.square(
                2 * np.pi * rng.uniform(0.3, 6) * time + rng.uniform(0, 6), rng.uniform(0.2, 0.9)
            )
            > 0
        )
        sound += on * np.sin(2 * np.pi * rng.uniform(200, 4000) * time)
    return sound


def _chords(rng: np.random.Generator, total: int) -> Audio:
    """Notes with harmonics and decay, four to eight a second: a tune."""
    sound, at = np.zeros(total), 0
    while at < total:
        length = int(rng.uniform(0.1, 0.8) * _HZ)
        time = np.arange(length) / _HZ
        for _ in range(rng.integers(1, 4)):
            base = 110 * 2 ** (rng.integers(0, 40) / 12)
            vibrato = base * (1 + 0.005 * np.sin(2 * np.pi * 5 * time))
            note = sum(
                np.sin(np.cumsum(vibrato) * k * 2 * np.pi / _HZ) / k ** rng.uniform(0.8, 2)
                for k in range(1, 7)
            )
            note = note * np.exp(-time * rng.uniform(0.5, 8))
            sound[at : at + length] += note[: total - at]
        at += int(length * rng.uniform(0.4, 1.1))
    return sound


def _bursts(rng: np.random.Generator, total: int) -> Audio:
    """Noise with a speech-like envelope and moving resonances: a crowd, a dog, a cough."""
    envelope = np.maximum(0, _fan(rng, total // 160 + 1))
    envelope = np.interp(
        np.arange(total), np.arange(len(envelope)) * 160, envelope / (envelope.max() + 1e-9)
    )
    voice = signal.sawtooth(
        2 * np.pi * np.cumsum(rng.uniform(80, 600) + 40 * _slow(rng, total)) / _HZ
    )
    source = rng.uniform(0, 1) * rng.standard_normal(total) + rng.uniform(0, 1) * voice
    for centre in rng.uniform(250, 4500, 3):
        source += signal.lfilter(*signal.iirpeak(centre, rng.uniform(2, 8), fs=_HZ), source) * 3
    return source * envelope**2


def _sweeps(rng: np.random.Generator, total: int) -> Audio:
    return np.sin(
        2 * np.pi * np.cumsum(np.abs(rng.uniform(200, 3000) * (1 + _slow(rng, total)))) / _HZ
    )


def _slow(rng: np.random.Generator, total: int) -> Audio:
    points = rng.uniform(-1, 1, max(4, total // int(rng.integers(1600, 16000))))
    return np.interp(np.arange(total), np.linspace(0, total, len(points)), points)
