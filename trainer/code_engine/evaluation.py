"""A model on held-out pairs, as its users meet it: in CTranslate2, on one core, with ranking."""

import math
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.code_engine import translation
from trainer.code_engine.engine import Engine
from trainer.errors import UserError
from trainer.log import log, progress
from trainer.metrics.retrieval import recalls
from trainer.spoken_code import grammar, writing
from trainer.spoken_code.languages import table
from trainer.spoken_code.material import Texts
from trainer.spoken_code.pairs import AUTO_STYLE, FEWEST_FOR_STYLE, LANGUAGE_MODEL, spoken_at
from trainer.spoken_code.place import Place
from trainer.spoken_code.tokens import CONTEXT, CURSOR, cleaned, decode

SHORT = 14  # tokens of an input
LENGTHS = ((14, "up to 14 tokens"), (32, "15 to 32"), (200, "33 and more"))
COUNT = 10  # alternatives
CANDIDATES = 10  # what the language model chooses from
MOST_EXAMPLES = 12
LOOKED_AT = 300  # training pairs that the nearest one is searched among


@dataclass(frozen=True)
class Query:
    """A held-out pair, and where it was."""

    source: tuple[str, ...]
    target: tuple[str, ...]
    family: str
    place: Place
    language: str

    @property
    def phrase(self) -> str:
        """What is said."""
        return phrase_of(self.source)


def phrase_of(source: Sequence[str]) -> str:
    """What is said in an input, without its context."""
    return " ".join(source[spoken_at(source) + 1 :])


def in_use(source: Sequence[str], context: int) -> list[str]:
    """An input of auto-style with no more context than the engine reads, and the identifiers that
    go with it."""
    at = max((i for i, t in enumerate(source) if t == CONTEXT), default=-1)
    mark = spoken_at(source)
    if at < 0 or mark - at - 1 <= context:
        return list(source)
    style = source[:at] if context >= FEWEST_FOR_STYLE else ()
    return [*style, CONTEXT, *source[mark - context :]]


@dataclass(frozen=True)
class Outcome:
    """What came of a query. `rank`: of the right alternative, from 0, or None."""

    query: Query
    first: str
    rank: int | None
    valid: bool
    log_probability: float
    seconds: float


def queries(corpus: Path, gathered: Path, count: int, seed: int) -> list[Query]:
    """Held-out pairs, half of them with short inputs if there are so many."""
    rows = list(_rows(corpus, "test"))
    order = list(range(len(rows)))
    random.Random(seed).shuffle(order)
    short = [i for i in order if len(rows[i][0].split()) <= SHORT][: count // 2]
    chosen = list(dict.fromkeys([*short, *order]))[:count]
    texts = Texts(gathered)
    found = []
    for i in chosen:
        source, target, (family, number, start, end) = rows[i]
        file = texts.text(int(number))
        text = cleaned(file.text.decode("ascii", "ignore"))
        place = Place(text[: int(start)], text[int(end) :], text[int(start) : int(end)])
        found.append(
            Query(tuple(source.split()), tuple(target.split()), family, place, file.language)
        )
    return found


def _rows(corpus: Path, split: str) -> Iterator[tuple[str, str, list[str]]]:
    names = (corpus / f"{split}.{kind}" for kind in ("input", "output", "place"))
    files = [path.read_text(encoding="ascii").splitlines() for path in names]
    for source, target, place in zip(*files, strict=True):
        yield source, target, place.split("\t")


def evaluate(engine: Engine, found: Sequence[Query], corpus: Path, beam: int) -> dict[str, Any]:
    """Figures: all, by family and by length; baselines; examples; latency. Raises UserError."""
    if not found:
        raise UserError("no held-out pairs to measure on: give more SOURCES")
    measure: Callable[[Engine, Query, int], Outcome] = _outcome
    if engine.model == LANGUAGE_MODEL:
        others = [query.target for query in found]
        measure = _Choice(others, random.Random(1))
    elif engine.model != AUTO_STYLE:
        measure = _parse
    outcomes, unknown = [], 0
    with progress("measuring", len(found), 0, "pair") as bar:
        for query in found:
            try:
                outcomes.append(measure(engine, query, beam))
            except UserError as error:
                unknown += 1
                log.debug("not measured: %s", error)
            bar.update(1)
    if unknown:
        log.warning("%d of %d pairs have over 20 unknown tokens: not measured", unknown, len(found))
    figures = {"all": summary(outcomes)}
    for limit, name in LENGTHS:
        low = max((one for one, _ in LENGTHS if one < limit), default=0)
        some = [o for o in outcomes if low < len(o.query.source) <= limit]
        if some:
            figures[name] = summary(some)
    for family in sorted({o.query.family for o in outcomes}):
        figures[f"family {family}"] = summary([o for o in outcomes if o.query.family == family])
    return {
        "model": engine.model,
        "groups": figures,
        "unknown": unknown,
        "baselines": baselines(engine, [o.query for o in outcomes], corpus),
        "latency": latency([o.seconds for o in outcomes]),
        "examples": examples(outcomes, engine.model == LANGUAGE_MODEL),
    }


def summary(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Recall with intervals, share that parses, perplexity a token."""
    tokens = sum(len(o.query.target) + 1 for o in outcomes)
    total = sum(o.log_probability for o in outcomes)
    return recalls([o.rank for o in outcomes]) | {
        "pairs": len(outcomes),
        "valid": sum(o.valid for o in outcomes) / max(len(outcomes), 1),
        "perplexity": math.exp(min(-total / max(tokens, 1), 50)),
    }


def latency(seconds: Sequence[float]) -> dict[str, float]:
    """Median and 99th percentile, in ms."""
    ordered = sorted(seconds)
    return {
        "p50_ms": 1000 * ordered[len(ordered) // 2],
        "p99_ms": 1000 * ordered[min(len(ordered) - 1, int(0.99 * len(ordered)))],
    }


def _outcome(engine: Engine, query: Query, beam: int) -> Outcome:
    """auto-style: the code of the alternatives, in its place."""
    start = time.perf_counter()
    source = in_use(query.source, engine.context)
    found = engine.best(source, max(COUNT, beam), beam)
    codes = translation.ranked(found, query.place, query.language)[:COUNT]
    seconds = time.perf_counter() - start
    reference = query.place.code([t for t in query.target if t != CURSOR])
    texts = [code.code for code in codes]
    rank = texts.index(reference) if reference in texts else None
    score = engine.scores(source, [query.target])[0]
    first = codes[0] if codes else None
    return Outcome(
        query, first.code if first else "", rank, bool(first and first.valid), score, seconds
    )


def _parse(engine: Engine, query: Query, beam: int) -> Outcome:
    """transcript-parser: the trees."""
    start = time.perf_counter()
    trees = [one.tree for one in translation.parse(engine, " ".join(query.source))]
    seconds = time.perf_counter() - start
    reference = " ".join(query.target)
    rank = trees.index(reference) if reference in trees else None
    score = engine.scores(query.source, [query.target])[0]
    return Outcome(query, trees[0] if trees else "", rank, bool(trees), score, seconds)


def _candidates(
    query: Query, others: Sequence[tuple[str, ...]], rng: random.Random
) -> list[tuple[str, ...]]:
    """What was said, and other things that it is chosen among."""
    wrong = [one for one in others if one != query.target]
    return [query.target, *rng.sample(wrong, min(CANDIDATES - 1, len(wrong)))]


@dataclass
class _Choice:
    """contextual-language-model: the rank of what was said among sampled phrases, by what the
    context adds to the log probability of a token: phrases of any length can be compared so."""

    others: Sequence[tuple[str, ...]]
    rng: random.Random

    def __call__(self, engine: Engine, query: Query, beam: int) -> Outcome:
        candidates = _candidates(query, self.others, self.rng)
        start = time.perf_counter()
        scores = engine.scores(query.source[-engine.context :], candidates)
        seconds = time.perf_counter() - start
        alone = engine.scores(query.source[-1:], candidates)  # without a context
        gains = [
            (score - other) / (len(one) + 1)
            for score, other, one in zip(scores, alone, candidates, strict=True)
        ]
        rank = sum(gain >= gains[0] for gain in gains[1:])
        first = " ".join(candidates[max(range(len(gains)), key=gains.__getitem__)])
        return Outcome(query, first, rank, True, scores[0], seconds)


def baselines(engine: Engine, found: Sequence[Query], corpus: Path) -> dict[str, float]:
    """Share that is right: of what the words alone give, and of the nearest training pair."""
    if engine.model == LANGUAGE_MODEL:
        overlap = [_overlap(query, found) for query in found]
        return {"most words in common with the context": sum(overlap) / len(found)}
    nearest = Nearest(corpus)
    if engine.model == AUTO_STYLE:
        copied = sum(
            writing.written(q.phrase, table()[q.language]) == _plain(q.target) for q in found
        )
        name = "words as code, by rules alone"
    else:
        bare = (
            grammar.tree([f"<insert> <formattedText> {q.phrase} </formattedText> </insert>"])
            for q in found
        )
        copied = sum(one == " ".join(q.target) for one, q in zip(bare, found, strict=True))
        name = "everything is text"
    looked = sum(nearest.output(q.phrase) == " ".join(q.target) for q in found)
    return {name: copied / len(found), "nearest training pair": looked / len(found)}


def _plain(target: Sequence[str]) -> str:
    return decode(t for t in target if t != CURSOR)


def _overlap(query: Query, found: Sequence[Query]) -> bool:
    rng = random.Random(" ".join(query.source))
    candidates = _candidates(query, [one.target for one in found], rng)
    known = set(query.source)
    shares = [len(known & set(one)) / len(set(one)) for one in candidates]
    return shares[0] > max(shares[1:], default=0)


class Nearest:
    """The output of the training pair whose phrase has most words in common."""

    def __init__(self, corpus: Path) -> None:
        self._pairs: list[tuple[frozenset[str], str, str]] = []
        self._same: dict[str, Counter[str]] = defaultdict(Counter)
        self._having: dict[str, list[int]] = defaultdict(list)
        x, y = (corpus / f"train.{kind}" for kind in ("input", "output"))
        with x.open(encoding="ascii") as sources, y.open(encoding="ascii") as targets:
            for i, (source, target) in enumerate(zip(sources, targets, strict=True)):
                phrase, output = phrase_of(source.split()), target.rstrip("\n")
                self._same[phrase][output] += 1
                words = frozenset(phrase.split())
                self._pairs.append((words, phrase, output))
                for word in words:
                    self._having[word].append(i)

    def output(self, phrase: str) -> str:
        """That of the nearest phrase."""
        if phrase in self._same:
            return self._same[phrase].most_common(1)[0][0]
        words = frozenset(phrase.split())
        rare = sorted((len(self._having[word]), word) for word in words if word in self._having)
        near = [i for _, word in rare[:3] for i in self._having[word][:LOOKED_AT]]
        if not near:
            return ""
        best = max(near, key=lambda i: _alike(words, self._pairs[i][0]))
        return self._pairs[best][2]


def _alike(a: frozenset[str], b: frozenset[str]) -> float:
    """Jaccard similarity."""
    return len(a & b) / len(a | b)


def examples(outcomes: Sequence[Outcome], of_context: bool) -> list[dict[str, str]]:
    """The worst, and some from the middle, by the probability of the right output. `of_context`:
    inputs are contexts alone."""
    ordered = sorted(outcomes, key=lambda o: o.log_probability / (len(o.query.target) + 1))
    middle = len(ordered) // 2
    chosen = [*(("worst", o) for o in ordered[:MOST_EXAMPLES]),
              *(("median", o) for o in ordered[middle : middle + MOST_EXAMPLES])]  # fmt: skip
    return [
        {
            "kind": kind,
            "context": decode(o.query.source)[-60:] if of_context else _context(o.query.source),
            "spoken": "" if of_context else o.query.phrase,
            "reference": " ".join(o.query.target),
            "first": o.first,
            "rank": "" if o.rank is None else str(o.rank + 1),
        }
        for kind, o in chosen
    ]


def _context(source: Sequence[str]) -> str:
    """The end of an input's context, as text."""
    at = max((i for i, t in enumerate(source) if t == CONTEXT), default=-1)
    return decode(source[at + 1 : max(spoken_at(source), at + 1)])[-60:]
