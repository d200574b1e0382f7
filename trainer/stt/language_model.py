"""An n-gram language model as a `.scorer`: KenLM's lmplz, filter and build_binary, and the packer."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from trainer.export import scorer
from trainer.programs import ProgramError, run
from trainer.readers import Utterance
from trainer.stt import sources
from trainer.text import SPACE, Alphabet, Rules, TextError, normal

log = logging.getLogger("trainer")
VARIANTS = 60  # of each transcript; 5 gained half as much as 20, 400 are no better
Classes = tuple[tuple[str, ...], ...]
BINARY, VOCABULARY, PACKAGE = "lm.binary", "vocabulary.txt", "kenlm.scorer"
TEXT, COUNTS = "text.txt", "text.json"
STAGES = "=== (.*) ==="  # as lmplz tells them


@dataclass(frozen=True)
class LanguageModelPlan:
    """What KenLM is told; names and defaults of the original `generate_lm.py`."""

    top_k: int
    order: int
    prune: str
    memory: str
    pointer_bits: int
    quantization_bits: int


def write_text(
    path: Path, texts: Sequence[Path | str], rules: Rules | None, held_out: set[str], trained_on: Sequence[Utterance],
    characters: bool = False, classes: Classes = (), seed: int = 1, times: Mapping[Path | str, int] | None = None,
) -> dict[str, dict[str, int]]:
    """All texts as one, a sentence a line, by the same rules as transcripts; sentences of the dev and test sets are left out of texts (of
    transcripts the splits took care). `characters`: they are the words, for a model of bytes. `classes`: transcripts are varied by them too.
    `times`: how often the sentences of a text count, if not once.

    Returns the counts of lines by text: taken, refused by the rules, left out. Raises CorpusError, TextError when nothing is left.
    """
    counts = {}
    with path.open("w", encoding="utf-8") as out:

        def write(name: str, sentences: Iterable[str | None], held_out: set[str], times: int = 1) -> None:
            taken = refused = left_out = 0
            for sentence in sentences:
                if sentence is None:
                    refused += 1
                    continue
                # lmplz refuses its own marks, which prepared texts may hold
                said = " ".join(word for word in sentence.split() if word not in scorer.NOT_WORDS) if "<" in sentence else sentence
                said = unspaced(said) if characters else said
                if said in held_out:
                    left_out += 1
                else:
                    taken += 1
                    out.write(((" ".join(said) if characters else said) + "\n") * times)
            name += f", {times} times" if times > 1 else ""
            counts[name] = {"taken": taken, "refused": refused, "in dev or test": left_out}
            log.info("text %s: %d sentences, %d refused by the rules, %d left out: they are in the dev or test set", name, taken, refused, left_out)

        for text in texts:
            often = (times or {}).get(text, 1)
            if isinstance(text, Path):
                lines = filter(str.strip, sources.text_lines(text))
                name = text.name if sum(isinstance(other, Path) and other.name == text.name for other in texts) == 1 else str(text)
                write(name, (rules.labels(line) if rules else normal(line) for line in lines), held_out, often)
                continue
            said = [normal(u.transcript) for u in trained_on if u.transcript.strip()]  # they are labels already
            write(text, said, set(), often)
            if classes:
                write(f"{text}, varied", varied(said, classes, seed), held_out)
                if not counts[f"{text}, varied"]["taken"]:
                    raise TextError("LM_CLASSES has no effect: no transcript holds one of its words")
    if not any(found["taken"] for found in counts.values()):
        raise TextError(f"the text of the language model is empty: {', '.join(counts)}")
    return counts


def read_classes(path: Path, rules: Rules | None = None) -> Classes:
    """Words that may stand for each other, one class a line, by the rules of transcripts. Raises TextError."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TextError(f"LM_CLASSES: {path}: {getattr(error, 'strerror', '') or 'not UTF-8'}") from error
    classes: list[tuple[str, ...]] = []
    known: set[str] = set()
    for number, line in enumerate(filter(str.strip, lines), 1):
        words = [(rules.labels(word) if rules else normal(word)) or "" for word in line.split()]
        if "" in words:
            raise TextError(f"LM_CLASSES: {path}: class {number}: '{line.split()[words.index('')]}' is refused by the rules of transcripts")
        if len(words) < 2:
            raise TextError(f"LM_CLASSES: {path}: class {number} is one word, '{words[0]}': nothing can stand for it")
        for word in words:
            if word in known:
                raise TextError(f"LM_CLASSES: {path}: '{word}' is there twice: a word has one class")
            known.add(word)
        classes.append(tuple(words))
    if not classes:
        raise TextError(f"LM_CLASSES: {path}: no classes")
    return tuple(classes)


def varied(sentences: Sequence[str], classes: Classes, seed: int) -> Iterator[str]:
    """Each sentence VARIANTS times, its words replaced by others of their class: what a class n-gram knows (Brown et al. 1992), as text.

    Words are drawn by the root of how often they were said. Sentences of single characters, spelled names, would be noise, and those
    without words of a class the same again: both are passed over.
    """
    said = Counter(word for sentence in sentences for word in sentence.split())
    class_of = {word: words for words in classes for word in words}
    weights = {words: [max(said[word], 1) ** 0.5 for word in words] for words in classes}
    draw = random.Random(seed)
    for sentence in sentences:
        spoken = sentence.split()
        kinds = [class_of.get(word, (word,)) for word in spoken]
        if any(len(word) > 1 for word in spoken) and any(len(words) > 1 for words in kinds):
            for _ in range(VARIANTS):
                yield " ".join(draw.choices(words, weights.get(words))[0] for words in kinds)


def said_by_anybody(text: str) -> bool:
    """Whether it is so short that it need not come from a dev or test set: three words at most, one that is spelled counting as one.

    Single characters are letters where there are small and capital ones; elsewhere they are words, and so are two together ("il y a").
    """
    letters = groupby(text.split(), lambda word: len(word) == 1 and word.lower() != word.upper())
    runs = ((are_letters, len(list(words))) for are_letters, words in letters)
    return sum(1 if are_letters and length > 2 else length for are_letters, length in runs) <= 3


def unspaced(text: str) -> str:
    """As scorers of characters know it."""
    return text.replace(SPACE, "")


def build(text: Path, plan: LanguageModelPlan, out: Path) -> None:
    """lm.binary and vocabulary.txt in `out` from `text`, one normalised sentence a line. Raises ProgramError.

    A small text has too few n-grams for Kneser-Ney's discounts: lmplz is then run again with --discount_fallback.
    """
    words = scorer.vocabulary(sources.text_lines(text), plan.top_k)
    if not words:
        raise ProgramError(f"{text}: the text of the language model is empty")
    listed, arpa, filtered = out / VOCABULARY, out / "lm.arpa", out / "lm_filtered.arpa"
    listed.write_text(" ".join(words) + "\n", encoding="utf-8")
    command = ["lmplz", "--order", str(plan.order), "--temp_prefix", f"{out}/", "--memory", plan.memory, "--text", str(text), "--arpa", str(arpa)]
    if plan.prune.split():
        command += ["--prune", *plan.prune.split()[: plan.order]]
    try:
        run(command, stages=STAGES)
    except ProgramError as error:
        if "discount" not in str(error).lower():
            raise
        log.warning("too few different n-grams for Kneser-Ney (of %d words): fixed discounts are used (--discount_fallback)", len(words))
        run([*command, "--discount_fallback"], stages=STAGES)
    run(["filter", "single", f"model:{arpa}", str(filtered)], given=listed)
    # -v: without the words' strings, behind which clients would not find the automaton
    run(["build_binary", "-a", str(plan.pointer_bits), "-q", str(plan.quantization_bits), "-v", "trie", str(filtered), str(out / BINARY)])
    arpa.unlink()
    filtered.unlink()


def pack(folder: Path, alphabet: Alphabet, alpha: float, beta: float, out: Path) -> Path:
    """kenlm.scorer in `out` from what `build` left in `folder`. Raises TextError."""
    words = (folder / VOCABULARY).read_text(encoding="utf-8").split()
    package = out / PACKAGE
    left_out = scorer.write(folder / BINARY, words, alphabet, alpha, beta, package)
    if left_out:
        log.warning("scorer: %d of %d words have characters outside the alphabet and are left out: %s; %s", len(left_out), len(words),
                    _some(left_out), scorer.ADVICE)
    return package


def _some(words: Sequence[str]) -> str:
    return ", ".join(words[:5]) + (" ..." if len(words) > 5 else "")
