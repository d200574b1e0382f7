"""espeak-ng in this process, by its C library (1.51): 600 clips a second and core.

It also synthesizes phonemes written `[[...]]`, which make confusables in any language. Chinese
characters are given to it as pinyin: its own dictionary lacks most of them.
"""

import ctypes
import itertools
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from trainer.audio.io import Audio, resample
from trainer.errors import UserError
from trainer.text.characters import scripts

_SYNCHRONOUS, _UTF8, _PHONEMES, _CHARS_UTF8 = 2, 1, 0x100, 1
_IPA, _TIED = 0x02, 0x80
_RATE, _PITCH, _RANGE = 1, 3, 4
_SEPARATOR = "_"
_DATA = (
    "/usr/lib/x86_64-linux-gnu/espeak-ng-data",
    "/usr/lib/aarch64-linux-gnu/espeak-ng-data",
    "/usr/share/espeak-ng-data",
)

_CALLBACK = ctypes.CFUNCTYPE(
    ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p
)
# accents of one language with nearly the same pronunciation
ACCENTS = {
    "en": tuple(
        "en-us en en-gb-scotland en-gb-x-gbclan en-gb-x-rp en-gb-x-gbcwmd en-029 en-us-nyc".split()
    ),
    "es": ("es", "es-419"),
    "fr": ("fr", "fr-be", "fr-ch"),
    "pt": ("pt", "pt-br"),
    "vi": ("vi", "vi-vn-x-central", "vi-vn-x-south"),
    "cmn": ("cmn-latn-pinyin",),
}

# codes of languages whose file has a shorter name, and other names of languages
_FILES = {f"{code}-{code}": code for code in "fr es pt de nl it".split()} | {"en-gb": "en"}
_NAMES = {"zh": "cmn", "zh-cn": "cmn", "no": "nb", "iw": "he", "in": "id"}
_SWITCH = re.compile(r"\(([a-z]{2,3})[^()]*\)")  # "(en)": what follows is read in another language


@cache
def _library() -> tuple[ctypes.CDLL, float, list[np.ndarray]]:
    """The initialised library, its sample rate in Hz, and the list its callback fills."""
    try:
        library = ctypes.CDLL("libespeak-ng.so.1")
    except OSError as error:
        raise UserError(
            "espeak-ng is not installed: the image has it (Debian: apt-get install espeak-ng)"
        ) from error
    rate = library.espeak_Initialize(_SYNCHRONOUS, 0, None, 0)
    if rate <= 0:
        raise UserError("espeak-ng does not start: its data folder is missing")
    # breath comes from C's rand(), which other libraries may have called before
    ctypes.CDLL(None).srand(1)
    parts: list[np.ndarray] = []

    @_CALLBACK
    def receive(samples: Any, count: int, events: int) -> int:
        if count > 0:
            parts.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    library.espeak_SetSynthCallback(receive)
    library.kept = receive  # type: ignore[attr-defined]  # must outlive the calls
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    pointer, number, unsigned = ctypes.c_void_p, ctypes.c_int, ctypes.c_uint
    library.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_char_p), number, number]
    size, text = ctypes.c_size_t, ctypes.c_char_p
    last = unsigned, unsigned, pointer, pointer
    library.espeak_Synth.argtypes = [text, size, unsigned, number, *last]
    return library, float(rate), parts


@cache
def variants() -> tuple[str, ...]:
    """Names of the voice variants that the installation brings (m1, f3, Andy, ...)."""
    for folder in _DATA:
        found = Path(folder) / "voices" / "!v"
        if found.is_dir():
            # no whispers and robots; rob crashes at some phonemes (1.51)
            odd = re.compile(
                r"whisper|robo|zac|demonic|antonio|caleb|iven|storm|victor|travis|^rob$", re.I
            )
            library = _library()[0]
            names = sorted(p.name for p in found.iterdir() if not odd.search(p.name))
            return tuple(
                n for n in names if library.espeak_SetVoiceByName(f"en-us+{n}".encode()) == 0
            )
    return ("m1", "m3", "f1", "f2")


def accents(language: str) -> tuple[str, ...]:
    """espeak-ng voices for a language code."""
    code = _NAMES.get(language.lower(), language.lower())
    return ACCENTS.get(code, (_FILES.get(code, code),))


class _VoiceInfo(ctypes.Structure):
    """The first fields of espeak_VOICE; `languages`: a byte of priority, then the code."""

    _fields_ = [("name", ctypes.c_char_p), ("languages", ctypes.c_char_p)]


@cache
def languages() -> tuple[str, ...]:
    """Codes of all its languages and accents, sorted."""
    library, _, _ = _library()
    library.espeak_ListVoices.restype = ctypes.POINTER(ctypes.POINTER(_VoiceInfo))
    voices = library.espeak_ListVoices(None)  # ends with a null pointer
    listed = itertools.takewhile(bool, (voices[i] for i in itertools.count()))
    found = {voice.contents.languages[1:].decode() for voice in listed}
    return tuple(sorted(found - {"variant"}))


def set_voice(name: str) -> None:
    """Choose a voice, `language` or `language+variant`. Raises UserError when there is none."""
    library, _, _ = _library()
    if library.espeak_SetVoiceByName(name.encode()) != 0:
        base = name.split("-", maxsplit=1)[0]
        near = [code for code in languages() if code.split("-", maxsplit=1)[0] == base]
        there = f"for '{base}' there are" if near else "there are"
        listed = ", ".join(near or languages())
        raise UserError(f"espeak-ng has no voice '{name}'; {there}: {listed}")


def readable(text: str, voice: str) -> str:
    """`text` as the voice can read it."""
    if not voice.startswith("cmn-latn-pinyin") or "Hani" not in scripts(text):
        return text
    from pypinyin import Style, lazy_pinyin

    return " ".join(lazy_pinyin(text, style=Style.TONE3, neutral_tone_with_five=True))


def speak(
    text: str, voice: str, words_per_minute: int, pitch: int, pitch_range: int, timbre: float
) -> Audio:
    """Synthesize `text`; `[[...]]` are phonemes. `timbre` > 1: a shorter vocal tract."""
    library, rate_hz, parts = _library()
    set_voice(voice)
    library.espeak_SetParameter(_RATE, int(words_per_minute / timbre), 0)
    library.espeak_SetParameter(_PITCH, pitch, 0)
    library.espeak_SetParameter(_RANGE, pitch_range, 0)
    parts.clear()
    data = readable(text, voice).encode()
    library.espeak_Synth(data, len(data) + 1, 0, 1, 0, _CHARS_UTF8 | _PHONEMES, None, None)
    if not parts:
        return np.zeros(0, np.float32)
    return resample(np.concatenate(parts).astype(np.float32) / 32768, rate_hz * timbre, "MQ")


def _mnemonics(word: str, voice: str) -> str:
    """Phoneme mnemonics of a word, separated by "_"."""
    parts = _transcribed(word, voice, ord(_SEPARATOR) << 8)
    return _SEPARATOR.join(part.replace(" ", _SEPARATOR) for part in parts)


def ipa(text: str, voice: str) -> str:
    """`text` in the International Phonetic Alphabet; symbols of one sound are tied by "^"."""
    found = " ".join(_transcribed(text, voice, _IPA | _TIED | ord("^") << 8))
    return re.sub(r"\([a-z^-]+\)", "", found)  # switches to another language


def _transcribed(text: str, voice: str, mode: int) -> list[str]:
    """The clauses of a text in espeak-ng's notation `mode`."""
    library, _, _ = _library()
    set_voice(voice)
    pointer, parts = ctypes.c_char_p(readable(text, voice).encode()), []
    while pointer.value:
        found = library.espeak_TextToPhonemes(ctypes.byref(pointer), _UTF8, mode)
        parts.append((found or b"").decode())
    return parts


def phonemes(text: str, language: str) -> list[str]:
    """Phoneme mnemonics of `text`, words separated by "|"; empty if it has no pronunciation."""
    voice, joined, words = accents(language)[0], [], text.split()
    for i, word in enumerate(words):
        found = _SWITCH.sub("", _mnemonics(word, voice)).split(_SEPARATOR)
        joined += ["|"] * bool(i) + [p for p in found if p.strip("',%=:|")]
    return joined if set(joined) - {"|"} else []


def read_in(text: str, language: str) -> str:
    """The first other language in which espeak-ng reads a part of `text`; empty if none."""
    voice = accents(language)[0]
    codes = (code for word in text.split() for code in _SWITCH.findall(_mnemonics(word, voice)))
    return next((code for code in codes if code != voice.split("-", maxsplit=1)[0]), "")


def spell(mnemonics: Sequence[str]) -> str:
    """Phoneme mnemonics -> text that `speak` says."""
    return (
        "[["
        + "".join(" " if p == "|" else p + "|" for p in mnemonics).replace("| ", " ").rstrip("|")
        + "]]"
    )
