"""Beam search against the sum over all paths; tuning that goes on as it would have. With KenLM:
tests/images, against the clients."""

import itertools

import numpy as np
import pytest

from trainer.errors import UserError
from trainer.stt import tuning
from trainer.text import scorer
from trainer.text.alphabet import Alphabet, ByteAlphabet, collapse
from trainer.text.decoder import NO_WORD, Scorer, Search, decode
from trainer.text.scorer import read as read_scorer


@pytest.mark.parametrize("seed", range(8))
def test_the_most_probable_text_is_found(seed):
    logits = np.random.default_rng(seed).normal(0, 2, (5, 4))
    chances = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    total = {}
    for path in itertools.product(range(4), repeat=5):
        text = tuple(collapse(path, 3))
        total[text] = total.get(text, 0) + np.prod([chances[t, c] for t, c in enumerate(path)])
    text, score = decode(np.log(chances), Search(500))
    assert tuple(text) == max(total, key=total.get)
    assert score == pytest.approx(np.log(max(total.values())), rel=1e-4)


class Pairs(Scorer):
    """A scorer whose language model is a table of pairs."""

    def __init__(self, path, alphabet, words, seed):
        self.alpha, self.beta, self.vocabulary = read_scorer(path, alphabet)
        self.alphabet, self.space = alphabet, alphabet.labels.index(" ")
        rng = np.random.default_rng(seed)
        self.chances = {
            pair: -rng.uniform(0.1, 4) for pair in itertools.product(["<s>", *words], words)
        }

    def begin(self):
        return "<s>"

    def word(self, state, word):
        return self.chances.get((state, word), NO_WORD), word


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("alphabet", "words"),
    [(Alphabet((" ", "a", "b")), ["ab", "b"]), (ByteAlphabet(), ["é", "è", "a", "字"])],
)
def test_with_a_scorer_the_best_text_is_found(tmp_path, alphabet, words, seed):
    (tmp_path / "lm.binary").write_bytes(scorer.KENLM_MAGIC + bytes(100))
    scorer.write(tmp_path / "lm.binary", words, alphabet, 0.75, 1.5, tmp_path / "x.scorer")
    model = Pairs(tmp_path / "x.scorer", alphabet, words, seed)
    used = sorted(
        {label for word in words for label in alphabet.encode(word)}
        | (set() if alphabet.of_bytes else {model.space})
    )
    rng, frames = np.random.default_rng(seed), 5 if len(used) < 4 else 4
    logits = np.full((frames, len(alphabet.labels) + 1), -np.inf)
    logits[:, [*used, -1]] = rng.normal(0, 1.5, (frames, len(used) + 1))
    logits -= np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    total = {}
    for path in itertools.product([*used, alphabet.blank], repeat=frames):
        text = tuple(collapse(path, alphabet.blank))
        total[text] = np.logaddexp(
            total.get(text, -np.inf), sum(logits[t, c] for t, c in enumerate(path))
        )

    def scored(labels):
        """None: the vocabulary does not allow it."""
        raw, found, state = bytes(label + 1 for label in labels), 0.0, "<s>"
        spelled = [alphabet.encode(word) for word in words]
        at = 0
        while at < len(labels) or (at == 0 and alphabet.of_bytes):
            rest = list(labels[at:])
            after = ([], [model.space])
            whole = next(
                (
                    s
                    for s in spelled
                    if rest[: len(s)] == s
                    and (alphabet.of_bytes or rest[len(s) : len(s) + 1] in after)
                ),
                None,
            )
            if whole is None and rest and not any(s[: len(rest)] == rest for s in spelled):
                return None
            if whole is None:  # begun, or nothing at all
                return found + (model.alpha * NO_WORD if raw else 0) + model.beta
            score, state = model.word(state, alphabet.decode(whole))
            found += model.alpha * score + model.beta
            at += len(whole) + (not alphabet.of_bytes)
        return found

    best = {
        text: chance + scored(text) for text, chance in total.items() if scored(text) is not None
    }
    text, score = decode(logits, Search(2000), model)
    assert tuple(text) == max(best, key=best.get)
    assert score == pytest.approx(max(best.values()), rel=1e-4)


def test_blank_beginnings_are_skipped_and_narrow_beams_work():
    sure = np.log(np.full((6, 3), 1e-6))
    sure[:3, 2] = np.log(1 - 2e-6)
    sure[3:, [0, 1, 0]] = 0
    for t, c in ((3, 0), (4, 1), (5, 2)):
        sure[t] = np.log(1e-6)
        sure[t, c] = np.log(1 - 2e-6)
    assert decode(sure, Search(1))[0] == [0, 1]
    assert decode(sure[:3], Search(500))[0] == []


def test_cut_offs_keep_the_best_labels():
    logits = np.log(np.array([[0.5, 0.3, 0.2]] * 3))
    assert decode(logits, Search(10, cutoff_top_n=1, cutoff_prob=0.99))[0] == [0]
    assert decode(logits, Search(10, cutoff_top_n=1)) == decode(logits, Search(10))
    assert decode(logits, Search(10, cutoff_prob=0.4))[0] == [0]


def test_every_trial_follows_from_those_before():
    plan = tuning.Plan(5, 5, 20, 0.9, 1.2, Search(), 1)
    done = []
    for _ in range(14):
        alpha, beta = tuning.suggest(plan, done)
        done.append(
            {"alpha": alpha, "beta": beta, "wer": (alpha - 2) ** 2 + (beta - 1) ** 2, "cer": 0.0}
        )
    assert (done[0]["alpha"], done[0]["beta"]) == (0.9, 1.2)
    assert tuning.suggest(plan, done[:12]) == (done[12]["alpha"], done[12]["beta"])
    assert min(d["wer"] for d in done) < done[0]["wer"] + 1e-9
    assert all(0 <= d["alpha"] <= 5 and 0 <= d["beta"] <= 5 for d in done)


def test_a_scorer_is_read_and_must_fit_the_alphabet(tmp_path):
    (tmp_path / "lm.binary").write_bytes(scorer.KENLM_MAGIC + bytes(100))
    alphabet = Alphabet((" ", "a", "b"))
    scorer.write(tmp_path / "lm.binary", ["ab", "b"], alphabet, 0.5, 1.5, tmp_path / "x.scorer")
    alpha, beta, words = read_scorer(tmp_path / "x.scorer", alphabet)
    assert (alpha, beta) == (0.5, 1.5)
    row = words.rows(np.array([0]))[0]
    assert (row[0], row[3]) == (-1, -1)  # no word begins with a space, or with the blank
    assert words.rows(row[[2]])[0][0] == 0  # after "b" and a space the next word begins
    assert {alphabet.decode(labels) for labels in words.some(20)} == {"ab ", "b "}
    read_scorer(tmp_path / "x.scorer", None)
    with pytest.raises(UserError, match="made for another alphabet"):
        read_scorer(tmp_path / "x.scorer", Alphabet((" ", "a")))
    with pytest.raises(UserError, match="BYTES_OUTPUT_MODE needs one of characters"):
        read_scorer(tmp_path / "x.scorer", ByteAlphabet())
    whole = (tmp_path / "x.scorer").read_bytes()
    for length in (
        len(whole) - 10,
        whole.rfind(b"EIRT") + 50,
        whole.rfind(b"EIRT") + 20,
        whole.rfind(b"EIRT") + 8,
    ):
        (tmp_path / "cut.scorer").write_bytes(whole[:length])
        with pytest.raises(UserError, match="cut.scorer: cut short"):
            read_scorer(tmp_path / "cut.scorer", alphabet)
        with pytest.raises(UserError, match="cut.scorer: cut short"):
            read_scorer(tmp_path / "cut.scorer", None)
    with pytest.raises(UserError, match="not a scorer"):
        read_scorer(tmp_path / "lm.binary", alphabet)


def test_after_the_last_byte_of_a_character_the_next_begins(tmp_path):
    (tmp_path / "lm.binary").write_bytes(scorer.KENLM_MAGIC + bytes(100))
    scorer.write(tmp_path / "lm.binary", ["é", "è"], ByteAlphabet(), 1, 1, tmp_path / "x.scorer")
    rows = read_scorer(tmp_path / "x.scorer", ByteAlphabet())[2].rows
    first, last, other = "é".encode()[0] - 1, "é".encode()[1] - 1, "è".encode()[1] - 1
    lead = rows(np.array([0]))[0]
    assert np.flatnonzero(lead >= 0).tolist() == [first]
    after = rows(lead[[first]])[0]
    assert np.flatnonzero(after >= 0).tolist() == sorted([last, other])
    assert after[last] == 0


def test_among_trials_that_are_alike_the_middle_is_taken():
    done = [
        {"alpha": a, "beta": 2.0, "wer": wer, "cer": 0.1, "error": 0.02}
        for a, wer in ((0.0, 0.100), (0.6, 0.115), (0.9, 0.119), (2.0, 0.15))
    ]
    assert tuning.choose(done, lambda a, b: {"alpha": a, "beta": b, "wer": 0.11})["alpha"] == 0.5
    assert (
        tuning.choose(done, lambda a, b: {"alpha": a, "beta": b, "wer": 0.13})["alpha"] == 0.0
    )  # not worse than the best for the middle's sake
    sure = [d | {"error": 0.001} for d in done]
    assert tuning.choose(sure, lambda a, b: {"alpha": a, "beta": b, "wer": 0.1})["alpha"] == 0.0
