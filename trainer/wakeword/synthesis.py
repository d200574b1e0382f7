"""Synthesized clips: the phrase, confusable phrases, other speech; and generated sounds and rooms.

Every clip is a function of (seed, its number): the voice is drawn for each clip, so twenty thousand
clips use all voices.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from trainer import store
from trainer.audio.io import SAMPLE_RATE_HZ, Audio, read, speech_bounds
from trainer.audio.noise import noise_clip, room_response
from trainer.errors import UserError
from trainer.store import Row, audio_row
from trainer.wakeword import phrases
from trainer.wakeword.engines import draw_voice, load_engines, piper
from trainer.workers import Workers

CHUNK = 100
KINDS = {"phrase": 0, "confusable": 1, "speech": 2}
PIPER_TENTHS = 7
MAX_PHRASE_SECONDS = 2.0
# languages of other speech: sounds that the phrase's own language may lack
OTHER_LANGUAGES = "en de fr es it nl pl pt ru tr hi ar cs sv fi hu ro el id uk".split()


@dataclass(frozen=True)
class SpeechPlan:
    """Speech to synthesize: `kind` is one of KINDS; `count` clips in chunks of CHUNK."""

    kind: str
    phrase: str
    language: str
    engines: tuple[str, ...]
    count: int
    seed: int
    piper: str = ""  # key of Piper's model, if it synthesizes PIPER_TENTHS of the clips
    rendered: str = ""  # folder of its clips

    def warm_up(self) -> None:
        """Load engines and word lists, without synthesis: that would change the clips after it."""
        languages = (self.language, *OTHER_LANGUAGES) if self.kind == "speech" else (self.language,)
        phrases.load_words(
            languages, confusables_of=self.phrase if self.kind == "confusable" else ""
        )
        load_engines(self.engines)


def is_pipers(plan: SpeechPlan, number: int) -> bool:
    """Whether clip `number` is Piper's."""
    return bool(plan.piper) and number % 10 < PIPER_TENTHS


def piper_texts(plan: SpeechPlan) -> list[tuple[int, str]]:
    """(number, text) of Piper's clips: plain words only."""
    found = []
    for number in filter(lambda n: is_pipers(plan, n), range(plan.count)):
        rng = np.random.default_rng([plan.seed, 3 + KINDS[plan.kind], number])
        text = _text(plan, plan.language, rng)
        while "[[" in text:
            text = _text(plan, plan.language, rng)
        found.append((number, text))
    return found


def build(
    plan: SpeechPlan,
    voice: piper.Model | None,
    data_dir: Path,
    batch_size: int,
    workers: Workers,
    out: Path,
) -> None:
    """A store of the plan's clips in `out`; Piper's part is rendered first, in its own process."""
    rendered = replace(plan, rendered=str(out / "piper"))
    if voice:
        python = piper.environment(data_dir, voice)
        texts = piper_texts(plan)
        piper.render(python, voice, texts, out / "piper", batch_size, plan.seed)
    # speech engines remember past calls (phases, random numbers): a fresh process a chunk, or an
    # interrupted run would differ from an unbroken one
    chunks, label = -(-plan.count // CHUNK), f"synthesizing ({plan.kind})"
    store.build(out, speech_chunk, rendered, chunks, label, workers, fresh=True)
    shutil.rmtree(out / "piper", ignore_errors=True)


def speech_chunk(plan: SpeechPlan, chunk: int) -> Iterator[Row]:
    """One chunk of a SpeechPlan: trimmed clips; `mark` is the end of the speech."""
    for number in range(chunk * CHUNK, min((chunk + 1) * CHUNK, plan.count)):
        samples, group = speak_one(plan, number)
        yield audio_row(samples, group, len(samples))


def speak_one(plan: SpeechPlan, number: int) -> tuple[Audio, int]:
    """Clip `number` of a plan and its speaker; without sound, text and voice are drawn again."""
    rng = np.random.default_rng([plan.seed, KINDS[plan.kind], number])
    if is_pipers(plan, number):
        samples = read(Path(plan.rendered) / f"{number:07d}.wav")
        bounds = speech_bounds(samples)
        if bounds is not None and 0.15 <= (bounds[1] - bounds[0]) / SAMPLE_RATE_HZ <= 20:
            return samples[bounds[0] : bounds[1]], number
    for _ in range(20):
        language, engines = plan.language, plan.engines
        if plan.kind == "speech" and rng.random() < 0.4:
            language, engines = str(rng.choice(OTHER_LANGUAGES)), ("espeak",)
        voice = draw_voice(rng, language, engines)
        samples = voice.speak(_text(plan, language, rng))
        bounds = speech_bounds(samples)
        longest = MAX_PHRASE_SECONDS if plan.kind == "phrase" else 20.0
        if bounds is not None and 0.15 <= (bounds[1] - bounds[0]) / SAMPLE_RATE_HZ <= longest:
            return samples[bounds[0] : bounds[1]], voice.group
    raise UserError(
        f"no engine could synthesize '{plan.phrase}' in '{plan.language}' in 0.15 to "
        f"{MAX_PHRASE_SECONDS:g} s"
    )


def _text(plan: SpeechPlan, language: str, rng: np.random.Generator) -> str:
    if plan.kind == "phrase":
        return plan.phrase + str(
            rng.choice(["", ".", "!", "?", ","], p=[0.2, 0.4, 0.15, 0.15, 0.1])
        )
    if plan.kind == "confusable":
        return phrases.confusable(rng, plan.phrase, language)
    avoid = frozenset(plan.phrase.lower().split())
    return phrases.sentence(rng, language, avoid)


@dataclass(frozen=True)
class SoundPlan:
    """`count` generated sounds: "room" (impulse responses) or "noise" (8 s each)."""

    kind: str
    count: int
    seed: int


def sound_chunk(plan: SoundPlan, chunk: int) -> Iterator[Row]:
    """One chunk of a SoundPlan."""
    make = room_response if plan.kind == "room" else noise_clip
    for number in range(chunk * CHUNK, min((chunk + 1) * CHUNK, plan.count)):
        yield audio_row(make(np.random.default_rng([plan.seed, 11, number])), number)
