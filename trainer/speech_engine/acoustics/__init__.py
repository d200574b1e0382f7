"""Acoustic models that an engine is built on: what each can pronounce, and how it is recognised."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

import numpy as np

from trainer.errors import UserError
from trainer.speech_engine.lexicon import Lexicon

TAKE_HINTS = ("pocketsphinx", "letters")  # kinds of acoustic models; graphs of others are fixed


@dataclass(frozen=True)
class Alternative:
    """What may have been said. Costs are natural logarithms, lower is better; `lm`: of the last
    language model; `confidence`: 0 to 1, among the alternatives."""

    text: str
    cost: float
    acoustic: float
    lm: float
    confidence: float


class Recognizer(Protocol):
    """A loaded engine."""

    def alternatives(self, samples: np.ndarray, count: int) -> list[Alternative]:
        """Of int16 samples at 16 kHz: at most `count`, the best first; none for silence."""
        ...


@runtime_checkable
class AlongRecognizer(Recognizer, Protocol):
    """One that searches while an utterance is spoken."""

    def alternatives_along(self, parts: Iterable[bytes], count: int) -> list[Alternative]:
        """Of 16-bit samples at 16 kHz, in parts as they come."""
        ...


def along(recognizer: Recognizer, parts: Iterable[bytes], count: int) -> list[Alternative]:
    """Of parts of an utterance: searched as they come, where the recognizer can."""
    if isinstance(recognizer, AlongRecognizer):
        return recognizer.alternatives_along(parts, count)
    return recognizer.alternatives(np.frombuffer(b"".join(parts), "<i2"), count)


@dataclass(frozen=True)
class Acoustics:
    """`kind`: the module of this package; `place`: files of the user's model; `units`: phones or
    letters; `dictionary`: what it can pronounce (empty for letters); `key`: of its files."""

    kind: str
    place: Path | None
    units: tuple[str, ...]
    dictionary: Lexicon
    key: str
    licence: str

    @property
    def takes_hints(self) -> bool:
        """Whether words can be added at run time."""
        return self.kind in TAKE_HINTS

    @property
    def spells(self) -> bool:
        """Whether its units are letters, so that words need no pronunciation."""
        return not self.dictionary


def confidences(costs: Sequence[float], scale: float) -> list[float]:
    """Posteriors among alternatives with these costs, flattened by `scale`."""
    if not costs:
        return []
    weights = np.exp((min(costs) - np.array(costs)) / scale)
    return [float(w) for w in weights / weights.sum()]


def find(given: str) -> Acoustics:
    """The acoustic model of a setting. Raises UserError."""
    from trainer.speech_engine.acoustics import pocketsphinx

    if given in ("", "pocketsphinx"):
        return pocketsphinx.acoustics()
    place = Path(given)
    if not place.is_dir():
        raise UserError(f"ACOUSTIC_MODEL: {given}: neither pocketsphinx nor a folder")
    readers = _readers()
    for files, read in readers:
        if all(any(place.glob(name)) for name in files):
            return read(place)
    wanted = "; or ".join(
        ", ".join(name.removeprefix("**/") for name in files) for files, _ in readers
    )
    raise UserError(f"ACOUSTIC_MODEL: {given}: holds none of: {wanted}")


def _readers() -> list[tuple[tuple[str, ...], Callable[[Path], Acoustics]]]:
    from trainer.speech_engine.acoustics.kaldi import acoustics as of_kaldi
    from trainer.speech_engine.acoustics.letters import acoustics as of_letters
    from trainer.speech_engine.acoustics.onnx import acoustics as of_onnx

    return [
        (("*_float.tflite", "alphabet.txt"), of_letters),
        (("model.onnx", "tokens.txt"), of_onnx),
        (("**/final.mdl", "**/tree", "**/phones.txt"), of_kaldi),
    ]
