"""Engines that a user may add to the image: programs of Debian, a process a clip.

    FROM voicekiln/wakeword
    USER root
    RUN apt-get update && apt-get install -y rhvoice rhvoice-english

They speak only where they are named: --engine=espeak,flite,rhvoice. Several of their voices may not
be sold or changed.
"""

import re
import shutil
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from trainer.audio import io as audio
from trainer.audio.io import Audio
from trainer.errors import UserError
from trainer.programs import run


@dataclass(frozen=True)
class Program:
    """`packages`: what to install from Debian; `licence`: of voices, for the report."""

    name: str
    packages: str
    licence: str


PROGRAMS = {
    "rhvoice": Program(
        "RHVoice-test",
        "rhvoice and rhvoice-<language>",
        "by voice, several CC BY-NC-ND: /usr/share/doc/rhvoice-<language>/copyright",
    ),
    "pico": Program("pico2wave", "libttspico-utils (non-free)", "Apache-2.0"),
    "mbrola": Program(
        "mbrola",
        "espeak-ng, mbrola and mbrola-<voice> (non-free)",
        "not for sale: /usr/share/doc/mbrola-<voice>/copyright",
    ),
}
RHVOICE, MBROLA = Path("/usr/share/RHVoice/voices"), Path("/usr/share/mbrola")
_PICO = ("en-US", "en-GB", "de-DE", "es-ES", "fr-FR", "it-IT")
_RHVOICE = {
    "Albanian": "sq", "Brazilian-Portuguese": "pt", "Croatian": "hr", "Czech": "cs",
    "English": "en", "Esperanto": "eo", "Georgian": "ka", "Kyrgyz": "ky", "Macedonian": "mk",
    "Polish": "pl", "Russian": "ru", "Serbian": "sr", "Slovak": "sk", "Spanish": "es",
    "Tatar": "tt", "Ukrainian": "uk", "Uzbek": "uz", "Vietnamese": "vi",
}  # fmt: skip
_MBROLA = {"us": "en", "br": "pt", "cr": "hr", "cz": "cs", "gr": "el", "sw": "sv", "ee": "et"}
_LANGUAGE = re.compile(r"^language=(.+)$", re.MULTILINE)


@cache
def voices(engine: str, language: str) -> tuple[str, ...]:
    """Names of an engine's voices for a language. Raises UserError where there are none."""
    program = PROGRAMS[engine]
    base = language.lower().partition("-")[0]
    if shutil.which(program.name) is None:
        raise UserError(
            f"engine '{engine}' is not installed: build an image FROM voicekiln/wakeword with "
            f"Debian's {program.packages}"
        )
    found = {"rhvoice": _of_rhvoice, "pico": _of_pico, "mbrola": _of_mbrola}[engine](base)
    if not found:
        raise UserError(
            f"engine '{engine}' has no voice for '{language}' here: install {program.packages}"
        )
    return tuple(sorted(found))


def _of_rhvoice(language: str) -> list[str]:
    found = []
    for path in RHVOICE.glob("*/voice.info"):
        spoken = _LANGUAGE.search(path.read_text(encoding="utf-8", errors="replace"))
        if spoken and _RHVOICE.get(spoken[1].strip()) == language:
            found.append(path.parent.name)
    return found


def _of_pico(language: str) -> list[str]:
    return [name for name in _PICO if name.startswith(language)]


def _of_mbrola(language: str) -> list[str]:
    names = [path.name for path in MBROLA.glob("*") if (path / path.name).exists()]
    return [name for name in names if _MBROLA.get(name[:2], name[:2]) == language]


def speak(engine: str, voice: str, text: str, tempo: float, pitch: float) -> Audio:
    """`text` at 16 kHz; `tempo`: 1 is usual; `pitch`: 0 ... 1 of the engine's range."""
    with tempfile.TemporaryDirectory() as folder:
        given, made = Path(folder) / "text.txt", Path(folder) / "clip.wav"
        given.write_text(text + "\n", encoding="utf-8")
        if engine == "rhvoice":
            rate, tone = round(100 * tempo), round(75 + 60 * pitch)
            command = ["RHVoice-test", "-p", voice, "-r", str(rate), "-t", str(tone)]
            command += ["-i", str(given), "-o", str(made)]
        elif engine == "pico":
            rate, tone = round(100 * tempo), round(70 + 70 * pitch)
            plain = text.replace("<", " ").replace("&", " ")
            marked = f'<speed level="{rate}"><pitch level="{tone}">{plain}</pitch></speed>'
            command = ["pico2wave", "-l", voice, "-w", str(made), marked]
        else:
            manner = ["-s", str(int(165 * tempo)), "-p", str(int(99 * pitch))]
            command = ["espeak-ng", "-v", f"mb-{voice}", *manner, "-w", str(made), "-f", str(given)]
        run(command, timeout_seconds=60)
        return audio.read(made) if made.exists() else np.zeros(0, np.float32)
