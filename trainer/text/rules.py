"""Rules of transcripts: how a language's written sentences become labels."""

import re
import tomllib
import unicodedata
from dataclasses import dataclass
from pathlib import Path

from trainer.errors import UserError


def normal(text: str) -> str:
    """NFC with single spaces: one form of equal-looking text (such as decomposed accents)."""
    return " ".join(unicodedata.normalize("NFC", text).split())


@dataclass(frozen=True)
class Rules:
    """How sentences become labels, in transcripts and in the text of the language model.

    In lower case and in this order: `number` (a language in which numbers are spelled out),
    `replace` (longest first), `refuse`, `space`, `drop`, `fold`. Source of the defaults:
    `validate_label` of DeepSpeech's importers and of commonvoice-fr.
    """

    refuse: str = "0123456789(<[]&*{"  # sentences with these are refused: pronunciation unknown
    space: str = "-_\u2013\u2014\u2026/"
    drop: str = '.,;?!:"\u00ab\u00bb\u201c\u201d\u201e'
    replace: tuple[tuple[str, str], ...] = (("\u2019", "'"),)
    number: str = ""  # a language of num2words
    fold: bool = False  # to ASCII letters (English-compatible alphabets)

    def labels(self, text: str) -> str | None:
        """The sentence as it is trained on; None when it is refused or nothing is left."""
        text = unicodedata.normalize("NFC", text.lower())
        if self.number:
            text = spoken_numbers(text, self.number)
        for old, new in sorted(self.replace, key=lambda pair: -len(pair[0])):
            text = text.replace(old, new)
        if set(self.refuse) & set(text):
            return None
        text = text.translate({ord(c): " " for c in self.space} | {ord(c): None for c in self.drop})
        if self.fold:
            text = folded(text)
        return normal(text) or None


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
        return Rules(**table, replace=pairs), examples
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: {error}; known keys: {', '.join(Rules.__dataclass_fields__)} and examples"
        ) from error


def folded(text: str) -> str:
    """ASCII letters: NFKD without marks, ligatures spelled out, other characters dropped."""
    text = text.translate({0xE6: "ae", 0x153: "oe", 0xDF: "ss", 0xF8: "o", 0x142: "l", 0x111: "d"})
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


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
