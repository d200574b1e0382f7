"""The phrase as text and phonemes: its file name, how it is spoken, whether it fits a language."""

import re
from collections.abc import Iterable
from contextlib import suppress

from trainer.errors import UserError
from trainer.text import characters
from trainer.text.rules import lowered, spoken_numbers
from trainer.wakeword.engines import espeak

MAX_LETTERS = 60
MAX_SECONDS = 2.0  # longest phrase: the model's window, less what surrounds it
# as every engine must read them; espeak-ng knows those of other languages
ABBREVIATIONS = {
    "en": {
        "dr": "doctor", "mr": "mister", "mrs": "missus", "ms": "miz", "st": "saint",
        "prof": "professor", "jr": "junior", "sr": "senior", "vs": "versus",
    }
}  # fmt: skip
# languages to suggest for a script, the most spoken first
_MOST_SPOKEN = "en cmn hi es fr ar bn ru pt ur id de ja mr te tr ta vi ko fa it th gu pl uk".split()
_MOST_SPOKEN += ["bg", "sr", "el", "he"]


def clean(phrase: str) -> str:
    """The phrase with single spaces, without control and invisible characters, and as it was
    written otherwise. Raises UserError."""
    text = " ".join(characters.visible(phrase).split())
    if not any(c.isalnum() for c in text):
        raise UserError('the wake word is empty: give a phrase of letters, such as "hey buster"')
    if len(text) > MAX_LETTERS:
        raise UserError(
            f"the wake word has {len(text)} characters; at most {MAX_LETTERS} fit into two seconds"
        )
    return text


def slug(phrase: str, language: str = "") -> str:
    """File name: letters and digits of any script, the rest "_" (hey buster. -> hey_buster)."""
    text = lowered(characters.visible(phrase), language).replace("\u2019", "'").replace("'", " ")
    return "_".join(characters.words(text.replace("_", " "))) or "wakeword"


def title(phrase: str) -> str:
    """The phrase capitalised, without its last punctuation (hey buster. -> Hey Buster)."""
    return " ".join(w[:1].upper() + w[1:] for w in phrase.rstrip(".!?").split())


def check_title(phrase: str, title: str) -> None:
    """Raises UserError for a title that looks like the rest of an unquoted phrase."""
    small = title == title.lower() != title.upper()
    if small and not set(title.split()) & set(phrase.lower().split()):
        raise UserError(
            f"'{title}' would be the title of '{phrase}': put the whole phrase in quotes, as in "
            f'"{phrase} {title}"; a title begins with a capital'
        )


def spoken(phrase: str, language: str) -> str:
    """The phrase as all engines get it: numbers and abbreviations as words, no underscores."""
    code = language.split("-", maxsplit=1)[0]
    text = phrase.replace("_", " ")
    for short, whole in ABBREVIATIONS.get(code, {}).items():
        text = re.sub(rf"\b{short}\.(?=\s|$)", whole, text, flags=re.IGNORECASE)
    if code == "en":
        text = re.sub(r"\bno\.\s*(?=\d)", "number ", text, flags=re.IGNORECASE)
        text = re.sub(r"\s*&\s*", " and ", text)
        text = re.sub(r"\b(\d+)(st|nd|rd|th)\b", _ordinal, text, flags=re.IGNORECASE)
    text = re.sub(
        r"(?<![\d.,])(?<!\d\s)\b0\d+\b", lambda found: " ".join(found[0]), text
    )  # 007: digit by digit
    if code != "ja":  # its characters for numbers are those that espeak-ng cannot read
        with suppress(UserError):  # num2words does not know the language: espeak-ng does
            text = spoken_numbers(text, code)
    return " ".join(text.split())


def several(texts: Iterable[str], language: str) -> tuple[str, ...]:
    """Phrases as all engines get them, each once and checked; empty ones are left out. Raises
    UserError."""
    found = []
    for text in texts:
        if text.strip():
            found.append(spoken(clean(text), language))
            check_language(found[-1], language)
    return tuple(dict.fromkeys(found))


def _ordinal(found: re.Match[str]) -> str:
    from num2words import num2words

    return str(num2words(int(found[1]), to="ordinal"))


def check_language(phrase: str, language: str) -> None:
    """Raises UserError for a phrase in another script, or one that espeak-ng cannot read."""
    espeak.set_voice(espeak.accents(language)[0])  # a voice that exists
    own = characters.scripts_of(language)
    for script, letter in characters.scripts(phrase).items():
        if own and script not in own:
            found, written = characters.SCRIPTS[script], _named(own)
            raise UserError(
                f"'{phrase}' has {found} letters ('{letter}'); '{language}' is written in "
                f"{written}: set --language ({_suggested(script)})"
            )
    if own == {"Latn"}:
        return  # loan words are read in the language that they come from
    if other := espeak.read_in(phrase, language):
        kana = "; write it in Hiragana or Katakana" if language.startswith("ja") else ""
        raise UserError(
            f"espeak-ng cannot read '{phrase}' in '{language}': it reads a part as '{other}'{kana}"
        )


def _named(scripts: set[str]) -> str:
    return " or ".join(sorted(characters.SCRIPTS[s] for s in scripts))


def _suggested(script: str) -> str:
    """`--language` values for a script."""
    known = [*_MOST_SPOKEN, *(c for c in espeak.languages() if c not in _MOST_SPOKEN)]
    fit = [code for code in known if script in characters.scripts_of(code)]
    return ", ".join(fit[:4]) + (", ..." if len(fit) > 4 else "")


def phonemes(phrase: str, language: str) -> list[str]:
    """Phonemes, words separated by "|". Raises UserError for too few or too many."""
    found = espeak.phonemes(" ".join(characters.words(phrase)), language)
    sounds = [p for p in found if p != "|"]
    if len(sounds) < 3:
        raise UserError(
            f"'{phrase}' has {len(sounds)} sounds in '{language}': use a longer phrase, or set its "
            "--language"
        )
    if len(sounds) > 40:
        raise UserError(
            f"'{phrase}' has {len(sounds)} sounds: longer than the {MAX_SECONDS:g} s of the "
            "model's window; shorten it"
        )
    return found
