"""Characters by their Unicode properties: words and scripts of a text, names of invisible ones."""

import unicodedata
from functools import cache

import regex

# letters with their vowel signs, digits, and joiners and apostrophes inside a word
_WORD = regex.compile(
    r"[\p{L}\p{M}\p{N}](?:[\p{L}\p{M}\p{N}]|[\u200c\u200d'\u2019](?=[\p{L}\p{M}]))*"
)
_LETTERS = regex.compile(r"[\p{L}\p{M}\u200c\u200d'\u2019]+")
_IGNORABLE = regex.compile(r"\p{Default_Ignorable_Code_Point}")
_INVISIBLE = regex.compile(
    r"(?!(?<=[\p{L}\p{M}])[\u200c\u200d](?=[\p{L}\p{M}]))\p{Default_Ignorable_Code_Point}"
)
SCRIPTS = {
    "Latn": "Latin", "Cyrl": "Cyrillic", "Grek": "Greek", "Arab": "Arabic", "Hebr": "Hebrew",
    "Deva": "Devanagari", "Beng": "Bengali", "Guru": "Gurmukhi", "Gujr": "Gujarati",
    "Orya": "Odia", "Taml": "Tamil", "Telu": "Telugu", "Knda": "Kannada", "Mlym": "Malayalam",
    "Sinh": "Sinhala", "Thai": "Thai", "Laoo": "Lao", "Mymr": "Burmese", "Khmr": "Khmer",
    "Tibt": "Tibetan", "Geor": "Georgian", "Armn": "Armenian", "Ethi": "Ethiopic",
    "Cher": "Cherokee", "Hang": "Hangul", "Hira": "Hiragana", "Kana": "Katakana",
    "Hani": "Chinese characters",
}  # fmt: skip
# ISO 15924 codes of writing systems that mix several scripts
MIXED = {
    "Jpan": {"Hira", "Kana", "Hani"}, "Kore": {"Hang", "Hani"}, "Hans": {"Hani"}, "Hant": {"Hani"},
}  # fmt: skip
IN_LATIN_TOO = ("sr", "uz", "kk")


def words(text: str) -> list[str]:
    """The words of a text, of any script: marks belong to their letters (`\\w` drops them)."""
    return _WORD.findall(text)


def is_word(text: str) -> bool:
    """Whether a text consists of letters (with marks, joiners, apostrophes)."""
    return bool(_LETTERS.fullmatch(text)) and any(c.isalpha() for c in text)


@cache
def script(character: str) -> str:
    """ISO 15924 code of a letter's script; empty for marks, digits, punctuation, rare scripts."""
    if not character.isalpha():
        return ""
    return next((s for s in SCRIPTS if regex.match(rf"\p{{Script={s}}}", character)), "")


def scripts(text: str) -> dict[str, str]:
    """Scripts of a text -> the first letter of each."""
    found: dict[str, str] = {}
    for c in text:
        if name := script(c):
            found.setdefault(name, c)
    return found


def scripts_of(language: str) -> set[str]:
    """Scripts in which a language (BCP 47 code) is usually written; empty if it is unknown."""
    from langcodes import Language
    from langcodes.tag_parser import LanguageTagError

    try:
        found = Language.get(language).maximize().script
    except LanguageTagError:
        return set()
    also = {"Latn"} if language.split("-", maxsplit=1)[0] in IN_LATIN_TOO else set()
    return MIXED.get(found or "", {found} if found in SCRIPTS else set()) | also


def is_ignorable(character: str) -> bool:
    """Whether a character is invisible, such as U+00AD or U+200B; joiners too, which matter."""
    return bool(_IGNORABLE.match(character))


def visible(text: str) -> str:
    """NFC without control and invisible characters (joiners between letters stay)."""
    text = unicodedata.normalize("NFC", text)
    if text.isprintable() and not _IGNORABLE.search(text):
        return text
    text = _INVISIBLE.sub("", text)
    return "".join(c if c.isprintable() or is_ignorable(c) else " " for c in text)


def shown(character: str) -> str:
    """A character for a message: itself in quotes, or its code and name if it is invisible."""
    kind = unicodedata.category(character)
    if is_ignorable(character) or (kind[0] in "CZM" and character != " "):
        name = unicodedata.name(character, "")
        return f"U+{ord(character):04X}{f' {name}' if name else ''}"
    return repr(character)


def plain(text: str) -> str:
    """Latin letters without diacritics, ligatures spelled out; other characters stay."""
    text = text.translate({0xE6: "ae", 0x153: "oe", 0xDF: "ss", 0xF8: "o", 0x142: "l", 0x111: "d"})
    text = text.translate({0xC6: "Ae", 0x152: "Oe", 0xD8: "O", 0x141: "L", 0x110: "D"})
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
