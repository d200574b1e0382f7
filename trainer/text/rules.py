"""Rules of transcripts: how a language's written sentences become labels."""

import re
import tomllib
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.errors import UserError
from trainer.text import characters

TURKIC = ("tr", "az", "crh", "gag")  # with a dotless i


def normal(text: str) -> str:
    """NFC with single spaces and without invisible characters: one form of equal-looking text
    (such as decomposed accents, or a soft hyphen inside a word)."""
    return " ".join(characters.visible(text).split())


def lowered(text: str, language: str = "") -> str:
    """Lower case as the language has it: I becomes \u0131 in Turkish. NFC."""
    if language.split("-", maxsplit=1)[0] in TURKIC:
        text = text.replace("I\u0307", "i").replace("\u0130", "i").replace("I", "\u0131")
    # elsewhere the small form of \u0130 is an i with a dot above it
    return unicodedata.normalize("NFC", text.lower().replace("i\u0307", "i"))


@dataclass(frozen=True)
class Rules:
    """How sentences become labels, in transcripts and in the text of the language model.

    In this order: `replace` where it has capitals, lower case as `casing` (a language) has it,
    `number` (a language in which numbers are spelled out), `replace` (longest first), `refuse`,
    `space`, `drop`, `fold`. Source of the defaults: `validate_label` of DeepSpeech's importers and
    of commonvoice-fr.
    """

    refuse: str = "0123456789(<[]&*{"  # sentences with these are refused: pronunciation unknown
    space: str = "-_\u2013\u2014\u2026/"
    drop: str = '.,;?!:"\u00ab\u00bb\u201c\u201d\u201e'
    replace: tuple[tuple[str, str], ...] = (("\u2019", "'"),)
    number: str = ""  # a language of num2words
    fold: bool = False  # to ASCII letters (English-compatible alphabets)
    casing: str = ""
    lower: bool = True
    composed: tuple[tuple[str, str], ...] = ()  # spellings of an alphabet: see `composed`

    def labels(self, text: str) -> str | None:
        """The sentence as it is trained on; None when it is refused or nothing is left."""
        return self.apply(text)[0] or None

    def apply(self, text: str) -> tuple[str, str]:
        """(labels, empty), or (empty, why the sentence is refused)."""
        text = normal(text)
        if self.lower:
            for old, new in self._replaced(with_capitals=True):
                text = text.replace(old, new)
            text = lowered(text, self.casing)
        if self.number:
            text = spoken_numbers(text, self.number)
        for old, new in self._replaced(with_capitals=not self.lower):
            text = text.replace(old, new)
        if unknown := sorted(set(self.refuse) & set(text)):
            return "", f"refused by the rules of transcripts (contains {_listed(unknown)})"
        text = text.translate({ord(c): " " for c in self.space} | {ord(c): None for c in self.drop})
        if self.fold:
            if lost := letters_lost(text):
                return "", f"letters that have no ASCII form ({_listed(lost)})"
            text = folded(text)
        for old, new in self.composed:
            text = text.replace(old, new)
        found = " ".join(text.split())
        return found, "" if found else "nothing is left by the rules of transcripts"

    def _replaced(self, with_capitals: bool) -> list[tuple[str, str]]:
        """Pairs of `replace`, longest first: those with capitals, or (without `lower`: also) the
        others."""
        pairs = sorted(self.replace, key=lambda pair: -len(pair[0]))
        if not self.lower:
            return pairs
        return [p for p in pairs if (p[0] != p[0].lower()) == with_capitals]


AS_WRITTEN = Rules(refuse="", space="", drop="", replace=(), lower=False)


def _listed(found: Sequence[str]) -> str:
    return " ".join(map(characters.shown, found))


@dataclass(frozen=True)
class Example:
    """A sentence and its labels, None when it is refused."""

    given: str
    labels: str | None


def read_rules(path: Path) -> tuple[Rules, list[Example]]:
    """From a TOML file: fields of `Rules`, and `[[examples]]` with `given` and `labels` (without:
    refused). Raises UserError."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        examples = [Example(e["given"], e.get("labels")) for e in table.pop("examples", [])]
        pairs = tuple(
            (unicodedata.normalize("NFC", a), b) for a, b in table.pop("replace", {}).items()
        )
        rules = Rules(**table, replace=pairs)
        _check(rules, path)
        return rules, examples
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: {error}; known keys: {', '.join(Rules.__dataclass_fields__)} and examples"
        ) from error


def _check(rules: Rules, path: Path) -> None:
    """Raises UserError for rules that can never match, as sentences are in lower case by then."""
    for name in ("refuse", "space", "drop"):
        if never := [c for c in getattr(rules, name) if rules.lower and c != c.lower()]:
            raise UserError(
                f"{path}: {name} has capitals ({_listed(never)}), which never match: sentences are "
                "in lower case by then"
            )
    olds = [lowered(old, rules.casing) for old, _ in rules.replace]
    if "" in olds:
        raise UserError(f"{path}: [replace] has an empty key")


def composed(labels: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """(NFC, label) of labels that NFC takes apart, such as Bengali U+09DC (composition exclusions):
    transcripts must be spelled as the alphabet is."""
    pairs = ((unicodedata.normalize("NFC", label), label) for label in labels)
    return tuple((nfc, label) for nfc, label in pairs if nfc != label)


def letters_lost(text: str) -> list[str]:
    """Letters and marks that `folded` would drop without a trace."""
    letters = {c for c in characters.plain(text) if c.isalnum() and not c.isascii()}
    return sorted(letters)


def folded(text: str) -> str:
    """ASCII letters: NFKD without marks, ligatures spelled out, other characters dropped."""
    return characters.plain(text).encode("ascii", "ignore").decode()


def spoken_numbers(text: str, language: str) -> str:
    """Numbers as words, also "12 000", "12.000" and "3,5" (in English commas group digits).

    Dates and versions stay. Raises UserError for a language that num2words does not know.
    """
    from num2words import num2words

    group, point = (",", ".") if language.startswith("en") else (".", ",")

    def words(found: re.Match[str]) -> str:
        digits = re.sub(r"[\s\u00a0\u202f]", "", found[0])
        if re.fullmatch(rf"\d{{1,3}}(\{group}\d{{3}})+(\{point}\d+)?", digits):
            digits = digits.replace(group, "")
        digits = digits.replace(point, ".")
        if digits.count(".") > 1 or group in digits.replace(".", "") or len(digits) > 20:
            return found[0]
        try:
            return f" {num2words(float(digits) if '.' in digits else int(digits), lang=language)} "
        except NotImplementedError as error:
            raise UserError(f"numbers cannot be spelled out in '{language}'") from error

    return (
        re.sub(r"\d{1,3}(?:[ \u00a0\u202f]\d{3})+(?!\d)|\d+(?:[.,]\d+)*", words, text)
        if re.search(r"\d", text)
        else text
    )
