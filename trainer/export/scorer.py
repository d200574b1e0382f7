"""`.scorer`: a KenLM binary, a header of 25 bytes, and the vocabulary as an OpenFst automaton, as DeepSpeech 0.9.3 packs it.

The automaton holds each word's labels (index + 1) followed by the space's, in bytes mode the bytes of each character; it is made minimal
while it is built from the sorted words (Daciuk et al. 2000), which gives the machine that OpenFst's Determinize and Minimize give.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from trainer.text import SPACE, Alphabet, TextError

MAGIC, FILE_VERSION = 0x54524945, 6
KENLM_MAGIC = b"mmap lm http://kheafield.com/code format version 5\n\0"
# expanded, acceptor, deterministic, no epsilons, label sorted, unweighted, acyclic, accessible, co-accessible
PROPERTIES = 0xA5AA5A950001
FST_MAGIC, ALIGNED = 2125659606, 4
NOT_WORDS = {"<s>", "</s>", "<unk>"}
ADVICE = "give LM_TEXT as transcripts are written (mostly lower case, no punctuation), or rules that make it so (VALIDATE_RULES)"
Arcs = tuple[tuple[int, int], ...]  # (label, state) sorted by label


@dataclass(frozen=True)
class Automaton:
    """States numbered from the start; `arcs[s]` leaves state s."""

    arcs: list[Arcs]
    final: list[bool]

    def accepts(self, labels: Iterable[int]) -> bool:
        """Whether the labels are one of its words."""
        state = 0
        for label in labels:
            found = dict(self.arcs[state]).get(label)
            if found is None:
                return False
            state = found
        return self.final[state]


def spelled(words: Iterable[str], alphabet: Alphabet) -> tuple[list[tuple[int, ...]], list[str]]:
    """(labels of each word with the space after it, sorted; words that the alphabet cannot spell). Of bytes: no space."""
    if SPACE not in alphabet.labels:
        raise TextError("the alphabet has no space: a scorer of words needs one")
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
    return Automaton([tuple((label, number[t]) for label, t in sorted(arcs[s].items())) for s in order], [final[s] for s in order])


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


def write(kenlm: Path, words: Iterable[str], alphabet: Alphabet, alpha: float, beta: float, path: Path) -> list[str]:
    """The package; returns the words that the alphabet cannot spell. Raises TextError when no word is left.

    `kenlm`: made by `build_binary -v` (without the vocabulary's strings, or clients find no automaton behind it).
    """
    sequences, left_out = spelled(words, alphabet)
    if not sequences:
        raise TextError(f"none of the language model's words can be spelled with the alphabet, such as '{left_out[0]}': {ADVICE}")
    head = struct.pack("<iiB", MAGIC, FILE_VERSION, alphabet.of_bytes) + _weights(alpha, beta)
    model = kenlm.read_bytes()
    if not model.startswith(KENLM_MAGIC):
        raise TextError(f"{kenlm}: no KenLM binary of format 5")
    body = const_fst(automaton(sequences), len(model) + len(head))
    path.write_bytes(model + head + body)
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


def vocabulary(text: Iterable[str], top_k: int) -> list[str]:
    """The `top_k` most frequent words, most frequent first (ties by the alphabet)."""
    from collections import Counter

    counts = Counter(word for line in text for word in line.split())
    return [word for word, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:top_k]]
