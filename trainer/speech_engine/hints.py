"""Identifiers that are given at run time: read from a file, cut into words, pronounced."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from trainer.errors import UserError
from trainer.speech_engine import lexicon as lexicons
from trainer.speech_engine.acoustics import pocketsphinx
from trainer.speech_engine.engine import G2P, LEXICON
from trainer.spoken_code.forms import parts
from trainer.text import g2p

IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_'-]*")
MOST = 2000
Hints = dict[str, tuple[str, ...]]


def read(path: Path) -> list[str]:
    """Identifiers of a text: a list, or source code. Any encoding: only ASCII names count.

    Raises UserError when the file has none.
    """
    try:
        text = path.read_bytes().decode("ascii", "replace")
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error
    found = list(dict.fromkeys(IDENTIFIER.findall(text)))
    if not found:
        raise UserError(f"{path}: holds no identifiers: give names of letters, one a line")
    return found


def words_of(identifiers: Iterable[str]) -> list[str]:
    """The words that identifiers consist of, in small letters."""
    words = (w.lower() for one in identifiers for w in parts(one)[2])
    return [w for w in dict.fromkeys(words) if lexicons.WORD.fullmatch(w) and len(w) > 1]


def pronounced(engine: Path, identifiers: Sequence[str]) -> Hints:
    """Words of identifiers that the engine does not know, with pronunciations (none for letters).

    Raises UserError.
    """
    known = lexicons.read(engine / LEXICON)
    unknown = [word for word in words_of(identifiers) if word not in known][:MOST]
    if not (engine / G2P).exists():
        return dict.fromkeys(unknown, ())
    return pronounce(unknown, engine / G2P)


def pronounce(words: Sequence[str], model: Path) -> Hints:
    """By all that is known of English, and by a grapheme-to-phoneme model."""
    acoustics = pocketsphinx.acoustics()
    pronouncer = lexicons.Pronouncer(
        acoustics.dictionary, acoustics.units, {}, lexicons.programming_words()
    )
    found = lexicons.entries(words, {}, pronouncer, lambda some: g2p.predict(model, some))
    return {one.word: one.pronunciations for one in found}
