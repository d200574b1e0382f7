"""Decoding, resampling and levels of audio: mono, 16 kHz by default, float32 in [-1, 1]."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile
import soxr

from trainer.audio.decode import AudioError, opened

SAMPLE_RATE_HZ = 16_000
Audio = np.ndarray  # float32, shape (samples,), nominally within [-1, 1]


def resample(
    samples: np.ndarray, rate_hz: float, quality: str = "HQ", to_hz: float = SAMPLE_RATE_HZ
) -> Audio:
    """Resample (samples,) or (samples, channels) from `rate_hz` to `to_hz`."""
    if rate_hz == to_hz:
        return np.asarray(samples, np.float32)
    return soxr.resample(np.asarray(samples, np.float32), rate_hz, to_hz, quality=quality)


def read_blocks(
    path: Path, seconds: float = 60.0, whole: bool = False, to_hz: int = SAMPLE_RATE_HZ
) -> Iterator[Audio]:
    """Decode a file of any length in blocks, mixed to mono and resampled: memory stays flat.

    Raises AudioError when the file is missing, empty or not decodable; with `whole` also when
    its header announces more, as in an mp3 of which half is missing (a cut WAV cannot be detected).
    """
    with opened(path) as file:
        stream = soxr.ResampleStream(file.samplerate, to_hz, 1, dtype="float32")
        # no larger: room for a minute costs as much as decoding
        count = int(seconds * file.samplerate)
        count = min(count, file.frames + 1) if file.frames else count
        seen = 0
        # not `blocks`, which trusts the length in the header and returns uninitialised memory
        while len(block := file.read(count, dtype="float32", always_2d=True)):
            seen += len(block)
            mono = block[:, 0] if block.shape[1] == 1 else block.mean(axis=1, dtype=np.float32)
            if not np.isfinite(mono.sum()):
                mono = np.nan_to_num(mono)
            last = len(block) < count
            yield stream.resample_chunk(mono, last=last)
        if seen and not last:
            yield stream.resample_chunk(np.zeros(0, np.float32), last=True)
        missing = (file.frames - seen) / file.samplerate
    if not seen:
        raise AudioError("holds no audio")
    # a few milliseconds are missing in many mp3
    if whole and missing > max(0.5, 0.1 * seen / file.samplerate):
        raise AudioError(f"cut off: its last {missing:.1f} s are not there")


def read(
    path: Path, start: float = 0.0, end: float = 0.0, channel: int = 0, to_hz: int = SAMPLE_RATE_HZ
) -> Audio:
    """Decode a file, or its part from `start` to `end` seconds (0: to its end), at `to_hz`.

    `channel`: from 1; 0 mixes all. Raises AudioError.
    """
    if not (start or end or channel):
        return np.concatenate(list(read_blocks(path, whole=True, to_hz=to_hz)))
    with opened(path) as file:
        if channel > file.channels:
            raise AudioError(f"has no channel {channel}")
        first = int(start * file.samplerate)
        file.seek(min(first, file.frames) if file.frames else first)
        count = int((end - start) * file.samplerate) if end else -1
        samples = file.read(count, dtype="float32", always_2d=True)
        rate = file.samplerate
    if not len(samples):
        raise AudioError("holds no audio in this part")
    return resample(
        np.nan_to_num(samples[:, channel - 1] if channel else samples.mean(axis=1)),
        rate,
        to_hz=to_hz,
    )


def write_wav(path: Path, samples: Audio) -> None:
    """Write 16-bit PCM WAV at 16 kHz."""
    soundfile.write(path, to_int16(samples), SAMPLE_RATE_HZ, subtype="PCM_16")


def to_int16(samples: Audio) -> np.ndarray:
    """Scale by 32768 and clip, as the front-end of the clients does."""
    return np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)


def to_float(samples: np.ndarray) -> Audio:
    """int16 -> float32 in [-1, 1)."""
    return samples.astype(np.float32) * np.float32(1 / 32768)


def rms(samples: Audio) -> float:
    """Root mean square; 0.0 for no samples."""
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else 0.0
