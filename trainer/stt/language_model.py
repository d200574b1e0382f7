"""The text of the language model: sentences by the rules of transcripts, varied by word classes."""

import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TextIO

from trainer.corpora.utterance import Utterance
from trainer.errors import UserError
from trainer.log import log
from trainer.stt.material import Classes, Text
from trainer.text import scorer
from trainer.text.alphabet import SPACE, Alphabet
from trainer.text.ngram import BINARY, VOCABULARY, text_lines
from trainer.text.rules import AS_WRITTEN, Rules, normal

VARIANTS = 60  # of each transcript; 5 gained half as much as 20, 400 are no better
PACKAGE = "kenlm.scorer"
TEXT, COUNTS = "text.txt", "text.json"
Counts = dict[str, dict[str, int]]  # text -> what became of its sentences


@dataclass(frozen=True)
class TextPlan:
    """How the text is made. `characters`: words are characters (bytes mode); `held_out`:
    sentences of the dev and test sets, which texts must not contain (the splits took care of the
    transcripts); `classes`: transcripts are also varied by them."""

    texts: Sequence[Text]
    rules: Rules
    held_out: frozenset[str]
    characters: bool = False
    classes: Classes = ()
    seed: int = 1


def write_text(plan: TextPlan, trained_on: Sequence[Utterance], path: Path) -> Counts:
    """All texts as one, a sentence a line; returns the counts of sentences by text.

    Raises UserError, also when nothing is left.
    """
    with path.open("w", encoding="utf-8") as out:
        writer = _TextWriter(plan, out)
        for text in plan.texts:
            if isinstance(text.place, Path):
                lines = filter(str.strip, text_lines(text.place))
                sentences = (plan.rules.labels(line) for line in lines)
                writer.write(_name(text.place, plan.texts), sentences, plan.held_out, text.times)
                continue
            # transcripts are labels already
            transcripts = [normal(u.transcript) for u in trained_on if u.transcript.strip()]
            writer.write(text.place, transcripts, frozenset(), text.times)
            if plan.classes:
                name = f"{text.place}, varied"
                writer.write(name, varied(transcripts, plan.classes, plan.seed), plan.held_out)
                if not writer.counts[name]["taken"]:
                    raise UserError("LM_CLASSES has no effect: no transcript has one of its words")
    if not any(found["taken"] for found in writer.counts.values()):
        raise UserError(f"the text of the language model is empty: {', '.join(writer.counts)}")
    return writer.counts


@dataclass
class _TextWriter:
    plan: TextPlan
    out: TextIO
    counts: Counts = field(default_factory=dict)

    def write(
        self, name: str, sentences: Iterable[str | None], held_out: frozenset[str], times: int = 1
    ) -> None:
        """Sentences, each `times` times; None is one that the rules refuse."""
        taken = refused = left_out = 0
        for sentence in sentences:
            if sentence is None:
                refused += 1
                continue
            # lmplz refuses its own marks, which prepared texts may contain
            words = (word for word in sentence.split() if word not in scorer.NOT_WORDS)
            line = " ".join(words) if "<" in sentence else sentence
            line = unspaced(line) if self.plan.characters else line
            if line in held_out:
                left_out += 1
            else:
                taken += 1
                self.out.write(((" ".join(line) if self.plan.characters else line) + "\n") * times)
        name += f", {times} times" if times > 1 else ""
        self.counts[name] = {"taken": taken, "refused": refused, "in dev or test": left_out}
        log.info(
            f"text {name}: {taken} sentences; {refused} refused by the rules, {left_out} left "
            "out because they are in the dev or test set"
        )


def _name(place: Path, texts: Sequence[Text]) -> str:
    """The file's name, or its path where two texts have the same name."""
    same = sum(isinstance(t.place, Path) and t.place.name == place.name for t in texts)
    return place.name if same == 1 else str(place)


def read_classes(path: Path, rules: Rules = AS_WRITTEN) -> Classes:
    """Interchangeable words, one class a line, by the rules of transcripts. Raises UserError."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", "") or "not UTF-8"
        raise UserError(f"LM_CLASSES: {path}: {reason}") from error
    classes: list[tuple[str, ...]] = []
    known: set[str] = set()
    for number, line in enumerate(filter(str.strip, lines), 1):
        words = [rules.labels(word) or "" for word in line.split()]
        where = f"LM_CLASSES: {path}: class {number}"
        if "" in words:
            word = line.split()[words.index("")]
            raise UserError(f"{where}: '{word}' is refused by the rules of transcripts")
        if len(words) < 2:
            raise UserError(f"{where} has one word only, '{words[0]}'")
        for word in words:
            if word in known:
                raise UserError(f"LM_CLASSES: {path}: '{word}' is in two classes")
            known.add(word)
        classes.append(tuple(words))
    if not classes:
        raise UserError(f"LM_CLASSES: {path}: no classes")
    return tuple(classes)


def varied(sentences: Sequence[str], classes: Classes, seed: int) -> Iterator[str]:
    """Each sentence VARIANTS times, with words replaced by others of their class: what a class
    n-gram knows (Brown et al. 1992), as text.

    Words are drawn by the square root of their frequency. Skipped are sentences of single
    characters (spelled names) and those without words of a class.
    """
    frequency = Counter(word for sentence in sentences for word in sentence.split())
    class_of = {word: words for words in classes for word in words}
    weights = {words: [max(frequency[word], 1) ** 0.5 for word in words] for words in classes}
    draw = random.Random(seed)
    for sentence in sentences:
        spoken = sentence.split()
        kinds = [class_of.get(word, (word,)) for word in spoken]
        if any(len(word) > 1 for word in spoken) and any(len(words) > 1 for words in kinds):
            for _ in range(VARIANTS):
                yield " ".join(draw.choices(words, weights.get(words))[0] for words in kinds)


def is_common(text: str) -> bool:
    """Whether a sentence is too short to be recognised as one of the dev or test set: three words
    at most, a spelled word counting as one.

    Single characters are letters where there are small and capital ones; elsewhere they are words,
    and so are two in a row ("il y a").
    """
    letters = groupby(text.split(), lambda word: len(word) == 1 and word.lower() != word.upper())
    runs = ((are_letters, len(list(words))) for are_letters, words in letters)
    return sum(1 if are_letters and length > 2 else length for are_letters, length in runs) <= 3


def unspaced(text: str) -> str:
    """Without spaces: the form of sentences in scorers of characters."""
    return text.replace(SPACE, "")


def pack(folder: Path, alphabet: Alphabet, alpha: float, beta: float, out: Path) -> Path:
    """kenlm.scorer in `out` from what ngram.build left in `folder`. Raises UserError."""
    words = (folder / VOCABULARY).read_text(encoding="utf-8").split()
    package = out / PACKAGE
    left_out = scorer.write(folder / BINARY, words, alphabet, alpha, beta, package)
    if left_out:
        log.warning(
            f"scorer: {len(left_out)} of {len(words)} words have characters outside the alphabet "
            f"and are left out: {', '.join(left_out[:5]) + (' ...' if len(left_out) > 5 else '')}; "
            f"{scorer.ADVICE}"
        )
    return package
