"""Augmentations in the syntax of DeepSpeech 0.9.3 and Coqui STT 1.4: `name[p=0.1,param=value]`.

Values: `v`, `v~r` (uniform, v - r to v + r), `a:b` (from a at the start of training to b at its
end), `a:b~r`. Domains come in the order sample, signal, spectrogram, features; within one, the
order of the list. Unlike there, each draws its own random numbers."""

import io
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import soundfile

from trainer.audio import io as audio
from trainer.audio.decode import AudioError
from trainer.audio.io import Audio
from trainer.audio.mfcc import Features
from trainer.audio.spec_augment import masked, rows_at, warp
from trainer.corpora import readers
from trainer.corpora.utterance import Utterance
from trainer.errors import UserError

DOMAINS = ("sample", "signal", "spectrogram", "features")
THREADS = 4
REVERB_DELAYS = (17, 19, 23, 29, 31)
OPUS_HZ = (8_000, 12_000, 16_000, 24_000, 48_000)
Values: TypeAlias = dict[str, Any]  # of parameters: float, int, str or Range


@dataclass(frozen=True)
class Range:
    """A value that may change along training and be drawn around it."""

    start: float
    end: float
    radius: float = 0.0

    def draw(self, clock: float, rng: np.random.Generator) -> float:
        """Draw the value at `clock`, the progress of training from 0 to 1."""
        return float(
            self.start
            + (self.end - self.start) * clock
            + (rng.uniform(-1, 1) * self.radius if self.radius else 0.0)
        )


@dataclass(frozen=True)
class Kind:
    """One kind: its domains, the first by default, and its parameters."""

    domains: tuple[str, ...]
    parameters: Values


def _fixed(value: float, radius: float = 0.0) -> Range:
    return Range(value, value, radius)


ANY = ("spectrogram", "signal", "features")
KINDS = {
    "overlay": Kind(("sample",), {"source": "", "snr": _fixed(3.0), "layers": _fixed(1)}),
    "codec": Kind(("sample",), {"bitrate": _fixed(3200)}),
    "reverb": Kind(("sample",), {"delay": _fixed(20.0), "decay": _fixed(10.0)}),
    "resample": Kind(("sample",), {"rate": _fixed(8000)}),
    "volume": Kind(("sample",), {"dbfs": _fixed(3.0103)}),
    "pitch": Kind(("spectrogram",), {"pitch": _fixed(1.075, 0.125)}),
    "tempo": Kind(("spectrogram",), {"factor": _fixed(1.1), "max_time": -1.0}),
    "warp": Kind(
        ("spectrogram",),
        {"num_t": _fixed(1), "num_f": _fixed(1), "warp_t": _fixed(0.1), "warp_f": _fixed(0.0)},
    ),
    "frequency_mask": Kind(("spectrogram",), {"n": _fixed(3), "size": _fixed(2)}),
    "time_mask": Kind(ANY, {"n": _fixed(3), "size": _fixed(10.0)}),
    "dropout": Kind(ANY, {"rate": _fixed(0.05)}),
    "add": Kind(("features", "signal", "spectrogram"), {"stddev": _fixed(5.0)}),
    "multiply": Kind(("features", "signal", "spectrogram"), {"stddev": _fixed(5.0)}),
}
# of warp in DeepSpeech
OTHER_NAMES = {"nt": "num_t", "nf": "num_f", "wt": "warp_t", "wf": "warp_f"}


@dataclass(frozen=True)
class Augment:
    """One entry of the list."""

    name: str
    domain: str
    probability: float
    values: Values

    def drawn(self, clock: float, rng: np.random.Generator) -> Values:
        """Its parameters for one clip."""
        return {
            k: v.draw(clock, rng) if isinstance(v, Range) else v for k, v in self.values.items()
        }


@dataclass(frozen=True)
class Augmentation:
    """The whole list, and what is made of the clips."""

    entries: tuple[Augment, ...]
    features: Features

    def sources(self) -> list[Utterance]:
        """The clips of all overlays. Raises UserError."""
        return [
            u
            for entry in self.entries
            if entry.name == "overlay"
            for u in _overlays(entry.values["source"])
        ]

    def of(self, domain: str) -> list[Augment]:
        """Entries of a domain, in order."""
        return [entry for entry in self.entries if entry.domain == domain]

    def log_mels(
        self,
        clips: Sequence[Utterance],
        needed: Sequence[int],
        clock: float,
        rng: np.random.Generator,
    ) -> list[np.ndarray]:
        """Clips, read and augmented, as log mels. `needed`: frames to keep. Raises AudioError."""
        seeds = rng.spawn(len(clips))
        with ThreadPoolExecutor(THREADS) as pool:
            return list(
                pool.map(
                    lambda job: self._log_mels(job[0], job[1], clock, job[2]),
                    zip(clips, needed, seeds, strict=True),
                )
            )

    def _log_mels(
        self, clip: Utterance, needed: int, clock: float, rng: np.random.Generator
    ) -> np.ndarray:
        samples = _read(clip, self.features)
        for domain in ("sample", "signal"):
            samples = self._changed(domain, samples, clock, rng)
        spectrum = self.features.spectrogram(self.features.padded(samples.astype(np.float32)))
        spectrum = self._changed("spectrogram", spectrum, clock, rng, needed)
        return self.features.mel_logarithms(np.maximum(spectrum, 0))

    def mfccs(
        self, x: np.ndarray, lengths: Sequence[int], clock: float, rng: np.random.Generator
    ) -> None:
        """MFCCs of a batch (b, t, 26), in place."""
        for row, length in enumerate(lengths):
            x[row, :length] = self._changed("features", x[row, :length], clock, rng)

    def _changed(
        self, domain: str, x: np.ndarray, clock: float, rng: np.random.Generator, needed: int = 0
    ) -> np.ndarray:
        """Apply a domain's entries by chance, except those that leave fewer rows than `needed`."""
        for entry in self.of(domain):
            if rng.random() < entry.probability:
                changed = CHANGES[entry.name](
                    x, entry.drawn(clock, rng) | {"features": self.features, "needed": needed}, rng
                )
                x = changed if len(changed) >= needed else x
        return x


def parse(text: str, features: Features) -> Augmentation:
    """Entries separated by spaces, which may also stand in their brackets. Raises UserError."""
    return Augmentation(
        tuple(_entry(entry) for entry in re.findall(r"[^\s\[]*\[[^\]]*\]\S*|\S+", text)), features
    )


def _entry(text: str) -> Augment:
    found = re.fullmatch(r"([a-z_]+)(?:\[(.*)\])?", text)
    if not found or found[1] not in KINDS:
        raise UserError(
            f"AUGMENT: '{text}' is not one of {', '.join(KINDS)}, written name[param=value,...]"
        )
    name, kind = found[1], KINDS[found[1]]
    values, probability, domain = dict(kind.parameters), 1.0, kind.domains[0]
    for part in filter(None, (found[2] or "").split(",")):
        key, equal, value = (piece.strip() for piece in part.partition("="))
        key = OTHER_NAMES.get(key, key)
        if not equal or key not in {"p", "domain", *values}:
            raise UserError(
                f"AUGMENT: {name} has no parameter '{key}'; there are p, {', '.join(values)}"
            )
        if key == "domain":
            if value not in kind.domains:
                raise UserError(
                    f"AUGMENT: {name} works on {', '.join(kind.domains)}, not on '{value}'"
                )
            domain = value
        elif key == "source":
            values[key] = value
        elif key in ("p", "max_time"):
            probability, values = (
                (_number(value, text), values)
                if key == "p"
                else (probability, values | {key: _number(value, text)})
            )
        else:
            values[key] = _range(value, text)
    if name == "overlay" and not values["source"]:
        raise UserError("AUGMENT: overlay needs source=<CSV or SDB of the clips to overlay>")
    return Augment(name, domain, probability, values)


def _number(text: str, entry: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise UserError(f"AUGMENT: {entry}: '{text}' is no number") from error


def _range(text: str, entry: str) -> Range:
    ends, _, radius = text.partition("~")
    start, _, end = ends.partition(":")
    first = _number(start, entry)
    return Range(
        first, _number(end, entry) if end else first, _number(radius, entry) if radius else 0.0
    )


def _dbfs(samples: Audio) -> float:
    """Peak level; 3.0103 for a full-scale square wave, as DeepSpeech counts."""
    return (
        10 * np.log10(max(1e-16, float(np.square(samples, dtype=np.float64).max(initial=0.0))))
        + 3.0103
    )


def _to_dbfs(samples: Audio, dbfs: float) -> Audio:
    return np.clip(samples * 10 ** ((dbfs - _dbfs(samples)) / 20), -1, 1).astype(np.float32)


def _read(clip: Utterance, features: Features) -> Audio:
    try:
        return audio.read(
            Path(clip.path), clip.start, clip.end, clip.channel, features.sample_rate_hz
        )
    except AudioError as error:
        raise AudioError(f"{clip.path}: {error}") from error


@cache
def _overlays(source: str) -> list[Utterance]:
    path = Path(source)
    found = [*readers.read("sdb" if path.suffix == ".sdb" else "table", path)]
    if not found:
        raise UserError(f"AUGMENT: {source} holds no clips")
    return found


def _overlay(samples: Audio, v: Values, rng: np.random.Generator) -> Audio:
    clips, level = _overlays(v["source"]), _dbfs(samples)
    layer = np.zeros(len(samples), np.float32)
    for _ in range(max(1, round(v["layers"]))):
        at = 0
        while at < len(samples):
            clip = clips[rng.integers(len(clips))]
            piece = _read(clip, v["features"])
            start = int(rng.integers(len(piece))) if at == 0 else 0
            piece = piece[start : start + len(samples) - at]
            layer[at : at + len(piece)] += piece
            at += max(1, len(piece))
    gain = 10 ** ((level - _dbfs(layer) - v["snr"]) / 20)
    return _to_dbfs(samples + layer * gain, level)


def _codec(samples: Audio, v: Values, rng: np.random.Generator) -> Audio:
    buffer, rate = io.BytesIO(), v["features"].sample_rate_hz
    # libsndfile counts Opus' bit rate from 256 (level 0) to 6 kbit/s (level 1)
    level = float(np.clip((256_000 - v["bitrate"]) / 250_000, 0, 1))
    coded = min((hz for hz in OPUS_HZ if hz >= rate), default=OPUS_HZ[-1])
    form: Values = {"format": "OGG", "subtype": "OPUS", "compression_level": level}
    soundfile.write(buffer, audio.resample(samples, rate, to_hz=coded), coded, **form)
    buffer.seek(0)
    decoded = audio.resample(soundfile.read(buffer, dtype="float32")[0], coded, to_hz=rate)
    return np.resize(np.pad(decoded, (0, max(0, len(samples) - len(decoded)))), len(samples))


def _reverb(samples: Audio, v: Values, rng: np.random.Generator) -> Audio:
    level, result = _dbfs(samples), samples.astype(np.float64)
    per_ms = v["features"].sample_rate_hz / 1000
    decay = 10 ** (-v["decay"] / 20)
    for prime in REVERB_DELAYS:
        delay = max(16, round(v["delay"] * prime / 17 * per_ms))
        if delay < len(result):
            result[delay:] += decay * result[:-delay]
            result *= 1 - decay / 2
    return _to_dbfs(result.astype(np.float32), level)


def _resample(samples: Audio, v: Values, rng: np.random.Generator) -> Audio:
    full = v["features"].sample_rate_hz
    rate = float(np.clip(v["rate"], 1000, full))
    low = audio.resample(audio.resample(samples, full, to_hz=rate), rate, to_hz=full)
    return np.pad(low, (0, max(0, len(samples) - len(low))))[: len(samples)]


def _volume(samples: Audio, v: Values, rng: np.random.Generator) -> Audio:
    return _to_dbfs(samples, v["dbfs"])


def _pitch(x: np.ndarray, v: Values, rng: np.random.Generator) -> np.ndarray:
    bins = np.arange(x.shape[1]) / max(v["pitch"], 0.1)
    return rows_at(x.T, bins).T


def _tempo(x: np.ndarray, v: Values, rng: np.random.Generator) -> np.ndarray:
    factor = max(v["factor"], 0.1)
    if v["max_time"] > 0:
        factor = max(factor, v["features"].seconds(len(x)) / v["max_time"])
    count = max(v["needed"], 1, round(len(x) / factor))
    return rows_at(x, np.linspace(0, len(x) - 1, count))


def _warp(x: np.ndarray, v: Values, rng: np.random.Generator) -> np.ndarray:
    return warp(x, (v["num_t"], v["num_f"]), (v["warp_t"], v["warp_f"]), rng)


def _frequency_mask(x: np.ndarray, v: Values, rng: np.random.Generator) -> np.ndarray:
    return masked(x.T, round(v["n"]), round(v["size"]), rng).T


def _time_mask(x: np.ndarray, v: Values, rng: np.random.Generator) -> np.ndarray:
    features: Features = v["features"]
    per_ms = features.sample_rate_hz / 1000 if x.ndim == 1 else 1 / features.step_ms
    return masked(x, round(v["n"]), max(1, round(v["size"] * per_ms)), rng)


def _dropout(x: np.ndarray, v: Values, rng: np.random.Generator) -> np.ndarray:
    return x * (rng.random(x.shape) >= v["rate"]).astype(np.float32)


def _add(x: np.ndarray, v: Values, rng: np.random.Generator) -> np.ndarray:
    return (x + rng.normal(0, abs(v["stddev"]), x.shape)).astype(np.float32)


def _multiply(x: np.ndarray, v: Values, rng: np.random.Generator) -> np.ndarray:
    return (x * rng.normal(1, abs(v["stddev"]), x.shape)).astype(np.float32)


Change = Callable[[np.ndarray, Values, np.random.Generator], np.ndarray]
CHANGES: dict[str, Change] = {name: globals()[f"_{name}"] for name in KINDS}
