"""CTC prefix beam search with a scorer, vectorised over the beam (Hannun et al. 2014).

It follows the rules of DeepSpeech 0.9.3: words are limited to the scorer's vocabulary by its
automaton, a word is scored with the space after it, leading frames that are surely blank
are skipped. In bytes mode the words are characters, scored at their last byte.
"""

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from trainer.errors import UserError
from trainer.text.alphabet import SPACE, Alphabet
from trainer.text.scorer import START, read

NOTHING = np.float32(-np.inf)
LN10 = 2.302585093
NO_WORD = -1000.0  # log probability of what is not in the vocabulary
SURELY_BLANK = 0.999
TRIED = 100  # words, when a scorer is read


@dataclass(frozen=True)
class Search:
    """How wide the search is. `alpha` and `beta` instead of the scorer's own, if given."""

    beam_width: int = 500
    cutoff_top_n: int = 40
    cutoff_prob: float = 1.0
    alpha: float | None = None
    beta: float | None = None


class Scorer:
    """A `.scorer` file: KenLM's model, the automaton, alpha and beta."""

    def __init__(self, path: Path, alphabet: Alphabet) -> None:
        """Raises UserError."""
        try:
            import kenlm
        except ModuleNotFoundError as error:
            raise UserError(
                "the Python package kenlm is not installed: it is in the train image"
            ) from error
        self.alpha, self.beta, self.vocabulary = read(path, alphabet)
        self.model = kenlm.Model(str(path))
        words = [alphabet.decode(labels).strip() for labels in self.vocabulary.some(TRIED)]
        if sum(word in self.model for word in words) < TRIED / 2:  # as many labels in another order
            raise UserError(
                f"{path}: made for another alphabet: its language model does not know '{words[0]}' "
                "and other words of its automaton; give its own alphabet (ALPHABET_CONFIG_PATH)"
            )
        self.space = alphabet.labels.index(SPACE)
        self.alphabet = alphabet
        self._state = kenlm.State

    def begin(self) -> Any:
        """State before the first word."""
        state = self._state()
        self.model.BeginSentenceWrite(state)
        return state

    def begins(self, label: int) -> bool:
        """Whether a character begins with this byte."""
        return self.alphabet.of_bytes and not 0x80 <= label + 1 < 0xC0

    def word(self, state: Any, word: str) -> tuple[float, Any]:
        """(natural log probability, state after it)."""
        after = self._state()
        if word not in self.model:
            return NO_WORD, after
        return self.model.BaseScore(state, word, after) * LN10, after


@lru_cache(maxsize=2)
def load_scorer(path: Path, alphabet: Alphabet) -> Scorer:
    """One scorer for all clips of a process."""
    return Scorer(path, alphabet)


class _Prefixes:
    """All prefixes of one clip, numbered: parent, last label and word score of each."""

    def __init__(self, scorer: Scorer | None) -> None:
        self.parent, self.label = [-1], [-1]
        self.known: dict[int, int] = {}
        self.scorer = scorer
        self.begin = scorer.begin() if scorer else None
        self.ends: dict[
            int, tuple[float, Any]
        ] = {}  # score of the word that ends here, state of the language model after it

    def child(self, parent: int, label: int, classes: int) -> int:
        key = parent * classes + label
        number = self.known.get(key)
        if number is None:
            number = self.known[key] = len(self.parent)
            self.parent.append(parent)
            self.label.append(label)
        return number

    def word_score(self, node: int) -> float:
        """Log probability of the word that ends at `node`, after the words before it."""
        found = self.ends.get(node)
        if found is None:
            assert self.scorer is not None
            scorer, labels, at = self.scorer, [], node
            while at and (scorer.alphabet.of_bytes or self.label[at] != scorer.space):
                labels.append(self.label[at])
                at = self.parent[at]
                if scorer.begins(labels[-1]):
                    break
            before = self.begin
            if at:
                end = at if scorer.alphabet.of_bytes else self.parent[at]
                self.word_score(end)
                before = self.ends[end][1]
            found = self.ends[node] = scorer.word(before, scorer.alphabet.decode(reversed(labels)))
        return found[0]

    def text(self, node: int) -> list[int]:
        labels = []
        while node:
            labels.append(self.label[node])
            node = self.parent[node]
        return labels[::-1]


def decode(
    log_probs: np.ndarray, search: Search, scorer: Scorer | None = None
) -> tuple[list[int], float]:
    """(frames, classes) log probabilities, blank last -> (labels, log score) of the best prefix."""
    return decode_all(log_probs, search, scorer, 1)[0]


def decode_all(
    log_probs: np.ndarray, search: Search, scorer: Scorer | None, count: int
) -> list[tuple[list[int], float]]:
    """As `decode`: the `count` best prefixes, the best first."""
    classes = log_probs.shape[1]
    blank = classes - 1
    alpha, beta = (
        (np.float32(0), np.float32(0))
        if scorer is None
        else (
            np.float32(scorer.alpha if search.alpha is None else search.alpha),
            np.float32(scorer.beta if search.beta is None else search.beta),
        )
    )
    prefixes = _Prefixes(scorer)
    nodes, labels, parents = np.zeros(1, np.int64), np.full(1, -1), np.full(1, -1)
    ends_blank, ends_label = np.zeros(1, np.float32), np.full(1, NOTHING)
    states = np.zeros(1, np.int32)
    allowed = scorer.vocabulary.rows(states) if scorer else None
    place = np.full(1024, -1)
    begun = False
    with np.errstate(invalid="ignore", divide="ignore"):
        for frame in np.asarray(log_probs, np.float32):
            begun = begun or frame[blank] < np.log(SURELY_BLANK)
            if not begun:
                continue
            p = _cut(frame, search)
            score = np.logaddexp(ends_blank, ends_label)
            # what a prefix becomes by a blank, by its last label again, by another label
            stay_blank = score + p[blank]
            stay_label = np.where(labels >= 0, ends_label + p[labels], NOTHING)
            wider = score[:, None] + p[None, :blank]
            again = np.flatnonzero(labels >= 0)
            wider[again, labels[again]] = ends_blank[again] + p[labels[again]]
            if scorer is not None and allowed is not None:
                wider[allowed[:, :blank] < 0] = NOTHING
                if len(nodes) >= search.beam_width:
                    lowest = score.min() + p[blank] - max(np.float32(0), beta)
                    low = score[:, None] + p[None, :blank] < lowest
                    wider[low] = NOTHING
                last = scorer.vocabulary.last
                # a word is complete
                rows, columns = np.nonzero((allowed[:, last] == START) & (wider[:, last] > NOTHING))
                steps, ends = last[columns], nodes[rows].tolist()
                if scorer.alphabet.of_bytes:
                    ends = [
                        prefixes.child(node, label, classes)
                        for node, label in zip(ends, steps.tolist(), strict=True)
                    ]
                wider[rows, steps] += (
                    alpha * np.array([prefixes.word_score(node) for node in ends], np.float32)
                    + beta
                )
            # extensions that are prefixes of the beam already
            if len(place) < len(prefixes.parent):
                place = np.full(2 * len(prefixes.parent), -1)
            place[nodes] = np.arange(len(nodes))
            inside = np.where(parents >= 0, place[parents], -1)
            child = np.flatnonzero(inside >= 0)
            stay_label[child] = np.logaddexp(stay_label[child], wider[inside[child], labels[child]])
            wider[inside[child], labels[child]] = NOTHING
            place[nodes] = -1
            # the best of both
            total = np.concatenate([np.logaddexp(stay_blank, stay_label), wider.ravel()])
            best = np.flatnonzero(total > NOTHING)
            if len(best) > search.beam_width:
                best = best[
                    np.argpartition(-total[best], search.beam_width - 1)[: search.beam_width]
                ]
            old, new = best[best < len(nodes)], best[best >= len(nodes)] - len(nodes)
            rows, steps = new // blank, new % blank
            added = np.array(
                [
                    prefixes.child(int(nodes[r]), int(c), classes)
                    for r, c in zip(rows, steps, strict=True)
                ],
                np.int64,
            )
            ends_blank = np.concatenate([stay_blank[old], np.full(len(new), NOTHING)])
            ends_label = np.concatenate([stay_label[old], wider[rows, steps]])
            if scorer is not None and allowed is not None:
                after = allowed[rows, steps]
                states = np.concatenate([states[old], after])
                allowed = np.concatenate([allowed[old], scorer.vocabulary.rows(after)])
            parents = np.concatenate([parents[old], nodes[rows]])
            labels = np.concatenate([labels[old], steps])
            nodes = np.concatenate([nodes[old], added])
    score = np.logaddexp(ends_blank, ends_label)
    if scorer is not None:  # a last word without a space after it
        for row in np.flatnonzero(states != START):
            score[row] += alpha * np.float32(prefixes.word_score(int(nodes[row]))) + beta
        if scorer.alphabet.of_bytes:  # clients count the empty text as a word
            score[nodes == 0] += beta
    best = np.argsort(-score, kind="stable")[:count]
    return [(prefixes.text(int(nodes[i])), float(score[i])) for i in best]


def _cut(frame: np.ndarray, search: Search) -> np.ndarray:
    """With `cutoff_prob` below 1, the most probable labels up to that sum and `cutoff_top_n`; at 1,
    as in clients, all labels (checked against the decoder of 0.9.3)."""
    if search.cutoff_prob >= 1.0:
        return frame
    order = np.argsort(-frame, kind="stable")
    count = min(
        search.cutoff_top_n,
        int(np.searchsorted(np.cumsum(np.exp(frame[order])), search.cutoff_prob)) + 1,
    )
    cut = np.full_like(frame, NOTHING)
    cut[order[:count]] = frame[order[:count]]
    return cut
