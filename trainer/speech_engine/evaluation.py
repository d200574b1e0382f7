"""How well an engine hears commands: word errors, recall among alternatives, hints, confusions."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from trainer.metrics.bootstrap import bootstrap, wilson
from trainer.metrics.error_rate import aligned, edit_counts, error_rate
from trainer.metrics.retrieval import recalls
from trainer.speech_engine import recognizers
from trainer.speech_engine.acoustics import Alternative, Recognizer
from trainer.speech_engine.spoken import Command
from trainer.workers import Workers

AT_ONCE = 10
Figures = dict[str, Any]  # JSON
Clip = tuple[Command, np.ndarray]


@dataclass(frozen=True)
class Plan:
    """Which recognizer: `engine` None is the acoustic model's own, general one."""

    engine: str | None
    kind: str
    hint_cost: float = 0.0
    hints: tuple[tuple[str, tuple[str, ...]], ...] = field(default=())


@lru_cache(maxsize=2)
def _loaded(plan: Plan) -> Recognizer:
    """One recognizer for all clips of a worker."""
    if plan.engine is None:
        return recognizers.general(plan.kind)
    return recognizers.load(Path(plan.engine), dict(plan.hints), plan.hint_cost)


def recognize(plan: Plan, count: int, clips: Sequence[np.ndarray]) -> list[list[Alternative]]:
    """In a worker: alternatives of some clips."""
    return [_loaded(plan).alternatives(samples, count) for samples in clips]


def recognize_all(
    plan: Plan, clips: Sequence[Clip], count: int, workers: Workers, label: str
) -> list[list[Alternative]]:
    """Of all clips, in order."""
    samples = [one for _, one in clips]
    chunks = [samples[i : i + AT_ONCE] for i in range(0, len(samples), AT_ONCE)]
    found = workers.run(partial(recognize, plan, count), chunks, label)
    return [one for part in found for one in part]


def figures(commands: Sequence[Command], found: Sequence[Sequence[Alternative]]) -> Figures:
    """Word error rate with its 95 % interval, recall@1, 5 and 10 with theirs, both by family."""
    by_family: dict[str, list[int]] = defaultdict(list)
    for i, one in enumerate(commands):
        by_family[one.family].append(i)
    total = _figures(commands, found, range(len(commands)))
    families = {name: _figures(commands, found, some) for name, some in sorted(by_family.items())}
    return total | {"families": families if len(families) > 1 else {}}


def _figures(
    commands: Sequence[Command], found: Sequence[Sequence[Alternative]], numbers: Sequence[int]
) -> Figures:
    references = [commands[i].text for i in numbers]
    texts = [[one.text for one in found[i]] for i in numbers]
    words, _ = edit_counts(references, [some[0] if some else "" for some in texts])
    ranks = [
        some.index(r) if r in some else None for r, some in zip(references, texts, strict=True)
    ]
    rate = {"wer": error_rate(words), "wer_interval": bootstrap(words)}
    return {"clips": len(references), **rate, **recalls(ranks)}


def hint_figures(
    unknown: Sequence[str],
    before: Sequence[Sequence[Alternative]],
    after: Sequence[Sequence[Alternative]],
    others: Sequence[Sequence[Alternative]],
    hints: Sequence[str],
) -> Figures:
    """How often unknown words are found without and with hints (the word of each clip), and in
    which share of clips without them one is heard."""
    known = set(hints)

    def hits(found: Sequence[Sequence[Alternative]]) -> int:
        best = [one[0].text.split() if one else [] for one in found]
        return sum(word in words for word, words in zip(unknown, best, strict=True))

    wrong = sum(bool(one) and bool(known & set(one[0].text.split())) for one in others)
    return {
        "clips": len(unknown),
        "found_without": hits(before) / max(len(unknown), 1),
        "found": hits(after) / max(len(unknown), 1),
        "found_interval": wilson(hits(after), len(unknown)),
        "others": len(others),
        "wrong": wrong / max(len(others), 1),
        "wrong_interval": wilson(wrong, len(others)),
    }


def confusions(
    commands: Sequence[Command], found: Sequence[Sequence[Alternative]], most: int = 50
) -> list[tuple[str, str, int]]:
    """(reference, hypothesis, times) of words that are taken for each other most often."""
    counts: Counter[tuple[str, str]] = Counter()
    for one, alternatives in zip(commands, found, strict=True):
        best = alternatives[0].text if alternatives else ""
        for a, b in aligned(one.text.split(), best.split()):
            if a and b and a != b:
                counts[a, b] += 1
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return [(a, b, n) for (a, b), n in ranked[:most]]


def listed(
    commands: Sequence[Command], found: Sequence[Sequence[Alternative]]
) -> list[dict[str, Any]]:
    """Every clip with its alternatives."""
    return [
        {"reference": one.text, "family": one.family, "voice": Path(one.voice).name}
        | {"alternatives": [a.text for a in alternatives[:5]]}
        for one, alternatives in zip(commands, found, strict=True)
    ]
