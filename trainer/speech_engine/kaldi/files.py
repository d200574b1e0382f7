"""Reads `tree` and the transition model of `final.mdl`, as text or binary.

Source: Kaldi's event-map.cc, hmm-topology.cc and transition-model.cc.
"""

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.errors import UserError

PDF_CLASS = -1  # a key of events; the others are positions in the window of phones
NO_PDF = -1
Map = tuple[Any, ...]  # ("C", answer) | ("S", key, set, yes, no) | ("T", key, list of maps or None)


class Stream:
    """Tokens and numbers of a Kaldi file."""

    def __init__(self, path: Path) -> None:
        self.path, self._data = path, path.read_bytes()
        self.binary = self._data.startswith(b"\0B")
        self._at = 2 if self.binary else 0

    def fail(self, why: str) -> UserError:
        """What to raise for a file that cannot be read."""
        return UserError(f"ACOUSTIC_MODEL: {self.path}: {why} (at byte {self._at})")

    def token(self) -> str:
        """Up to the next blank."""
        match = re.compile(rb"\s*(\S+)").match(self._data, self._at)
        if match is None:
            raise self.fail("ends too early")
        self._at = match.end() + (1 if self.binary else 0)
        return match[1].decode("latin-1")

    def peek(self) -> str:
        """The next token, not taken."""
        at = self._at
        found = self.token()
        self._at = at
        return found

    def expect(self, *tokens: str) -> str:
        """One of these tokens. Raises UserError."""
        found = self.token()
        if found not in tokens:
            raise self.fail(f"'{found[:30]}' where {' or '.join(tokens)} should be")
        return found

    def integer(self) -> int:
        """An int32."""
        if not self.binary:
            return int(self.token())
        size = abs(struct.unpack_from("<b", self._data, self._at)[0])
        (found,) = struct.unpack_from({4: "<i", 8: "<q"}[size], self._data, self._at + 1)
        self._at += 1 + size
        return int(found)

    def real(self) -> float:
        """A float."""
        if not self.binary:
            return float(self.token())
        size = self._data[self._at]
        (found,) = struct.unpack_from({4: "<f", 8: "<d"}[size], self._data, self._at + 1)
        self._at += 1 + size
        return float(found)

    def integers(self) -> list[int]:
        """A vector of int32."""
        if not self.binary:
            return [int(token) for token in self._listed()]
        count = struct.unpack_from("<i", self._data, self._at + 1)[0]
        values = struct.unpack_from(f"<{count}i", self._data, self._at + 5)
        self._at += 5 + 4 * count
        return list(values)

    def _listed(self) -> Iterator[str]:
        """Of a vector in text form."""
        self.expect("[")
        while (token := self.token()) != "]":
            yield token

    def reals(self) -> list[float]:
        """A vector of float or double."""
        if not self.binary:
            return [float(token) for token in self._listed()]
        kind = self.expect("FV", "DV")
        count = self.integer()
        code = "f" if kind == "FV" else "d"
        values = struct.unpack_from(f"<{count}{code}", self._data, self._at)
        self._at += count * struct.calcsize(code)
        return list(values)


@dataclass(frozen=True)
class Tree:
    """Which pdf a phone has in its context. `width`, `central`: of the window of phones."""

    width: int
    central: int
    to_pdf: Map

    def pdf(self, window: list[int], pdf_class: int) -> int:
        """Of the phone in the middle of a window. Raises KeyError for a window it does not know."""
        event = {PDF_CLASS: pdf_class, **dict(enumerate(window))}
        return _answer(self.to_pdf, event)


def _answer(found: Map | None, event: Mapping[int, int]) -> int:
    while found is not None:
        if found[0] == "C":
            return int(found[1])
        value = event[found[1]]
        if found[0] == "S":
            found = found[3] if value in found[2] else found[4]
        else:
            found = found[2][value] if 0 <= value < len(found[2]) else None
    raise KeyError(tuple(event.items()))


def read_tree(path: Path) -> Tree:
    """Raises UserError."""
    stream = Stream(path)
    try:
        stream.expect("ContextDependency")
        width, central = stream.integer(), stream.integer()
        stream.expect("ToPdf")
        found = _event_map(stream)
        stream.expect("EndContextDependency")
    except (struct.error, ValueError, KeyError) as error:
        raise stream.fail(f"not a tree of Kaldi ({error})") from error
    if found is None:
        raise stream.fail("an empty tree")
    return Tree(width, central, found)


def _event_map(stream: Stream) -> Map | None:
    kind = stream.expect("NULL", "CE", "SE", "TE")
    if kind == "NULL":
        return None
    if kind == "CE":
        return "C", stream.integer()
    key = stream.integer()
    if kind == "SE":
        chosen = frozenset(stream.integers())
        stream.expect("{")
        yes, no = _event_map(stream), _event_map(stream)
        stream.expect("}")
        return "S", key, chosen, yes, no
    count = stream.integer()
    stream.expect("(")
    table = [_event_map(stream) for _ in range(count)]
    stream.expect(")")
    return "T", key, table


@dataclass(frozen=True)
class State:
    """A state of a phone's model: its pdf classes (NO_PDF: emits nothing) and (state, probability)
    of its transitions."""

    forward: int
    loop: int
    transitions: tuple[tuple[int, float], ...]


@dataclass(frozen=True)
class Transitions:
    """`states` of each phone; `first`: the first transition id of (phone, state, forward pdf, pdf
    of the loop); `costs` by transition id."""

    states: Mapping[int, tuple[State, ...]]
    first: Mapping[tuple[int, int, int, int], int]
    costs: tuple[float, ...]


def read_transitions(path: Path) -> Transitions:
    """Of final.mdl. Raises UserError."""
    stream = Stream(path)
    try:
        stream.expect("<TransitionModel>")
        stream.expect("<Topology>")
        states = _binary_topology(stream) if stream.binary else _text_topology(stream)
        kind = stream.expect("<Triples>", "<Tuples>")
        rows = []
        for _ in range(stream.integer()):
            phone, state, forward = stream.integer(), stream.integer(), stream.integer()
            rows.append(
                (phone, state, forward, stream.integer() if kind == "<Tuples>" else forward)
            )
        stream.expect(f"</{kind[1:]}")
        stream.expect("<LogProbs>")
        logs = stream.reals()
    except (struct.error, ValueError, KeyError, IndexError) as error:
        raise stream.fail(f"no transition model of Kaldi ({error})") from error
    first, number = {}, 1
    for row in rows:
        first[row] = number
        number += len(states[row[0]][row[1]].transitions)
    return Transitions(states, first, tuple(-value for value in logs))


def _text_topology(stream: Stream) -> dict[int, tuple[State, ...]]:
    found: dict[int, tuple[State, ...]] = {}
    while stream.expect("<TopologyEntry>", "</Topology>") == "<TopologyEntry>":
        stream.expect("<ForPhones>")
        phones = []
        while (tag := stream.token()) != "</ForPhones>":
            phones.append(int(tag))
        states = []
        while stream.expect("<State>", "</TopologyEntry>") == "<State>":
            stream.integer()
            forward = loop = NO_PDF
            transitions = []
            while (tag := stream.token()) != "</State>":
                if tag == "<PdfClass>":
                    forward = loop = stream.integer()
                elif tag == "<ForwardPdfClass>":
                    forward = stream.integer()
                elif tag == "<SelfLoopPdfClass>":
                    loop = stream.integer()
                elif tag == "<Transition>":
                    transitions.append((stream.integer(), stream.real()))
                else:
                    raise ValueError(tag)
            states.append(State(forward, loop, tuple(transitions)))
        found |= dict.fromkeys(phones, tuple(states))
    return found


def _binary_topology(stream: Stream) -> dict[int, tuple[State, ...]]:
    phones, entry_of = stream.integers(), stream.integers()
    count, of_hmms = stream.integer(), True
    if count == -1:  # forward and loop have classes of their own (chain models)
        count, of_hmms = stream.integer(), False
    entries = []
    for _ in range(count):
        states = []
        for _ in range(stream.integer()):
            forward = stream.integer()
            loop = forward if of_hmms else stream.integer()
            pairs = [(stream.integer(), stream.real()) for _ in range(stream.integer())]
            states.append(State(forward, loop, tuple(pairs)))
        entries.append(tuple(states))
    stream.expect("</Topology>")
    return {phone: entries[entry_of[phone]] for phone in phones}
