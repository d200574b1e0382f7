"""Synthesized clips: the phrase, confusable phrases, other speech; and generated sounds and rooms.

Every clip is a function of (seed, its number): the voice is drawn for each clip, so twenty thousand
clips use all voices.
"""

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from trainer import store
from trainer.audio.io import SAMPLE_RATE_HZ, Audio, read
from trainer.audio.noise import noise_clip, room_response
from trainer.audio.speech import speech_bounds
from trainer.errors import UserError
from trainer.store import Row, audio_row
from trainer.wakeword import confusables
from trainer.wakeword.confusables import Words
from trainer.wakeword.engines import Voice, draw_voice, kokoro, load_engines, piper
from trainer.wakeword.phrases import MAX_SECONDS
from trainer.workers import Workers

CHUNK = 100
KINDS = {"phrase": 0, "confusable": 1, "speech": 2}
PIPER_TENTHS = 7
SHORTEST_SECONDS, LONGEST_SPEECH_SECONDS = 0.15, 20.0
NEGATIVE_SHARE = 0.25  # of the confusables, where negative phrases are given
# languages of other speech: sounds that the phrase's own language may lack
OTHER_LANGUAGES = "en de fr es it nl pl pt ru tr hi ar cs sv fi hu ro el id uk".split()


@dataclass(frozen=True)
class SpeechPlan:
    """Speech to synthesize: `kind` is one of KINDS; `count` clips in chunks of CHUNK."""

    kind: str
    phrases: tuple[str, ...]  # that wake, as they are spoken
    words: Words
    engines: tuple[str, ...]
    count: int
    seed: int
    negatives: tuple[str, ...] = ()  # phrases that must not wake
    piper: str = ""  # key of Piper's model, if it synthesizes PIPER_TENTHS of the clips
    rendered: str = ""  # folder of its clips
    neural: str = ""  # folder of neural voices, if these synthesize all clips
    chunk: int = CHUNK  # clips that are kept together when a run is interrupted

    def warm_up(self) -> None:
        """Load engines and word lists, without synthesis: that would change the clips after it."""
        words = [self.words]
        if self.kind == "speech":
            words += [Words(code) for code in OTHER_LANGUAGES]
        confusables.load_words(words, self.phrases if self.kind == "confusable" else ())
        load_engines(self.engines)


def is_pipers(plan: SpeechPlan, number: int) -> bool:
    """Whether clip `number` is Piper's."""
    return bool(plan.piper) and number % 10 < PIPER_TENTHS


def piper_texts(plan: SpeechPlan) -> list[tuple[int, str]]:
    """(number, text) of Piper's clips: plain words only."""
    found = []
    for number in filter(lambda n: is_pipers(plan, n), range(plan.count)):
        rng = np.random.default_rng([plan.seed, 3 + KINDS[plan.kind], number])
        found.append((number, _plain_text(plan, rng)))
    return found


def _plain_text(plan: SpeechPlan, rng: np.random.Generator) -> str:
    """A text without espeak-ng's phonemes."""
    while "[[" in (text := _text(plan, plan.words, rng)):
        pass
    return text


def build(
    plan: SpeechPlan,
    voice: piper.Models | None,
    data_dir: Path,
    batch_size: int,
    workers: Workers,
    out: Path,
) -> None:
    """A store of the plan's clips in `out`; Piper's part is rendered first, in its own process."""
    label = f"synthesizing ({plan.kind})"
    chunks = -(-plan.count // plan.chunk)
    if plan.neural:
        label = f"synthesizing (neural voices, {plan.kind})"
        store.build(out, speech_chunk, plan, chunks, label, workers)
        return
    rendered = replace(plan, rendered=str(out / "piper"))
    if voice:
        python = piper.environment(data_dir, voice)
        texts = piper_texts(plan)
        piper.render(python, voice, texts, out / "piper", batch_size, plan.seed)
    # speech engines remember past calls (phases, random numbers): a fresh process a chunk, or an
    # interrupted run would differ from an unbroken one
    store.build(out, speech_chunk, rendered, chunks, label, workers, fresh=True)
    shutil.rmtree(out / "piper", ignore_errors=True)


def speech_chunk(plan: SpeechPlan, chunk: int) -> Iterator[Row]:
    """One chunk of a SpeechPlan: trimmed clips; `mark` is the end of the speech."""
    for number in range(chunk * plan.chunk, min((chunk + 1) * plan.chunk, plan.count)):
        samples, group = speak_one(plan, number)
        yield audio_row(samples, group, len(samples))


def speak_one(plan: SpeechPlan, number: int) -> tuple[Audio, int]:
    """Clip `number` of a plan and its speaker; without sound, text and voice are drawn again."""
    rng = np.random.default_rng([plan.seed, KINDS[plan.kind], number])
    longest = MAX_SECONDS if plan.kind == "phrase" else LONGEST_SPEECH_SECONDS
    if is_pipers(plan, number):
        samples = trimmed(read(Path(plan.rendered) / f"{number:07d}.wav"), longest)
        if samples is not None:
            return samples, number
    say = _by_neural_voice if plan.neural else _by_engine
    for _ in range(20):
        spoken, group = say(plan, rng)
        samples = trimmed(spoken, longest)
        if samples is not None:
            return samples, group
    raise UserError(
        f"no engine could synthesize '{' / '.join(plan.phrases)}' in '{plan.words.language}' in "
        f"{SHORTEST_SECONDS:g} to {longest:g} s"
    )


def _by_engine(plan: SpeechPlan, rng: np.random.Generator) -> tuple[Audio, int]:
    """A drawn text by a drawn voice of the engines in this process, and its speaker."""
    words, engines = plan.words, plan.engines
    if plan.kind == "speech" and rng.random() < 0.4:
        words, engines = Words(str(rng.choice(OTHER_LANGUAGES))), ("espeak",)
    voice = draw_voice(rng, words.language, engines)
    return voice.speak(_text(plan, words, rng)), voice.group


def _by_neural_voice(plan: SpeechPlan, rng: np.random.Generator) -> tuple[Audio, int]:
    """A drawn text by a drawn speaker; silence for a text that the model cannot say."""
    model, text = kokoro.opened(plan.neural), _plain_text(plan, rng)
    speaker = model.draw(rng, plan.words.language)
    try:
        return model.speak(text, speaker), speaker.group
    except kokoro.UnknownSound:
        return np.zeros(0, np.float32), speaker.group


def trimmed(samples: Audio, longest_seconds: float) -> Audio | None:
    """A synthesized clip without the silence around it; None if it is silent or too long."""
    bounds = speech_bounds(samples)
    if bounds is None:
        return None
    seconds = (bounds[1] - bounds[0]) / SAMPLE_RATE_HZ
    return samples[slice(*bounds)] if SHORTEST_SECONDS <= seconds <= longest_seconds else None


def check_length(phrase: str, voices: Sequence[Voice]) -> None:
    """Raises UserError for a phrase that a voice says too slowly for the model's window."""
    for voice in voices:
        bounds = speech_bounds(voice.speak(phrase))
        seconds = (bounds[1] - bounds[0]) / SAMPLE_RATE_HZ if bounds else 0.0
        if seconds > MAX_SECONDS:
            raise UserError(
                f"'{phrase}' takes {seconds:.1f} s at usual speed; at most {MAX_SECONDS:g} s fit "
                "into the model's window: use a shorter phrase"
            )


def _text(plan: SpeechPlan, words: Words, rng: np.random.Generator) -> str:
    if plan.kind == "phrase":
        return _one_of(plan.phrases, rng) + str(
            rng.choice(["", ".", "!", "?", ","], p=[0.2, 0.4, 0.15, 0.15, 0.1])
        )
    if plan.kind == "confusable":
        if plan.negatives and rng.random() < NEGATIVE_SHARE:
            return _one_of(plan.negatives, rng)
        return confusables.confusable(rng, _one_of(plan.phrases, rng), words)
    avoid = frozenset(" ".join(plan.phrases).lower().split())
    return confusables.sentence(rng, words, avoid)


def _one_of(texts: Sequence[str], rng: np.random.Generator) -> str:
    return texts[int(rng.integers(len(texts)))] if len(texts) > 1 else texts[0]


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
