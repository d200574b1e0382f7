"""The vocabulary's automaton: minimal, accepts its words and nothing else; its file."""

import itertools
import struct

import pytest

from trainer.errors import UserError
from trainer.text import scorer
from trainer.text.alphabet import Alphabet, ByteAlphabet

ALPHABET = Alphabet((" ", *"abcdefghijklmnopqrstuvwxyz'"))


def labels(word):
    return [ALPHABET.labels.index(c) + 1 for c in word] + [1]


def accepts(machine, word):
    state = 0
    for label in word:
        state = dict(machine.arcs[state]).get(label)
        if state is None:
            return False
    return machine.final[state]


def test_accepts_its_words_and_nothing_else(rng):
    words = {"".join(rng.choice(list("abc"), int(rng.integers(1, 6)))) for _ in range(60)}
    sequences, left_out = scorer.spelled([*words, "<s>", "über"], ALPHABET)
    machine = scorer.automaton(sequences)
    assert left_out == ["über"]
    for length in range(1, 6):
        for letters in itertools.product("abc", repeat=length):
            assert accepts(machine, labels("".join(letters))) == ("".join(letters) in words)
    assert not accepts(machine, [])
    assert not accepts(machine, labels("a")[:-1])


def test_is_minimal():
    # one state a letter shared by all endings: start, c/d, a/o, t/g and s share their ends
    machine = scorer.automaton(scorer.spelled(["cat", "cats", "dat", "dats"], ALPHABET)[0])
    assert len(machine.arcs) == 6
    assert sum(map(len, machine.arcs)) == 7


def test_file_is_aligned_and_carries_the_weights(tmp_path):
    kenlm = tmp_path / "lm.binary"
    kenlm.write_bytes(scorer.KENLM_MAGIC + bytes(37))
    scorer.write(kenlm, ["yes", "no"], ALPHABET, 0.93, 1.2, tmp_path / "x.scorer")
    data = (tmp_path / "x.scorer").read_bytes()
    at = kenlm.stat().st_size
    magic, version, mode, alpha, beta = struct.unpack_from("<iiBdd", data, at)
    assert (magic, version, mode, alpha) == (0x54524945, 6, 0, 0.9300000071525574)
    assert beta == pytest.approx(1.2)
    assert data[at : at + 4] == b"EIRT"
    states, arcs = struct.unpack_from("<qq", data, at + 25 + 49)
    assert (states, arcs) == (6, 6)
    assert len(data) % 16 == 0
    other = scorer.weighed(data, 0.5, 2.0)
    assert struct.unpack_from("<dd", other, at + 9) == (0.5, 2.0)
    assert scorer.weighed(other, alpha, beta) == data == scorer.weighed(data, alpha, beta)
    inputs = [struct.unpack_from("<i", data, len(data) - 16 * k)[0] for k in range(1, 7)]
    assert sorted(inputs) == sorted({*labels("yes"), *labels("no")})


def test_for_bytes_the_words_are_characters(tmp_path):
    kenlm = tmp_path / "lm.binary"
    kenlm.write_bytes(scorer.KENLM_MAGIC + bytes(37))
    assert scorer.spelled(["字", "a"], ByteAlphabet()) == ([(0x61,), (0xE5, 0xAD, 0x97)], [])
    scorer.write(kenlm, ["字", "a"], ByteAlphabet(), 1, 1, tmp_path / "x.scorer")
    assert (tmp_path / "x.scorer").read_bytes()[kenlm.stat().st_size + 8] == 1


def test_files_that_are_no_language_model_are_errors(tmp_path):
    (tmp_path / "x").write_bytes(b"x")
    with pytest.raises(UserError, match="not a KenLM binary"):
        scorer.write(tmp_path / "x", ["yes"], ALPHABET, 1, 1, tmp_path / "y")
    with pytest.raises(
        UserError,
        match="none of the language model's words can be spelled with the alphabet, "
        "such as 'über'.*VALIDATE_RULES",
    ):
        scorer.write(tmp_path / "x", ["über"], ALPHABET, 1, 1, tmp_path / "y")
