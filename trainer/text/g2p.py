"""Grapheme to phoneme: a model learned from a dictionary (Phonetisaurus: Novak et al. 2016)."""

import math
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from trainer.errors import UserError
from trainer.programs import run

ALTERNATIVES = 3
LETTERS = re.compile(r"[a-z']+")


def programs() -> Mapping[str, str]:
    """The environment in which the programs of Phonetisaurus and MITLM are found."""
    try:
        import phonetisaurus
    except ModuleNotFoundError as error:
        raise UserError("phonetisaurus is not installed here: the train image has it") from error
    own = phonetisaurus.guess_environment()
    return {**os.environ, **own, "PATH": f"{own['PATH']}:{os.defpath}"}


def train(lexicon: Mapping[str, Sequence[str]], path: Path) -> None:
    """A model from words and their pronunciations (phones separated by spaces).

    The alignment runs in one thread and has no randomness: the same lexicon gives the same model.
    """
    with tempfile.TemporaryDirectory() as name:  # not beside `path`: a kill would leave it there
        folder = Path(name)
        listed = folder / "lexicon.txt"
        rows = ((word, p) for word in sorted(lexicon) for p in lexicon[word])
        listed.write_text("".join(f"{word}\t{p}\n" for word, p in rows), encoding="ascii")
        _run(["phonetisaurus-train", "--lexicon", str(listed), "--seq2_del"], folder)
        shutil.copyfile(folder / "train" / "model.fst", path)


def predict(model: Path, words: Sequence[str]) -> dict[str, tuple[tuple[str, ...], float]]:
    """(pronunciations, the best first; probability of the best among them) of each word; words
    whose letters the model does not know are missing."""
    if not words:
        return {}
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "words.txt"
        listed.write_text("".join(f"{word}\n" for word in words), encoding="ascii")
        options = ["--beam=500", "--thresh=99", "--print_scores=true", f"--nbest={ALTERNATIVES}"]
        command = ["phonetisaurus-g2pfst", f"--model={model}", f"--wordlist={listed}", *options]
        text = _run(command, Path(folder))
    found: dict[str, list[tuple[float, str]]] = {}
    for line in text.splitlines():
        word, cost, phones = (*line.split("\t"), "", "")[:3]
        if phones:
            found.setdefault(word, []).append((float(cost), phones.strip()))
    return {word: _ranked(some) for word, some in found.items()}


def _ranked(some: list[tuple[float, str]]) -> tuple[tuple[str, ...], float]:
    some.sort()
    weights = [math.exp(some[0][0] - cost) for cost, _ in some]
    return tuple(dict.fromkeys(phones for _, phones in some)), weights[0] / sum(weights)


def _run(command: list[str], folder: Path) -> str:
    """Phonetisaurus' programs find each other on PATH."""
    return run(command, timeout_seconds=7200, environment=programs(), folder=folder)
