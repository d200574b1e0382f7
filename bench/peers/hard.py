"""What else a wake word must and must not hear: babble, its beginning, similar phrases."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from trainer.audio.io import SAMPLE_RATE_HZ, Audio, rms
from trainer.wakeword import synthesis
from trainer.wakeword.confusables import Words
from trainer.wakeword.engines import usable_engines
from trainer.wakeword.evaluation import Detector, Evaluation, Outputs, quiet
from trainer.wakeword.recordings import files_of, read_stream, read_take
from trainer.wakeword.synthesis import SpeechPlan
from trainer.workers import Workers

BABBLE_DB = (10, 5, 0)
VOICES = 6  # that speak at once
CONFUSABLES, SEED = 200, 999  # another seed than any training's


@dataclass(frozen=True)
class Hard:
    """Shares that wake the model at its cutoff."""

    babble: tuple[float, ...]  # of the phrases, by BABBLE_DB
    beginnings: float
    confusables: float


def hard_cases(
    opened: Callable[[], Detector],
    found: Evaluation,
    positives: Path,
    ambient: Path,
    phrase: str,
    language: str,
    workers: Workers,
) -> Hard:
    """Measure them with `found`'s operating point."""
    babble = babble_of(ambient)
    runs = files_of(positives)
    rows = workers.run(partial(_of_file, opened, found, babble), runs, "babble, beginnings")
    woke = np.array([row for rows_of_file in rows for row in rows_of_file], float).mean(0)
    plan = SpeechPlan(
        "confusable",
        (phrase.replace("_", " "),),
        Words(language),
        usable_engines(language, "auto"),
        CONFUSABLES,
        SEED,
    )
    numbers = [list(range(i, CONFUSABLES, 20)) for i in range(20)]
    similar = workers.run(partial(_confusables, opened, found, plan), numbers, "confusables")
    accepted = [one for part in similar for one in part]
    return Hard(tuple(woke[1:]), float(woke[0]), float(np.mean(accepted)))


def babble_of(ambient: Path) -> Audio:
    """A minute of several voices at once, from the streams of speech."""
    minute = 60 * SAMPLE_RATE_HZ
    mixed = np.zeros(minute, np.float32)
    rng = np.random.default_rng(SEED)
    streams = [path for path in files_of(ambient) if "noise" not in path.name]
    for _ in range(VOICES):
        path = streams[int(rng.integers(len(streams)))]
        blocks = [b for b in read_stream(path, 60.0) if len(b) == minute]
        voice = blocks[int(rng.integers(len(blocks)))]
        mixed += voice / (rms(voice) + 1e-6)
    return mixed / (rms(mixed) + 1e-9)


def _of_file(
    opened: Callable[[], Detector], found: Evaluation, babble: Audio, path: Path
) -> list[list[bool]]:
    """Of each phrase: whether its beginning wakes, and the phrase in babble."""
    detector, rows = opened(), []
    take = read_take(path)
    rng = np.random.default_rng(SEED)
    for phrase in take.phrases:
        speech = take.samples[phrase.begin : phrase.end]
        half = take.samples[phrase.begin : (phrase.first + phrase.last) // 2]
        heard = [_wakes(detector, found, [quiet(), half, quiet()])]
        clip = np.concatenate([quiet(), speech, quiet()])
        level = rms(take.samples[phrase.first : phrase.last])
        at = int(rng.integers(len(babble) - len(clip)))
        for decibels in BABBLE_DB:
            noise = babble[at : at + len(clip)] * np.float32(level * 10 ** (-decibels / 20))
            heard.append(_wakes(detector, found, [np.clip(clip + noise, -1, 1)]))
        rows.append(heard)
    return rows


def _confusables(
    opened: Callable[[], Detector], found: Evaluation, plan: SpeechPlan, numbers: list[int]
) -> list[bool]:
    detector = opened()
    clips = (synthesis.speak_one(plan, number)[0] for number in numbers)
    return [_wakes(detector, found, [quiet(), clip, quiet()]) for clip in clips]


def _wakes(detector: Detector, found: Evaluation, blocks: list[Audio]) -> bool:
    outputs = Outputs("", detector(blocks), 0.0, float("nan"))
    return bool(found.means(outputs).max(initial=0) > found.cutoff)
