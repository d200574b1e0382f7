"""Linear mixtures of two n-gram models (Jelinek and Mercer 1980) as one ARPA file.

The n-grams are those of both models; their probabilities are mixed, and back-off weights are
computed again so that every context sums to one (as `ngram -mix-lm` of SRILM does).
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from trainer.log import quiet

LN10 = math.log(10)
START, END, UNKNOWN = "<s>", "</s>", "<unk>"
ROUNDS = 50  # of expectation maximisation
SMALLEST = 1e-12
NEVER = -99.0  # log10


class _Model:
    """One of the two: probabilities of words after others; 0 for words that it does not know."""

    def __init__(self, arpa: Path) -> None:
        import kenlm

        with quiet():
            self._model, self._state = kenlm.Model(str(arpa)), kenlm.State

    def probability(self, history: list[str], word: str) -> float:
        if word != END and word not in self._model:
            return 0.0
        state = self._state()
        if history and history[0] == START:
            self._model.BeginSentenceWrite(state)
            history = history[1:]
        else:
            self._model.NullContextWrite(state)
        for one in history:
            after = self._state()
            self._model.BaseScore(state, one, after)
            state = after
        return float(10 ** self._model.BaseScore(state, word, self._state()))

    def along(self, words: list[str]) -> Iterator[float]:
        """Probabilities of a sentence's words and of its end."""
        state: Any = self._state()
        self._model.BeginSentenceWrite(state)
        for word in [*words, END]:
            after = self._state()
            score = self._model.BaseScore(state, word, after)
            yield 10**score if word == END or word in self._model else 0.0
            state = after


def best_weight(first: Path, second: Path, lines: Iterable[str]) -> float:
    """The weight of the first model that makes some held-out lines most probable."""
    models = _Model(first), _Model(second)
    pairs: list[tuple[float, ...]] = []
    for line in lines:
        words = line.split()
        pairs += zip(*(model.along(words) for model in models), strict=True)
    a, b = np.array(pairs).T
    weight = 0.5
    for _ in range(ROUNDS):
        total = weight * a + (1 - weight) * b
        weight = float(np.mean(weight * a / np.maximum(total, SMALLEST)))
    return min(max(weight, 0.01), 0.99)


def mix(first: Path, second: Path, weight: float, out: Path) -> None:
    """`weight` of the first model, the rest of the second, in `out`."""
    models = _Model(first), _Model(second)
    found: list[dict[str, float]] = []
    for grams in _union(first, second):
        probabilities: dict[str, float] = {}
        for gram in grams:
            words = gram.split(" ")
            if words[-1] == START:
                probabilities[gram] = 0.0
                continue
            a, b = (model.probability(words[:-1], words[-1]) for model in models)
            probabilities[gram] = weight * a + (1 - weight) * b
        found.append(probabilities)
    total = sum(found[0].values())
    found[0] = {gram: p / total for gram, p in found[0].items()}
    _write(found, _back_offs(found), out)


def _union(first: Path, second: Path) -> list[list[str]]:
    """n-grams of both by order, those of the first in its order; contexts and endings that are
    missing are added."""
    by_order: list[dict[str, None]] = []
    for path in (first, second):
        order = 0
        with path.open(encoding="utf-8") as file:
            for line in file:
                if line.startswith("\\") and line.rstrip().endswith("-grams:"):
                    order = int(line[1 : line.index("-")])
                    if len(by_order) < order:
                        by_order.append({})
                elif order and "\t" in line:
                    gram = line.rstrip("\n").split("\t")[1]
                    if UNKNOWN not in gram:
                        by_order[order - 1][gram] = None
    for order in range(len(by_order) - 1, 0, -1):
        for gram in by_order[order]:
            by_order[order - 1].setdefault(gram.rpartition(" ")[0])
            by_order[order - 1].setdefault(gram.partition(" ")[2])
    return [list(grams) for grams in by_order]


def _back_offs(found: list[dict[str, float]]) -> list[dict[str, float]]:
    """Of the contexts of each order below the highest: what is left, over what is left below."""
    weights: list[dict[str, float]] = []
    for order in range(len(found) - 1):
        above: dict[str, float] = defaultdict(float)
        below: dict[str, float] = defaultdict(float)
        lower = found[order]
        for gram, probability in found[order + 1].items():
            context, ending = gram.rpartition(" ")[0], gram.partition(" ")[2]
            above[context] += probability
            below[context] += lower[ending]
        weights.append({
            context: max(1 - above[context], SMALLEST) / max(1 - below[context], SMALLEST)
            for context in above
        })  # fmt: skip
    return weights


def _write(found: list[dict[str, float]], weights: list[dict[str, float]], out: Path) -> None:
    with out.open("w", encoding="utf-8") as file:
        file.write("\\data\\\n")
        file.writelines(f"ngram {n}={len(grams)}\n" for n, grams in enumerate(found, 1))
        for n, grams in enumerate(found, 1):
            file.write(f"\n\\{n}-grams:\n")
            own = weights[n - 1] if n <= len(weights) else None
            for gram, probability in grams.items():
                log = math.log10(probability) if probability > 0 else NEVER
                back = "" if own is None else f"\t{math.log10(own.get(gram, 1.0)):.7g}"
                file.write(f"{log:.7g}\t{gram}{back}\n")
        file.write("\n\\end\\\n")
