"""`.scorer`, read and written: a KenLM binary, a header of 25 bytes, the vocabulary's automaton.

The format is that of DeepSpeech 0.9.3. The automaton (OpenFst's ConstFst) holds each word's labels
(index + 1) followed by the space's, in bytes mode the bytes of each character. It is made minimal
while it is built from the sorted words (Daciuk et al. 2000), which gives the machine that OpenFst's
Determinize and Minimize give.
"""

import struct
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainer.errors import UserError
from trainer.text.alphabet import SPACE, Alphabet

START = 0  # the automaton's first state
ADVICE = (
    "give LM_TEXT in the form of transcripts (mostly lower case, no punctuation), or rules that "
    "convert it (VALIDATE_RULES)"
)


MAGIC, FILE_VERSION = 0x54524945, 6
KENLM_MAGIC = b"mmap lm http://kheafield.com/code format version 5\n\0"
# expanded, acceptor, deterministic, no epsilons, sorted, unweighted, acyclic, (co-)accessible
PROPERTIES = 0xA5AA5A950001
FST_MAGIC, ALIGNED = 2125659606, 4
NOT_WORDS = {"<s>", "</s>", "<unk>"}
Arcs = tuple[tuple[int, int], ...]  # (label, state) sorted by label


@dataclass(frozen=True)
class Automaton:
    """States numbered from the start; `arcs[s]` leaves state s."""

    arcs: list[Arcs]
    final: list[bool]


def spelled(words: Iterable[str], alphabet: Alphabet) -> tuple[list[tuple[int, ...]], list[str]]:
    """(sorted labels of each word and the space, in bytes mode without it; words not spellable)."""
    if SPACE not in alphabet.labels:
        raise UserError("the alphabet has no space: a scorer of words needs one")
    end = () if alphabet.of_bytes else (alphabet.labels.index(SPACE) + 1,)
    found, left_out = set(), []
    for word in words:
        if word in NOT_WORDS or not word:
            continue
        if alphabet.missing(word):
            left_out.append(word)
        else:
            found.add((*(label + 1 for label in alphabet.encode(word)), *end))
    return sorted(found), left_out


def automaton(sequences: list[tuple[int, ...]]) -> Automaton:
    """The minimal acyclic automaton of sorted label sequences."""
    arcs: list[dict[int, int]] = [{}]
    final = [False]
    known: dict[tuple[bool, Arcs], int] = {}
    path: list[tuple[int, int, int]] = []  # (parent, label, child), not yet minimised
    before: tuple[int, ...] = ()

    def settle(depth: int) -> None:
        while len(path) > depth:
            parent, label, child = path.pop()
            key = (final[child], tuple(sorted(arcs[child].items())))
            arcs[parent][label] = known.setdefault(key, child)

    for sequence in sequences:
        common = 0
        while common < min(len(before), len(sequence)) and before[common] == sequence[common]:
            common += 1
        settle(common)
        state = path[-1][2] if path else 0
        for label in sequence[common:]:
            arcs.append({})
            final.append(False)
            arcs[state][label] = len(arcs) - 1
            path.append((state, label, len(arcs) - 1))
            state = len(arcs) - 1
        final[state] = True
        before = sequence
    settle(0)
    # breadth first, so that only what is reached is kept
    number, order = {0: 0}, [0]
    for state in order:
        for _, target in sorted(arcs[state].items()):
            if target not in number:
                number[target] = len(order)
                order.append(target)
    return Automaton(
        [tuple((label, number[t]) for label, t in sorted(arcs[s].items())) for s in order],
        [final[s] for s in order],
    )


def const_fst(machine: Automaton, offset: int) -> bytes:
    """OpenFst's ConstFst<StdArc>, aligned; `offset`: where in the file it will begin."""
    arcs = sum(len(leaving) for leaving in machine.arcs)
    out = bytearray(struct.pack("<i", FST_MAGIC))
    for name in (b"const", b"standard"):
        out += struct.pack("<i", len(name)) + name
    out += struct.pack("<iiQqqq", 1, ALIGNED, PROPERTIES, 0, len(machine.arcs), arcs)
    out += bytes(-(offset + len(out)) % 16)
    first = 0
    for leaving, final in zip(machine.arcs, machine.final, strict=True):
        out += struct.pack("<fIIII", 0.0 if final else float("inf"), first, len(leaving), 0, 0)
        first += len(leaving)
    out += bytes(-(offset + len(out)) % 16)
    for leaving in machine.arcs:
        for label, target in leaving:
            out += struct.pack("<iifi", label, label, 0.0, target)
    return bytes(out)


def write(
    kenlm: Path, words: Iterable[str], alphabet: Alphabet, alpha: float, beta: float, path: Path
) -> list[str]:
    """Write the package; returns the words that the alphabet cannot spell. Raises UserError.

    `kenlm`: made by `build_binary -v`, without the vocabulary's strings, behind which clients find
    no automaton.
    """
    sequences, left_out = spelled(words, alphabet)
    if not sequences:
        raise UserError(
            f"none of the language model's words can be spelled with the alphabet, such as "
            f"'{left_out[0]}': {ADVICE}"
        )
    head = struct.pack("<iiB", MAGIC, FILE_VERSION, alphabet.of_bytes) + _weights(alpha, beta)
    model = kenlm.read_bytes()
    if not model.startswith(KENLM_MAGIC):
        raise UserError(f"{kenlm}: not a KenLM binary of format 5")
    body = const_fst(automaton(sequences), len(model) + len(head))
    path.write_bytes(model + head + body)
    return left_out


def respelled(path: Path, old: Alphabet, new: Alphabet, out: Path) -> list[str]:
    """A finished package for another alphabet; returns the words that it cannot spell. Raises
    UserError."""
    alpha, beta, vocabulary = read(path, old)
    data = path.read_bytes()
    kenlm = out.with_suffix(".binary")
    kenlm.write_bytes(data[: data.rfind(struct.pack("<ii", MAGIC, FILE_VERSION))])
    words = [old.decode(labels).strip() for labels in vocabulary.all()]
    left_out = write(kenlm, words, new, alpha, beta, out)
    kenlm.unlink()
    return left_out


def weighed(package: bytes, alpha: float, beta: float) -> bytes:
    """A finished package with other weights; the same bytes when it has these already."""
    at = package.rfind(struct.pack("<ii", MAGIC, FILE_VERSION)) + 9
    if struct.unpack_from("<dd", package, at) == (alpha, beta):
        return package
    return package[:at] + _weights(alpha, beta) + package[at + 16 :]


def _weights(alpha: float, beta: float) -> bytes:
    """Doubles that hold single floats: the original's flags are such."""
    return struct.pack("<dd", *struct.unpack("<ff", struct.pack("<ff", alpha, beta)))


STATE = np.dtype([("final", "<f4"), ("first", "<u4"), ("count", "<u4"), ("unused", "<u8")])
ARC = np.dtype([("label", "<i4"), ("out", "<i4"), ("weight", "<f4"), ("target", "<i4")])


class Vocabulary:
    """The automaton of a scorer: `next[s]` gives, for label l, the state after it, or -1."""

    def __init__(self, table: np.ndarray, arcs: np.ndarray, classes: int) -> None:
        """`table`: states with first, count, final; `arcs`: with label and target."""
        labels, self._targets = arcs["label"].astype(np.int64), arcs["target"].astype(np.int32)
        self._first, self._count = (table[name].astype(np.int64) for name in ("first", "count"))
        self._labels, self._final = labels, np.isfinite(table["final"])
        self._classes = classes
        # labels that words end with: the space, or last bytes
        self.last = np.unique(labels[self._final[self._targets]]) - 1

    def rows(self, states: np.ndarray) -> np.ndarray:
        """int32 (n,) -> (n, classes): states after each label; a word's end leads to the start."""
        counts = self._count[states]
        found = np.full((len(states), self._classes), -1, np.int32)
        total = int(counts.sum())
        if total:
            row = np.repeat(np.arange(len(states)), counts)
            start = self._first[states] - np.cumsum(counts) + counts
            at = np.arange(total) + np.repeat(start, counts)
            target = self._targets[at]
            found[row, self._labels[at] - 1] = np.where(self._final[target], START, target)
        return found

    def all(self) -> Iterator[list[int]]:
        """Labels of all words, sorted, each with what ends it."""
        waiting: list[tuple[int, list[int]]] = [(START, [])]
        while waiting:
            state, labels = waiting.pop()
            first, count = int(self._first[state]), int(self._count[state])
            for at in range(first + count - 1, first - 1, -1):
                waiting.append((int(self._targets[at]), [*labels, int(self._labels[at]) - 1]))
            if self._final[state] and labels:
                yield labels

    def some(self, count: int) -> Iterator[list[int]]:
        """Labels of words, drawn by chance, always the same ones."""
        rng = np.random.default_rng(0)
        for _ in range(count):
            labels: list[int] = []
            state = START
            while not labels or state != START:
                after = self.rows(np.array([state]))[0]
                labels.append(int(rng.choice(np.flatnonzero(after >= 0))))
                state = int(after[labels[-1]])
            yield labels


def vocabulary_of(machine: Automaton, classes: int) -> Vocabulary:
    """An automaton as `read` gives it."""
    table = np.zeros(len(machine.arcs), STATE)
    table["count"] = [len(leaving) for leaving in machine.arcs]
    table["first"] = np.cumsum(table["count"]) - table["count"]
    table["final"] = np.where(machine.final, 0.0, np.inf)
    arcs = np.zeros(int(table["count"].sum()), ARC)
    pairs = [arc for leaving in machine.arcs for arc in leaving]
    arcs["label"], arcs["target"] = np.array(pairs).T
    return Vocabulary(table, arcs, classes)


def read(path: Path, alphabet: Alphabet | None) -> tuple[float, float, Vocabulary]:
    """(alpha, beta, automaton). Raises UserError, also for more labels than `alphabet` has."""
    try:
        return _parsed(path.read_bytes(), alphabet, path)
    except (struct.error, IndexError, ValueError) as error:
        raise UserError(f"{path}: cut short or damaged ({error})") from error


def _parsed(data: bytes, alphabet: Alphabet | None, path: Path) -> tuple[float, float, Vocabulary]:
    at = data.rfind(struct.pack("<ii", MAGIC, FILE_VERSION))
    if at < 0:
        raise UserError(f"{path}: not a scorer")
    if alphabet and data[at + 8] != alphabet.of_bytes:
        of = (
            "characters, for BYTES_OUTPUT_MODE"
            if data[at + 8]
            else "words: BYTES_OUTPUT_MODE needs one of characters"
        )
        raise UserError(f"{path}: a scorer of {of}")
    alpha, beta = struct.unpack_from("<dd", data, at + 9)
    return (
        alpha,
        beta,
        _read_automaton(data, at + 25, len(alphabet.labels) + 1 if alphabet else sys.maxsize, path),
    )


def _read_automaton(data: bytes, at: int, classes: int, path: Path) -> Vocabulary:
    """OpenFst's ConstFst, as `const_fst` writes it."""
    (magic,) = struct.unpack_from("<i", data, at)
    if magic != FST_MAGIC:
        raise UserError(f"{path}: no automaton behind the language model")
    states, arcs = struct.unpack_from("<qq", data, at + 49)
    start = -(-(at + 65) // 16) * 16
    table = np.frombuffer(data, STATE, states, start)
    start = -(-(start + 20 * states) // 16) * 16
    found = np.frombuffer(data, ARC, arcs, start)
    if not len(found):
        raise UserError(f"{path}: holds no words")
    if int(found["label"].max()) >= classes:
        raise UserError(
            f"{path}: made for another alphabet: labels up to "
            f"{int(found['label'].max())}, not {classes - 1}"
        )
    return Vocabulary(table, found, classes)
