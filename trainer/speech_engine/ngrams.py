"""Language models of commands: one to search with, a longer one to rank again.

Words outside the lexicon are the class HINT, whose members are given at run time. The user's own
text is mixed in linearly, with the weight that fits its held-out part best.
"""

import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.errors import UserError
from trainer.log import log, quiet
from trainer.spoken_code.material import commands
from trainer.text import mixing
from trainer.text.ngram import estimate, text_lines

HINT = "#hint"
SEARCH, RESCORE = "search.arpa", "rescore.arpa"
HELD_OUT = 10  # one line in ten of the user's text chooses its weight
LISTED = 40  # words that are not in the lexicon
NOT_WORDS = re.compile(r"[^a-z' ]+")


@dataclass(frozen=True)
class NgramsPlan:
    """`own`: the user's texts; the rest as in settings."""

    own: Sequence[Path]
    orders: tuple[int, int]
    prunes: tuple[str, str]
    empty_share: float
    memory: str


def count_words(path: Path) -> Counter[str]:
    """Of a corpus."""
    counts: Counter[str] = Counter()
    for _, text in commands(path):
        counts.update(text.split())
    return counts


def own_lines(paths: Sequence[Path]) -> Iterator[str]:
    """The user's commands in small letters. Raises UserError."""
    for path in paths:
        if not path.exists():
            raise UserError(f"LM_TEXT: {path}: no such file")
        for line in text_lines(path):
            plain = " ".join(NOT_WORDS.sub(" ", line.lower()).split())
            if plain:
                yield plain


def in_classes(text: str, known: Collection[str]) -> str:
    """Words outside `known` as HINT."""
    return " ".join(word if word in known else HINT for word in text.split())


def write(corpus: Path, words: Collection[str], plan: NgramsPlan, out: Path) -> None:
    """SEARCH and RESCORE in `out`. Raises ProgramError, UserError."""
    known = frozenset(words)
    text = out / "text.txt"
    with text.open("w", encoding="ascii") as file:
        count = 0
        for _, line in commands(corpus / "train.txt"):
            file.write(in_classes(line, known) + "\n")
            count += 1
        file.write("\n" * int(count * plan.empty_share))
        file.write("".join(f"{word}\n" for word in sorted(known)))
    megabytes = text.stat().st_size >> 20
    log.info("language models of %d MB of text; memory at most %s", megabytes, plan.memory)
    mixed = _own_texts(plan, known, out) if plan.own else None
    for order, prune, name in zip(plan.orders, plan.prunes, (SEARCH, RESCORE), strict=True):
        estimate(text, order, prune, plan.memory, out / name)
        if mixed:
            _mix(out / name, mixed, order, plan.memory, out)
        else:
            _without_unknown(out / name)
    for path in (text, *(mixed or ())):
        path.unlink()


def _own_texts(plan: NgramsPlan, known: Collection[str], out: Path) -> tuple[Path, Path]:
    """(text to learn from, text to choose the weight with)."""
    lines = [in_classes(line, known) for line in own_lines(plan.own)]
    if len(lines) < HELD_OUT:
        raise UserError(
            f"LM_TEXT: {len(lines)} lines; at least {HELD_OUT} are needed to mix them in"
        )
    learned, held = out / "own.txt", out / "own_held_out.txt"
    learned.write_text("".join(f"{one}\n" for n, one in enumerate(lines) if n % HELD_OUT), "ascii")
    held.write_text("".join(f"{one}\n" for one in lines[::HELD_OUT]), "ascii")
    unknown = sum(line.split().count(HINT) for line in lines)
    log.info("LM_TEXT: %d lines; %d words are not in the lexicon", len(lines), unknown)
    return learned, held


def _mix(arpa: Path, mixed: tuple[Path, Path], order: int, memory: str, out: Path) -> None:
    own, both = out / "own.arpa", out / "mixed.arpa"
    estimate(mixed[0], order, "", memory, own)
    weight = mixing.best_weight(arpa, own, mixed[1].read_text("ascii").splitlines())
    log.info("%s: the user's text has a weight of %.2f", arpa.name, 1 - weight)
    mixing.mix(arpa, own, weight, both)
    both.replace(arpa)
    own.unlink()


def _without_unknown(path: Path) -> None:
    """In place: decoders know no word <unk>."""
    lines = path.with_suffix(".tmp")
    with path.open(encoding="utf-8") as given, lines.open("w", encoding="utf-8") as kept:
        for line in given:
            if line.startswith("ngram 1="):
                kept.write(f"ngram 1={int(line.split('=')[1]) - 1}\n")
            elif "<unk>" not in line:
                kept.write(line)
    lines.replace(path)


def perplexity(arpa: Path, path: Path, known: Collection[str]) -> dict[str, Any]:
    """Of a split of the corpus: perplexity a word with the ends of lines, the share of words that
    are not in the lexicon, and the most frequent of these."""
    import kenlm

    with quiet():
        model = kenlm.Model(str(arpa))
    total = words = lines = 0.0
    unknown: Counter[str] = Counter()
    for _, text in commands(path):
        classes = in_classes(text, known)
        total += model.score(classes)
        unknown.update(word for word in text.split() if word not in known)
        words += text.count(" ") + 1
        lines += 1
    ends = max(words + lines, 1)
    return {
        "perplexity": float(10 ** (-total / ends)),
        "out_of_vocabulary": unknown.total() / max(words, 1),
        "unknown": sorted(unknown.items(), key=lambda pair: (-pair[1], pair[0]))[:LISTED],
        "commands": int(lines),
    }
