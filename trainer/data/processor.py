"""Audio to features, and what training changes in both: waveforms, tempo, masks."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from scipy.signal import lfilter

from trainer.audio.io import SAMPLE_RATE_HZ, Audio
from trainer.audio.mfcc import FILTERS, MFCCS, Features, cepstra
from trainer.audio.spec_augment import masked, rows_at
from trainer.errors import UserError
from trainer.serialization import serializable

ANY_LENGTH = 1 << 30


class Augmentation:
    """Base: changes clips of training data. Draws come from `rng` alone."""

    __serializable_base__: ClassVar[bool] = True

    def samples(self, samples: Audio, rng: np.random.Generator) -> Audio:
        """Float32 (n,) -> (m,), 16 kHz."""
        return samples

    def features(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Float32 (frames, bands) -> (frames, bands), where the mean of a band is near 0."""
        return features


@serializable
class SpecAugment(Augmentation):
    """Park et al. 2019: stretches of time and of bands are set to their mean, 0.

    `time_share`: most of a clip that one mask may cover; `bands`: most bands of one mask, a fifth
    of 80.
    """

    time_masks: int = 2
    time_share: float = 0.06
    band_masks: int = 2
    bands: int = 16

    def features(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        longest = int(len(features) * self.time_share)
        for _ in range(self.time_masks):
            features = masked(features, 1, int(rng.integers(0, longest + 1)), rng)
        for _ in range(self.band_masks):
            features = masked(features.T, 1, int(rng.integers(0, self.bands + 1)), rng).T
        return features


@serializable
class Tempo(Augmentation):
    """Slower and faster speech of the same pitch: frames are interpolated. `amount`: 0.15 is 0.85
    to 1.15 times as fast."""

    amount: float = 0.15

    def features(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        count = max(1, round(len(features) * float(np.exp(rng.uniform(-1, 1) * self.amount))))
        return rows_at(features, np.linspace(0, len(features) - 1, count))


@serializable
class VocalTract(Augmentation):
    """Longer and shorter vocal tracts (Jaitly & Hinton 2013): frequencies times 0.85 to 1.17 with
    an `amount` of 0.16. Of log mels."""

    amount: float = 0.16

    def features(self, features: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        scale, bands = float(np.exp(rng.uniform(-1, 1) * self.amount)), features.shape[1]
        centres = np.linspace(_mel(20.0), _mel(SAMPLE_RATE_HZ / 2), bands + 2)[1:-1]
        moved = _mel(700 * np.expm1(centres / 1127) * scale)
        return rows_at(features.T, np.interp(moved, centres, np.arange(bands))).T


def _mel(hertz: Any) -> Any:
    return 1127 * np.log1p(hertz / 700)


@serializable
class Microphone(Augmentation):
    """Another microphone: level, a spectrum that falls or rises, and in half of the clips noise."""

    level_db: float = 8.0
    tilt: float = 0.4
    snr_db: tuple[float, float] = (10.0, 40.0)

    def samples(self, samples: Audio, rng: np.random.Generator) -> Audio:
        changed = lfilter([1.0, rng.uniform(-1, 1) * self.tilt], [1.0], samples)
        if rng.random() < 0.5:
            noise = lfilter([1.0], [1.0, -rng.uniform(0, 0.95)], rng.normal(size=len(samples)))
            power = np.mean(changed**2) / max(np.mean(noise**2), 1e-12)
            changed += noise * np.sqrt(power) * 10 ** (-rng.uniform(*self.snr_db) / 20)
        level = 10 ** (rng.uniform(-1, 1) * self.level_db / 20)
        return np.clip(changed * level, -1, 1).astype(np.float32)


@serializable
class Waveforms(Augmentation):
    """Rooms, noise, equaliser, level and other changes of the waveform: the chain of wake words.

    `rooms`, `noises`: folders of sound files, or None. `share`: of clips that are changed.
    """

    rooms: Path | None = None
    noises: Path | None = None
    share: float = 0.8
    snr_db: tuple[float, float] = (5.0, 30.0)

    def __post_init__(self) -> None:
        self._sounds: dict[Path, Any] = {}

    def samples(self, samples: Audio, rng: np.random.Generator) -> Audio:
        from trainer.audio.augment import Augmenter, Chain

        if rng.random() >= self.share:
            return samples
        low, high = self.snr_db
        chain = Chain(pitch=0.0, level_change=0.0, overdrive=0.0, noise_snr_db=(low, high))
        rooms = self._of(self.rooms) if self.rooms else None
        noises = [self._of(self.noises)] if self.noises else []
        return Augmenter(chain, rooms, noises, len(samples))(samples, 0, rng)

    def _of(self, folder: Path) -> Any:
        if folder not in self._sounds:
            self._sounds[folder] = _Sounds(folder)
        return self._sounds[folder]


class _Sounds:
    """The sound files of a folder in memory."""

    def __init__(self, folder: Path) -> None:
        """Raises UserError."""
        from trainer.audio import io as audio
        from trainer.audio.decode import SUFFIXES

        files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES)
        if not files:
            raise UserError(f"{folder}: holds no audio")
        self._clips = [audio.read(path) for path in files]
        self.index = np.array([(len(clip),) for clip in self._clips], [("length", np.int64)])

    def __len__(self) -> int:
        return len(self._clips)

    def __getitem__(self, i: int) -> Audio:
        return self._clips[i]

    def piece(self, i: int, offset: int, length: int) -> Audio:
        """`length` samples of clip i from `offset`, repeated from its start."""
        return np.take(self._clips[i], np.arange(offset, offset + length), mode="wrap")


@serializable
class AudioProcessor:
    """Audio at 16 kHz to features.

    `features`: `log_mel_N` (N bands in windows of 25 ms, as Kaldi has them: what sherpa-onnx and
    other runtimes compute), `mfcc_26` (of DeepSpeech), or `spectrogram` (161 bins, as Sonosco has
    it). `normalize`: `clip` (mean 0, variance 1 of each band in each clip), or `fixed` (constants:
    needed by what recognises speech while it is spoken). `augment`: for training data only.
    """

    features: str = "log_mel_80"
    normalize: str = "fixed"
    augment: tuple[Augmentation, ...] = ()
    step_ms: int = 10

    def __post_init__(self) -> None:
        kind, _, number = self.features.rpartition("_")
        fine = kind == "log_mel" and number.isdigit() and 8 <= int(number) <= 128
        if not fine and self.features not in (f"mfcc_{MFCCS}", "spectrogram"):
            raise UserError(
                f"features '{self.features}': there are log_mel_N (8 to 128 bands), mfcc_{MFCCS} "
                "and spectrogram"
            )
        if self.normalize not in ("fixed", "clip"):
            raise UserError(f"normalize '{self.normalize}': there are fixed and clip")
        self.augment = tuple(self.augment)
        if not fine and any(isinstance(one, VocalTract) for one in self.augment):
            raise UserError(f"VocalTract changes log_mel_N, not {self.features}")

    @property
    def bands(self) -> int:
        """Values of one frame."""
        return 161 if self.features == "spectrogram" else int(self.features.rpartition("_")[2])

    @property
    def frames_per_second(self) -> float:
        """100 at steps of 10 ms."""
        return 1000 / self.step_ms

    @cached_property
    def constants(self) -> tuple[float, float]:
        """(mean, deviation) of all bands with `fixed`: of speech at usual levels."""
        return {"log": (-8.0, 4.0), "mfcc": (0.0, 2.0), "spectrogram": (1.0, 1.0)}[
            self.features.split("_")[0]
        ]

    def __call__(
        self,
        samples: Audio,
        rng: np.random.Generator | None = None,
        limits: tuple[int, int] = (1, ANY_LENGTH),
    ) -> np.ndarray:
        """Float32 (n,) at 16 kHz -> float32 (frames, bands); with `rng` augmented, where that keeps
        the number of frames within `limits`."""
        if rng is not None:
            for one in self.augment:
                samples = one.samples(samples, rng)
        found = self._normalized(self._raw(samples))
        if rng is None:
            return found
        for one in self.augment:
            changed = one.features(found, rng)
            if limits[0] <= len(changed) <= limits[1]:
                found = changed
        return np.asarray(found, np.float32)

    def _raw(self, samples: Audio) -> np.ndarray:
        if self.features.startswith("log_mel"):
            return self._log_mels(samples)
        if self.features == "spectrogram":
            window, step = SAMPLE_RATE_HZ // 50, SAMPLE_RATE_HZ * self.step_ms // 1000
            wide = np.pad(samples, (0, max(0, window - len(samples))))
            parts = np.lib.stride_tricks.sliding_window_view(wide, window)[::step]
            return np.log1p(np.abs(np.fft.rfft(parts * np.hamming(window)))).astype(np.float32)
        features = Features(sample_rate_hz=SAMPLE_RATE_HZ, window_ms=32, step_ms=self.step_ms)
        mels = features.log_mels(features.padded(samples))
        assert mels.shape[1] == FILTERS
        return cepstra(mels)

    def _log_mels(self, samples: Audio) -> np.ndarray:
        import kaldi_native_fbank as kaldi

        options = kaldi.FbankOptions()
        options.frame_opts.dither = 0.0
        options.frame_opts.snip_edges = False
        options.frame_opts.frame_shift_ms = self.step_ms
        options.mel_opts.num_bins = self.bands
        options.mel_opts.high_freq = -400.0  # as sherpa-onnx and icefall
        computer = kaldi.OnlineFbank(options)
        computer.accept_waveform(SAMPLE_RATE_HZ, samples.tolist())
        computer.input_finished()
        count = computer.num_frames_ready
        found = np.empty((count, self.bands), np.float32)
        for i in range(count):
            found[i] = computer.get_frame(i)
        return found

    def _normalized(self, features: np.ndarray) -> np.ndarray:
        if self.normalize == "clip":
            return (features - features.mean(0)) / (features.std(0) + 1e-3)
        mean, deviation = self.constants
        return (features - np.float32(mean)) / np.float32(deviation)


def stacked(clips: Sequence[np.ndarray], frames: int) -> np.ndarray:
    """Clips (frames, bands) -> (clips, `frames`, bands), zeros behind their ends."""
    found = np.zeros((len(clips), frames, clips[0].shape[1]), np.float32)
    for row, clip in enumerate(clips):
        found[row, : len(clip)] = clip
    return found
