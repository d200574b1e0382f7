"""espeak-ng in this process, by its C library (1.51): every accent and variant, 600 words a second and core.

Besides text it speaks phonemes written `[[...]]`, which is how near misses are made in any language.
"""

from __future__ import annotations

import ctypes
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from trainer.audio import Audio, resample

_SYNCHRONOUS, _UTF8, _PHONEMES, _CHARS_UTF8 = 2, 1, 0x100, 1
_RATE, _PITCH, _RANGE = 1, 3, 4
_SEPARATOR = "_"
_DATA = ("/usr/lib/x86_64-linux-gnu/espeak-ng-data", "/usr/lib/aarch64-linux-gnu/espeak-ng-data",
         "/usr/share/espeak-ng-data")

_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
# accents of one language whose speakers say the same words the same way, near enough
ACCENTS = {"en": ("en-us", "en", "en-gb-scotland", "en-gb-x-gbclan", "en-gb-x-rp", "en-gb-x-gbcwmd", "en-029",
                  "en-us-nyc"),
           "es": ("es", "es-419"), "fr": ("fr", "fr-be", "fr-ch"), "pt": ("pt", "pt-br"),
           "vi": ("vi", "vi-vn-x-central", "vi-vn-x-south")}

_FILES = {"en-gb": "en", "fr-fr": "fr", "es-es": "es", "pt-pt": "pt", "de-de": "de", "nl-nl": "nl", "it-it": "it"}


class EngineError(Exception):
    """The engine is not there or cannot say this; one line."""


@cache
def _library() -> tuple[ctypes.CDLL, float, list[np.ndarray]]:
    """The initialised library, its sample rate in Hz, and the list its callback fills."""
    try:
        library = ctypes.CDLL("libespeak-ng.so.1")
    except OSError as error:
        raise EngineError("espeak-ng is not installed: the image brings it (Debian: apt-get install espeak-ng)") from error
    rate = library.espeak_Initialize(_SYNCHRONOUS, 0, None, 0)
    if rate <= 0:
        raise EngineError("espeak-ng does not start: its data folder is missing")
    ctypes.CDLL(None).srand(1)  # breath comes from C's rand(), which other libraries may have called before
    parts: list[np.ndarray] = []

    @_CALLBACK
    def receive(samples: Any, count: int, events: int) -> int:
        if count > 0:
            parts.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    library.espeak_SetSynthCallback(receive)
    library.kept = receive  # type: ignore[attr-defined]  # the library calls it for as long as it lives
    library.espeak_TextToPhonemes.restype = ctypes.c_char_p
    library.espeak_TextToPhonemes.argtypes = [ctypes.POINTER(ctypes.c_char_p), ctypes.c_int, ctypes.c_int]
    library.espeak_Synth.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint, ctypes.c_int, ctypes.c_uint,
                                     ctypes.c_uint, ctypes.c_void_p, ctypes.c_void_p]
    return library, float(rate), parts


@cache
def variants() -> tuple[str, ...]:
    """Names of the voice variants that the installation brings (m1, f3, Andy, ...)."""
    for folder in _DATA:
        found = Path(folder) / "voices" / "!v"
        if found.is_dir():
            # whispers and robots are no voices that people have; rob crashes at some phonemes (1.51)
            odd = re.compile(r"whisper|robo|zac|demonic|antonio|caleb|iven|storm|victor|travis|^rob$", re.I)
            library = _library()[0]
            names = sorted(p.name for p in found.iterdir() if not odd.search(p.name))
            return tuple(n for n in names if library.espeak_SetVoiceByName(f"en-us+{n}".encode()) == 0)
    return ("m1", "m3", "f1", "f2")


def accents(language: str) -> tuple[str, ...]:
    """espeak-ng voices for a language code."""
    return ACCENTS.get(language, (_FILES.get(language.lower(), language.lower()),))


def set_voice(name: str) -> None:
    """Choose a voice, `language` or `language+variant`. Raises EngineError when there is none."""
    library, _, _ = _library()
    if library.espeak_SetVoiceByName(name.encode()) != 0:
        raise EngineError(f"espeak-ng has no voice '{name}'; `espeak-ng --voices` lists them")


def speak(text: str, voice: str, words_per_minute: int, pitch: int, pitch_range: int, timbre: float) -> Audio:
    """Say `text`; `[[...]]` are phonemes. `timbre` > 1 raises all formants (a smaller head) at the same tempo."""
    library, rate_hz, parts = _library()
    set_voice(voice)
    library.espeak_SetParameter(_RATE, int(words_per_minute / timbre), 0)
    library.espeak_SetParameter(_PITCH, pitch, 0)
    library.espeak_SetParameter(_RANGE, pitch_range, 0)
    parts.clear()
    data = text.encode()
    library.espeak_Synth(data, len(data) + 1, 0, 1, 0, _CHARS_UTF8 | _PHONEMES, None, None)
    if not parts:
        return np.zeros(0, np.float32)
    return resample(np.concatenate(parts).astype(np.float32) / 32768, rate_hz * timbre, "MQ")


def phonemes(text: str, language: str) -> list[str]:
    """The phoneme mnemonics of `text`, words separated by "|". Empty when the language cannot pronounce it."""
    library, _, _ = _library()
    set_voice(accents(language)[0])
    words = []
    for word in text.split():
        pointer = ctypes.c_char_p(word.encode())
        found = []
        while pointer.value:
            said = library.espeak_TextToPhonemes(ctypes.byref(pointer), _UTF8, ord(_SEPARATOR) << 8)
            found += [p for p in (said or b"").decode().replace(" ", _SEPARATOR).split(_SEPARATOR) if p.strip("',%=:|(")]
        words.append(found)
    joined: list[str] = []
    for i, found in enumerate(words):
        joined += (["|"] if i else []) + found
    return joined if any(words) else []


def spell(mnemonics: Sequence[str]) -> str:
    """Phoneme mnemonics -> text that `speak` says."""
    return "[[" + "".join(" " if p == "|" else p + "|" for p in mnemonics).replace("| ", " ").rstrip("|") + "]]"
