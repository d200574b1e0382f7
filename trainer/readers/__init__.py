"""Corpora as utterances: one file a corpus, each `read(folder or file) -> Iterator[Utterance]`."""

from __future__ import annotations

from dataclasses import dataclass


class ReaderError(Exception):
    """A corpus whose layout is not what it should be; one line."""


@dataclass(frozen=True)
class Utterance:
    """One clip and what is said in it. `split`: the official one, or empty."""

    path: str
    transcript: str
    speaker: str = ""
    split: str = ""
