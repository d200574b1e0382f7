"""What is wrong with a recording: level, clipping, offset, hum, channels."""

from dataclasses import dataclass

import numpy as np

from trainer.audio.io import Audio

QUIET_DB = -40.0
CLIPPED = 0.001
OFFSET = 0.005
HUM_DB = -15.0  # of the mains' frequency, compared with the whole
FULL_SCALE = 0.995


@dataclass(frozen=True)
class Quality:
    """One recording. `level_db`: of its loudest tenth, below full scale; `clipped`: share of
    samples at full scale; `hum_db`: power at 50 or 60 Hz compared with the whole; `channel`: which
    one is used, empty for one channel or a mix."""

    seconds: float
    level_db: float
    clipped: float
    offset: float
    hum_db: float
    channel: str

    def remarks(self) -> list[str]:
        """What the user may want to know."""
        found = []
        if self.level_db < QUIET_DB:
            found.append(f"quiet ({self.level_db:.0f} dB)")
        if self.clipped > CLIPPED:
            found.append(f"clipped ({100 * self.clipped:.1f} % of the samples)")
        if abs(self.offset) > OFFSET:
            found.append(f"offset ({self.offset:+.3f}, removed)")
        if self.hum_db > HUM_DB:
            found.append(f"hum ({self.hum_db:.0f} dB)")
        if self.channel:
            found.append(self.channel)
        return found


def one_channel(samples: np.ndarray) -> tuple[Audio, str]:
    """(frames, channels) -> the mix, or one channel where a mix would lose the voice; and which."""
    count = samples.shape[1]
    if count == 1:
        return samples[:, 0], ""
    centred = samples - samples.mean(axis=0)
    levels = np.sqrt(np.mean(np.square(centred, dtype=np.float64), axis=0)) + 1e-9
    best = int(np.argmax(levels))
    name = ("left", "right")[best] if count == 2 else f"{best + 1}."
    if levels[best] > 10 * np.sort(levels)[-2]:
        return samples[:, best], f"channel ({name} only: the others are silent)"
    mixed = centred.mean(axis=1)
    if np.sqrt(np.mean(np.square(mixed, dtype=np.float64))) < 0.5 * levels[best]:
        return samples[:, best], f"channel ({name} only: the channels cancel each other)"
    return samples.mean(axis=1, dtype=np.float32), ""


def judge(samples: Audio, rate_hz: int, channel: str = "") -> Quality:
    """The quality of one channel."""
    offset = float(np.mean(samples, dtype=np.float64))
    centred = samples - np.float32(offset)
    block = max(rate_hz // 50, 1)
    whole = centred[: len(centred) // block * block].reshape(-1, block)
    energy = np.mean(np.square(whole, dtype=np.float64), axis=1) if len(whole) else np.zeros(1)
    loud = float(np.percentile(energy, 90))
    return Quality(
        len(samples) / rate_hz,
        10 * np.log10(loud + 1e-10),
        float(np.mean(np.abs(samples) > FULL_SCALE)),
        offset,
        _hum_db(centred, rate_hz),
        channel,
    )


def _hum_db(samples: Audio, rate_hz: int) -> float:
    """Power within 2 Hz of 50 or 60 Hz, whichever is stronger, in dB of the whole."""
    power = np.abs(np.fft.rfft(samples * np.hanning(len(samples)))) ** 2
    hertz = np.fft.rfftfreq(len(samples), 1 / rate_hz)
    at = max(float(power[np.abs(hertz - mains) < 2].sum()) for mains in (50, 60))
    return 10 * np.log10(at / (float(power.sum()) + 1e-12) + 1e-10)
