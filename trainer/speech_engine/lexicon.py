"""Which words the engine knows, and how each is pronounced.

In order: the user's corrections, our list of programming words, the acoustic model's dictionary,
compounds of known words, letters, and last grapheme-to-phoneme conversion (trainer.text.g2p).
"""

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from trainer.errors import UserError
from trainer.log import log

WORDS = Path(__file__).parent / "words"
VOWELS = set("aeiou")
WORD = re.compile(r"[a-z][a-z']*")
IN_ENGINE = Path("lang") / "lexicon.txt"  # in the folder of an engine
Lexicon = dict[str, list[str]]  # word -> pronunciations: phones separated by spaces
# words -> (pronunciations, probability of the first)
Guesser = Callable[[Sequence[str]], Mapping[str, tuple[tuple[str, ...], float]]]
MOST_PRONUNCIATIONS = 4
SHORTEST_PART = 3
LONGEST_ABBREVIATION = 4  # guessed words of so few letters may also be spelled


@dataclass(frozen=True)
class Entry:
    """A word, its pronunciations, where these come from, and how certain they are (0 to 1)."""

    word: str
    pronunciations: tuple[str, ...]
    source: str
    confidence: float
    count: int


def profane() -> frozenset[str]:
    """Words that no engine learns."""
    return frozenset((WORDS / "profanity.txt").read_text(encoding="ascii").split())


def vocabulary(
    counts: Mapping[str, int], most: int, least: int, own: Mapping[str, int] = {}
) -> list[str]:
    """The most frequent words of a corpus, ties by alphabet; letters, and the words of the user's
    `own` text, are always among them."""
    refused = profane()
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    usual = (word for word in _by_count(counts) if counts[word] >= least)
    words = [w for w in (*_by_count(own), *usual) if WORD.fullmatch(w) and w not in refused]
    return list(dict.fromkeys([*letters, *words]))[:most]


def _by_count(counts: Mapping[str, int]) -> list[str]:
    return sorted(counts, key=lambda word: (-counts[word], word))


def frequent(dictionary: Lexicon, most: int) -> Lexicon:
    """The most usual English words of a dictionary: what pronunciations are learned from."""
    from wordfreq import zipf_frequency

    words = [word for word in dictionary if word.isalpha() and len(word) > 1]
    words.sort(key=lambda word: (-zipf_frequency(word, "en"), word))
    return {word: dictionary[word] for word in words[:most]}


@cache
def programming_words() -> dict[str, tuple[str, ...]]:
    """Our list: word -> pronunciations, as phones or as words and letters that sound so."""
    return _read(WORDS / "programming.csv")


def corrections(folder: Path) -> dict[str, tuple[str, ...]]:
    """The user's own pronunciations: all CSV files (word,pronunciation) of a folder.

    Raises UserError.
    """
    found: dict[str, tuple[str, ...]] = {}
    for path in sorted(folder.glob("*.csv")):
        for word, given in _read(path).items():
            found[word] = (*found.get(word, ()), *given)
    return found


def _read(path: Path) -> dict[str, tuple[str, ...]]:
    found: dict[str, list[str]] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            if not {"word", "pronunciation"} <= set(table.fieldnames or ()):
                raise UserError(f"{path}: its first line must be word,pronunciation")
            for row in table:
                word, given = (row["word"] or "").strip().lower(), row["pronunciation"] or ""
                if not WORD.fullmatch(word) or not given.strip():
                    raise UserError(
                        f"{path}, line {table.line_num}: a word of letters and a pronunciation "
                        f"are needed, not '{word},{given}'"
                    )
                found.setdefault(word, []).append(" ".join(given.split()))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: not a table in UTF-8 ({error})") from error
    return {word: tuple(given) for word, given in found.items()}


class Pronouncer:
    """Finds pronunciations in what is known, before anything is guessed."""

    def __init__(
        self,
        dictionary: Lexicon,
        phones: Iterable[str],
        own: Mapping[str, tuple[str, ...]],
        ours: Mapping[str, tuple[str, ...]],
    ) -> None:
        """`phones`: of the acoustic model; `own`: the user's corrections; `ours`: our list."""
        self.dictionary, self.phones = dictionary, frozenset(phones)
        self.own, self.ours = own, ours

    def known(self, word: str) -> tuple[tuple[str, ...], str, float]:
        """(pronunciations, source, confidence); empty if the word must be guessed."""
        if word in self.own:
            return self._resolved(self.own[word], f"correction of '{word}'"), "correction", 1.0
        if word in self.ours:
            found = self._resolved(self.ours[word], "")
            if found:
                return found, "programming words", 1.0
        if word in self.dictionary:
            return tuple(self.dictionary[word][:MOST_PRONUNCIATIONS]), "dictionary", 1.0
        if parts := self._parts(word):
            joined = " ".join(self.dictionary[p][0] for p in parts)
            return (joined,), "compound", 0.8
        if len(word) > 1 and not VOWELS & set(word):
            return (self.spelled(word),), "letters", 0.5
        return (), "", 0.0

    def spelled(self, word: str) -> str:
        """The names of a word's letters."""
        return " ".join(self.dictionary[c][-1 if c == "a" else 0] for c in word if c != "'")

    def _resolved(self, given: Sequence[str], where: str) -> tuple[str, ...]:
        """Phones of pronunciations written as phones, words or letters. Raises UserError where a
        correction uses what the acoustic model does not have."""
        found = []
        for one in given:
            phones = self._phones_of(one)
            if phones is None and where:
                raise UserError(
                    f"{where}: '{one}' is neither phones of the acoustic model "
                    f"({' '.join(sorted(self.phones))}) nor words of its dictionary"
                )
            if phones is not None:
                found.append(phones)
        return tuple(dict.fromkeys(found))

    def _phones_of(self, given: str, depth: int = 0) -> str | None:
        found = []
        for part in given.split():
            if part in self.phones:
                found.append(part)
            elif part == "a":
                found.append(self.dictionary["a"][-1])
            elif part in self.dictionary:
                found.append(self.dictionary[part][0])
            elif part in self.ours and depth < 3:
                inner = self._phones_of(self.ours[part][0], depth + 1)
                if inner is None:
                    return None
                found.append(inner)
            else:
                return None
        return " ".join(found)

    def _parts(self, word: str) -> tuple[str, ...]:
        """Two dictionary words that a word consists of, the most usual pair, or nothing."""
        from wordfreq import zipf_frequency

        cuts = range(SHORTEST_PART, len(word) - SHORTEST_PART + 1)
        pairs = [(word[:i], word[i:]) for i in cuts]
        good = [
            (zipf_frequency(a, "en") + zipf_frequency(b, "en"), (a, b))
            for a, b in pairs
            if a in self.dictionary and b in self.dictionary
        ]
        best = max(good, default=(0.0, ()))
        return best[1] if best[0] > 7.5 else ()


def entries(
    words: Sequence[str], counts: Mapping[str, int], pronouncer: Pronouncer, guess: Guesser
) -> list[Entry]:
    """An entry for each word that can be pronounced."""
    found: dict[str, Entry] = {}
    unknown = []
    for word in words:
        pronunciations, source, confidence = pronouncer.known(word)
        if pronunciations:
            found[word] = Entry(word, pronunciations, source, confidence, counts.get(word, 0))
        else:
            unknown.append(word)
    for word, (guessed, confidence) in guess(unknown).items():
        short = (pronouncer.spelled(word),) if len(word) <= LONGEST_ABBREVIATION else ()
        if guessed or short:
            count = counts.get(word, 0)
            found[word] = Entry(word, (*guessed, *short), "guessed", confidence, count)
    kinds = Counter(one.source for one in found.values())
    log.info("lexicon: %d words: %s", len(found), ", ".join(f"{n} {k}" for k, n in kinds.items()))
    return [found[word] for word in words if word in found]


def spelled_entries(
    words: Sequence[str], counts: Mapping[str, int], units: Sequence[str]
) -> list[Entry]:
    """Entries of an acoustic model whose units are letters."""
    letters = set(units)
    found = [
        Entry(word, (" ".join(word),), "letters", 1.0, counts.get(word, 0))
        for word in words
        if set(word) <= letters
    ]
    log.info("lexicon: %d words, spelled in the acoustic model's letters", len(found))
    return found


def write(found: Sequence[Entry], out: Path, review_below: float) -> None:
    """lexicon.txt (word, phones), lexicon.csv with sources, review.csv with the doubtful ones."""
    with (out / "lexicon.txt").open("w", encoding="ascii") as file:
        for one in sorted(found, key=lambda e: e.word):
            file.writelines(f"{one.word} {p}\n" for p in one.pronunciations)
    header = ("word", "pronunciation", "source", "confidence", "count")
    doubtful = sorted(
        (e for e in found if e.confidence < review_below), key=lambda e: (-e.count, e.word)
    )
    for name, some in (("lexicon.csv", found), ("review.csv", doubtful)):
        with (out / name).open("w", newline="", encoding="ascii") as file:
            table = csv.writer(file)
            table.writerow(header)
            for one in some:
                for p in one.pronunciations:
                    row = (one.word, p, one.source, f"{one.confidence:.2f}", one.count)
                    table.writerow(row)


def read(path: Path) -> Lexicon:
    """lexicon.txt."""
    found: Lexicon = {}
    for line in path.read_text(encoding="ascii").splitlines():
        word, _, phones = line.partition(" ")
        found.setdefault(word, []).append(phones)
    return found
