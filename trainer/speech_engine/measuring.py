"""All that is measured of a finished engine: its recogniser, the general one, hints, runtimes."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trainer.audio.io import SAMPLE_RATE_HZ
from trainer.corpora.utterance import Utterance
from trainer.log import log
from trainer.metrics.error_rate import edit_counts, error_rate
from trainer.speech_engine import evaluation, hints, runtimes, spoken
from trainer.speech_engine.evaluation import Clip, Figures
from trainer.store import Clips
from trainer.workers import Workers

ALTERNATIVES = 10
IN_RUNTIMES = 20  # clips


@dataclass(frozen=True)
class Plan:
    """`spoken`: the folder of synthesized commands; `recorded`: the user's recordings."""

    engine: Path
    kind: str
    takes_hints: bool
    hint_cost: float
    spoken: Path
    recorded: Sequence[Utterance]


def measure(plan: Plan, workers: Workers) -> tuple[Figures, list[dict[str, Any]]]:
    """(figures.json, every clip with its alternatives). Raises UserError."""
    usual, with_unknown, unknown = _clips(plan.spoken)
    domain = evaluation.Plan(str(plan.engine), plan.kind, plan.hint_cost)
    sets = {"synthesized": usual, "recorded": spoken.recorded(plan.recorded)}
    found: Figures = {"sets": {}, "confusions": []}
    listed: list[dict[str, Any]] = []
    for name, some in sets.items():
        if not some:
            continue
        commands = [one for one, _ in some]
        label = f"recognizing ({name})"
        start = time.monotonic()
        hypotheses = evaluation.recognize_all(domain, some, ALTERNATIVES, workers, label)
        spent = (time.monotonic() - start) * workers.count
        seconds = sum(len(samples) for _, samples in some) / SAMPLE_RATE_HZ
        # not among the figures, which are the same in each run
        log.info("%s: %.2f x real time on a core, with loading", label, spent / seconds)
        found["sets"][name] = {"domain": evaluation.figures(commands, hypotheses)}
        if plan.kind == "pocketsphinx":
            general = evaluation.recognize_all(
                evaluation.Plan(None, plan.kind), some, ALTERNATIVES, workers, "the general model"
            )
            found["sets"][name]["general"] = evaluation.figures(commands, general)
        listed += evaluation.listed(commands, hypotheses)
        found["confusions"] += evaluation.confusions(commands, hypotheses)
    if not usual:
        found["why_none"] = (
            "no program that speaks is installed (flite, espeak-ng)"
            if not spoken.voices()
            else "there are no held-out commands (EVALUATION_COMMANDS is 0, or too few sources)"
        )
    if with_unknown and plan.takes_hints:
        found["hints"] = _hints(plan, domain, usual, with_unknown, unknown, workers)
    found["runtimes"] = _runtimes(plan.engine, (sets["recorded"] or usual)[:IN_RUNTIMES], workers)
    return found, listed


def _clips(folder: Path) -> tuple[list[Clip], list[Clip], list[str]]:
    """(usual commands, those with an unknown word, these words)."""
    given = json.loads((folder / spoken.COMMANDS).read_text(encoding="utf-8"))
    store, unknown = Clips(folder), given["unknown"]
    commands = [spoken.Command(**one) for one in given["commands"]]
    clips = [(one, np.array(store.raw(i))) for i, one in enumerate(commands)]
    cut = len(clips) - len(unknown)
    return clips[:cut], clips[cut:], unknown


def _hints(
    plan: Plan,
    domain: evaluation.Plan,
    usual: Sequence[Clip],
    with_unknown: Sequence[Clip],
    unknown: Sequence[str],
    workers: Workers,
) -> Figures:
    words = sorted(set(unknown))
    pronounced = tuple(sorted(hints.pronounced(plan.engine, words).items()))
    hinted = evaluation.Plan(str(plan.engine), plan.kind, plan.hint_cost, pronounced)
    before = evaluation.recognize_all(domain, with_unknown, 1, workers, "without hints")
    after = evaluation.recognize_all(hinted, with_unknown, 1, workers, "with hints")
    without = [one for one in usual if not set(words) & set(one[0].text.split())]
    others = evaluation.recognize_all(hinted, without, 1, workers, "hints elsewhere")
    return evaluation.hint_figures(unknown, before, after, others, words)


def _runtimes(engine: Path, clips: Sequence[Clip], workers: Workers) -> dict[str, Figures]:
    """Each runtime's word error rate on some clips: its own library loads the folder."""
    found = {}
    for name in runtimes.of(engine):
        texts = runtimes.decode_apart(name, engine, [samples for _, samples in clips])
        words, _ = edit_counts([one.text for one, _ in clips], texts)
        rate = error_rate(words) if clips else None
        found[name] = {"clips": len(clips), "wer": rate}
    return found
