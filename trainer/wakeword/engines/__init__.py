"""Speech engines: a drawn voice is an engine, a voice of it, tempo, pitch, vocal tract length."""

import zlib
from dataclasses import dataclass

import numpy as np

from trainer.audio.io import Audio
from trainer.errors import UserError
from trainer.log import log
from trainer.wakeword.engines import agreement, espeak, flite, programs
from trainer.wakeword.engines.programs import PROGRAMS

# those whose voices are drawn for each of thousands of clips -> their licence
IN_PROCESS = {"espeak": "GPL-3.0 (the program, not its speech)", "flite": "BSD-like (CMU)"}
OTHERS = ("kokoro", "piper")
# flite's voices are made from recordings, espeak-ng's from formulas; English uses both
FLITE_SHARE = 0.4


@dataclass(frozen=True)
class Voice:
    """A drawn voice; `speak` depends on it and the text only."""

    engine: str
    name: str
    tempo: float  # 1 is the engine's default
    pitch: float  # 0 ... 1 of the engine's range
    pitch_range: float  # 0 ... 1
    timbre: float  # factor on all formants

    @property
    def group(self) -> int:
        """Number of the speaker, for splits that keep a speaker on one side."""
        return zlib.crc32(f"{self.engine}/{self.name}".encode()) & 0x7FFFFFFF

    def speak(self, text: str) -> Audio:
        """Synthesize `text` at 16 kHz. Raises UserError."""
        if self.engine == "flite" and "[[" not in text:
            pitch_hz = 80 + 140 * self.pitch
            return flite.speak(text, self.name, 1 / self.tempo, pitch_hz, self.timbre)
        if self.engine in PROGRAMS and "[[" not in text:
            return programs.speak(self.engine, self.name, text, self.tempo, self.pitch)
        name = self.name if self.engine == "espeak" else "en-us+m3"
        rate, timbre = int(165 * self.tempo), self.timbre
        return espeak.speak(
            text, name, rate, int(99 * self.pitch), int(99 * self.pitch_range), timbre
        )


def usable_engines(language: str, wanted: str) -> tuple[str, ...]:
    """In-process engines for `language`; `wanted`: "auto" or a list. Raises UserError."""
    able = ("espeak", "flite") if language.lower() in ("en", "en-us") else ("espeak",)
    if wanted == "auto":
        return able
    names = tuple(name for name in map(str.strip, wanted.split(",")) if name not in ("", *OTHERS))
    for name in names:
        if name in PROGRAMS:
            programs.voices(name, language)
            continue
        if name not in IN_PROCESS:
            there = ", ".join(PROGRAMS)
            raise UserError(
                f"no engine '{name}'; choose from kokoro, espeak, flite (English), piper, and "
                f"those that you install: {there}"
            )
        if name not in able:
            raise UserError(f"engine '{name}' has no voice for '{language}'; use --engine=espeak")
    return names or able


def those_that_agree(engines: tuple[str, ...], phrase: str) -> tuple[str, ...]:
    """Engines that read `phrase` as espeak-ng does; those left out are logged. Raises UserError if
    none is left."""
    if "flite" not in engines or (far := agreement.difference(phrase)) <= agreement.LIMIT:
        return engines
    log.warning(
        f"engine flite is left out: it reads '{phrase}' as [{' '.join(flite.phonemes(phrase))}], "
        f"espeak as [{' '.join(espeak.phonemes(phrase, 'en'))}] ({100 * far:.0f} % of the sounds "
        "differ)"
    )
    rest = tuple(name for name in engines if name != "flite")
    if not rest:
        raise UserError(
            f"no engine is left for '{phrase}': use --engine=espeak, or write it as it is spoken"
        )
    return rest


def usual_voice(engine: str, language: str) -> Voice:
    """An engine's voice at its usual speed and pitch."""
    name = flite.VOICES[0] if engine == "flite" else f"{espeak.accents(language)[0]}+m3"
    if engine in PROGRAMS:
        name = programs.voices(engine, language)[0]
    return Voice(engine, name, 1.0, 0.5, 0.5, 1.0)


def load_engines(engines: tuple[str, ...]) -> None:
    """Load libraries and voices, without synthesis."""
    espeak.variants()
    if "flite" in engines:
        flite.load()


def draw_voice(rng: np.random.Generator, language: str, engines: tuple[str, ...]) -> Voice:
    """A random voice: engine by share, then accent, variant, tempo, pitch and vocal tract."""
    manner = {
        # people are slower than engines
        "tempo": float(np.exp(rng.normal(-0.12, 0.27)).clip(0.5, 1.7)),
        "pitch": float(rng.uniform(0.05, 0.95)),
        "pitch_range": float(rng.uniform(0.2, 0.95)),
        "timbre": float(np.exp(rng.uniform(np.log(0.84), np.log(1.24)))),
    }
    added = [name for name in engines if name in PROGRAMS]
    if added:  # each as often as those of the image together
        number = int(rng.integers(len(added) + (len(added) < len(engines))))
        if number < len(added):
            names = programs.voices(added[number], language)
            return Voice(added[number], str(rng.choice(names)), **manner)
    if "flite" in engines and ("espeak" not in engines or rng.random() < FLITE_SHARE):
        return Voice("flite", str(rng.choice(flite.VOICES, p=(0.3, 0.3, 0.3, 0.1))), **manner)
    accents = espeak.accents(language)
    # the first accents are the most spoken
    accent = accents[min(int(rng.exponential(len(accents) / 3)), len(accents) - 1)]
    return Voice("espeak", f"{accent}+{rng.choice(espeak.variants())}", **manner)
