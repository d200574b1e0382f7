"""Held-out commands as recordings: of the user, and synthesized by the engines that are here."""

import hashlib
import random
import shutil
import tempfile
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainer.audio import io as audio
from trainer.audio.decode import AudioError
from trainer.audio.io import SAMPLE_RATE_HZ, Audio
from trainer.corpora.utterance import Utterance
from trainer.errors import UserError
from trainer.programs import run
from trainer.rejected import Rejected
from trainer.spoken_code.material import commands
from trainer.store import Row, audio_row

FEWEST_WORDS, MOST_WORDS = 2, 12
AT_ONCE = 20
PAUSE = int(0.3 * SAMPLE_RATE_HZ)  # before and after
VOICES = (
    *(("flite", voice) for voice in ("slt", "rms", "awb")),
    *(("espeak-ng", voice) for voice in ("en-us", "en-gb")),
    *(("pico2wave", voice) for voice in ("en-US", "en-GB")),
)
SHORTEST_UNKNOWN = 4
COMMANDS = "commands.json"


@dataclass(frozen=True)
class Command:
    """A command to measure on, its family, and the voice or file."""

    family: str
    text: str
    voice: str


def voices() -> list[tuple[str, str]]:
    """(program, voice) of those installed here."""
    return [one for one in VOICES if shutil.which(one[0])]


def drawn(path: Path, count: int, seed: int) -> list[Command]:
    """Commands of a corpus' split, of all families as they come, each text once, by all voices."""
    found: dict[str, str] = {}
    for family, text in commands(path):
        if FEWEST_WORDS <= text.count(" ") + 1 <= MOST_WORDS and family != "filler":
            found.setdefault(text, family)
    order = sorted(found, key=lambda text: hashlib.sha256(f"{seed} {text}".encode()).digest())
    spoken = voices()
    return [
        Command(found[text], text, " ".join(spoken[n % len(spoken)]))
        for n, text in enumerate(order[:count])
        if spoken
    ]


def with_unknown(
    path: Path, known: Collection[str], count: int, seed: int
) -> list[tuple[Command, str]]:
    """Commands with just one word outside the lexicon, and this word; each word once."""
    found: dict[str, tuple[str, str]] = {}
    for family, text in commands(path):
        unknown = [word for word in text.split() if word not in known]
        usual = FEWEST_WORDS <= text.count(" ") + 1 <= MOST_WORDS
        if usual and len(unknown) == 1 and len(unknown[0]) >= SHORTEST_UNKNOWN:
            found.setdefault(unknown[0], (family, text))
    order = sorted(found, key=lambda word: hashlib.sha256(f"{seed} {word}".encode()).digest())
    spoken = voices()
    return [
        (Command(*found[word], " ".join(spoken[n % len(spoken)])), word)
        for n, word in enumerate(order[:count])
        if spoken
    ]


@dataclass(frozen=True)
class SpeakPlan:
    """Commands to synthesize."""

    commands: tuple[Command, ...]
    seed: int


def chunks(plan: SpeakPlan) -> int:
    """Of `speak_chunk`."""
    return -(-len(plan.commands) // AT_ONCE)


def speak_chunk(plan: SpeakPlan, chunk: int) -> Iterator[Row | Rejected]:
    """Clips of some commands, `group`: their number."""
    for number in range(chunk * AT_ONCE, min((chunk + 1) * AT_ONCE, len(plan.commands))):
        one = plan.commands[number]
        rng = random.Random(f"{plan.seed} {number}")
        program, _, voice = one.voice.partition(" ")
        yield audio_row(_noisy(speak(program, voice, one.text), rng), number)


def speak(program: str, voice: str, text: str) -> Audio:
    """At 16 kHz, with a pause before and after."""
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "clip.wav"
        if program == "flite":
            command = ["flite", "-voice", voice, "-t", text, "-o", str(made)]
        elif program == "espeak-ng":
            command = ["espeak-ng", "-v", voice, "-s", "150", "-w", str(made), text]
        else:
            command = ["pico2wave", "-l", voice, "-w", str(made), text]
        run(command, timeout_seconds=60)
        samples = audio.read(made)
    return np.pad(samples, PAUSE)


def _noisy(samples: Audio, rng: random.Random) -> Audio:
    """Faint noise: decoders normalise by silence, and digital silence has none."""
    noise = np.random.default_rng(rng.getrandbits(32)).normal(0, 1e-3, len(samples))
    return (samples + noise).astype(np.float32)


def recorded(utterances: Sequence[Utterance]) -> list[tuple[Command, np.ndarray]]:
    """The user's recordings, as int16 at 16 kHz. Raises UserError for one that cannot be read."""
    found = []
    for one in utterances:
        try:
            samples = audio.read(Path(one.path), one.start, one.end, one.channel)
        except AudioError as error:
            raise UserError(f"TEST_FILES: {one.path}: {error}") from error
        text = " ".join(one.transcript.lower().split())
        found.append((Command("recorded", text, one.path), audio.to_int16(samples)))
    return found
