"""The phrase as text and phonemes: its file name, its near misses, and other things people say in its language."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache

import numpy as np
from wordfreq import available_languages, top_n_list

from trainer.wakeword.engines import espeak

MAX_LETTERS = 60
SIMILAR = 40
_VOWEL = re.compile(r"^[',%=]*[aeiouAEIOUV03@&yQWY]")


class PhraseError(Exception):
    """A phrase that cannot be trained; one line that says why and what to do."""


def clean(phrase: str) -> str:
    """The phrase with single spaces and without control characters. Raises PhraseError."""
    text = unicodedata.normalize("NFC", "".join(c if c.isprintable() else " " for c in phrase))
    text = " ".join(text.split())
    if not any(c.isalnum() for c in text):
        raise PhraseError("the wake word is empty: give a phrase of letters, such as \"hey buster\"")
    if len(text) > MAX_LETTERS:
        raise PhraseError(f"the wake word has {len(text)} characters; at most {MAX_LETTERS} fit the model's two seconds")
    return text


def slug(phrase: str) -> str:
    """File name of a phrase: letters and digits of any script kept, the rest one "_" (hey buster. -> hey_buster)."""
    return "_".join(re.findall(r"\w+", unicodedata.normalize("NFC", phrase).lower().replace("_", " "))) or "wakeword"


def spoken(phrase: str, language: str) -> list[str]:
    """Phonemes of a phrase, words separated by "|". Raises PhraseError when the language cannot pronounce it."""
    found = espeak.phonemes(" ".join(_plain_words(phrase)), language)
    sounds = [p for p in found if p != "|"]
    if len(sounds) < 3:
        raise PhraseError(
            f"'{phrase}' has {len(sounds)} sounds when read in '{language}': use a longer phrase, or its --language"
        )
    if len(sounds) > 40:
        raise PhraseError(f"'{phrase}' has {len(sounds)} sounds: longer than the model hears at once; shorten it")
    return found


@cache
def _words(language: str) -> tuple[str, ...]:
    """The language's most frequent words (wordfreq), without digits; English where the language has no list."""
    code = language.split("-", maxsplit=1)[0]
    code = code if code in available_languages() else "en"
    return tuple(w for w in top_n_list(code, 8000, wordlist="small") if w.isalpha() or "'" in w)


def sentence(rng: np.random.Generator, language: str, avoid: frozenset[str]) -> str:
    """Three to nine words drawn by frequency (Zipf), none of `avoid`: what a television says, near enough."""
    words = _words(language)
    ranks = np.minimum(np.exp(rng.uniform(0, np.log(len(words)), rng.integers(3, 10))).astype(int), len(words) - 1)
    chosen = [words[r] for r in ranks if words[r] not in avoid]
    return " ".join(chosen) or words[100]


def distance(a: list[str], b: list[str]) -> float:
    """Edit distance of two phoneme lists; a vowel for a vowel or a consonant for a consonant costs 0.7."""
    row = np.arange(len(b) + 1, dtype=float)
    for i, p in enumerate(a, 1):
        above, row[0] = row[0], i
        for j, q in enumerate(b, 1):
            p0, q0 = p.strip("',"), q.strip("',")
            swap = 0.0 if p0 == q0 else 0.7 if bool(_VOWEL.match(p)) == bool(_VOWEL.match(q)) else 1.0
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + swap)
    return float(row[-1])


@cache
def _lexicon(language: str) -> dict[str, list[str]]:
    return {w: espeak.phonemes(w, language) for w in _words(language)[:6000] if len(w) > 2}


@cache
def similar_words(word: str, language: str, count: int) -> tuple[str, ...]:
    """The frequent words that sound most like `word`, but not the same."""
    own = espeak.phonemes(word, language)
    scored = []
    for other, sounds in _lexicon(language).items():
        if other != word.lower() and abs(len(sounds) - len(own)) <= 3 and sounds:
            far = distance(own, sounds) / max(len(own), 1)
            if far >= 0.2:
                scored.append((far, other))
    return tuple(w for _, w in sorted(scored)[:count])


@cache
def _inventory(language: str) -> tuple[list[str], list[str]]:
    """The language's (vowels, consonants), as its frequent words use them."""
    used = [p for sounds in list(_lexicon(language).values())[:600] for p in sounds if p != "|"]
    names, counts = np.unique(used, return_counts=True)
    common = [str(n) for n, c in zip(names, counts, strict=True) if c >= 8]
    return [p for p in common if _VOWEL.match(p)], [p for p in common if not _VOWEL.match(p)]


def load_words(languages: Iterable[str], near_misses_of: str) -> None:
    """Load word lists, and what near misses of a phrase need, into this process (they are kept)."""
    languages = list(languages)
    for language in languages:
        _words(language)
    for word in _plain_words(near_misses_of):
        similar_words(word, languages[0], SIMILAR)
        _inventory(languages[0])


def _plain_words(phrase: str) -> list[str]:
    return re.sub(r"[^\w\s'\u2019-]", " ", phrase).split()


def near_miss(rng: np.random.Generator, phrase: str, language: str) -> str:
    """Something a model may take for the phrase and must not: parts of it, other words in it, other sounds in it."""
    words = _plain_words(phrase)
    sounds = spoken(phrase, language)
    kind = rng.choice(["part", "word", "sounds", "beginning", "ending", "stretched"], p=[0.2, 0.3, 0.3, 0.08, 0.07, 0.05])
    if kind == "part" and len(words) > 1:
        drop = int(rng.integers(len(words)))
        kept = words[:drop] + words[drop + 1 :]
        extra = sentence(rng, language, frozenset(w.lower() for w in words)).split()[: rng.integers(0, 3)]
        return " ".join(extra + kept if rng.random() < 0.5 else kept + extra)
    if kind == "word":
        at = int(rng.integers(len(words)))
        others = similar_words(words[at], language, SIMILAR)
        if others:
            other = others[min(int(rng.exponential(10)), len(others) - 1)]
            return " ".join([*words[:at], other, *words[at + 1 :]])
    plain = [p for p in sounds if p != "|"]
    if kind == "beginning" and len(plain) > 4:
        return espeak.spell(plain[: max(2, int(len(plain) * rng.uniform(0.35, 0.65)))])
    if kind == "ending" and len(plain) > 4:
        return espeak.spell(plain[int(len(plain) * rng.uniform(0.4, 0.65)) :])
    return espeak.spell(_changed(rng, sounds, language))


def _changed(rng: np.random.Generator, sounds: list[str], language: str) -> list[str]:
    """The phrase with a third to two thirds of its phonemes replaced by others of their kind, dropped or doubled."""
    vowels, consonants = _inventory(language)
    changed = list(sounds)
    places = [i for i, p in enumerate(sounds) if p != "|"]
    many = max(2, round(len(places) * rng.uniform(0.3, 0.65)))
    for at in rng.choice(places, min(many, len(places)), replace=False):
        kind = vowels if _VOWEL.match(sounds[at]) else consonants
        stress = "'" if sounds[at].startswith("'") else ""
        changed[at] = "" if rng.random() < 0.1 else stress + str(rng.choice(kind)).lstrip("',")
    return [p for p in changed if p]
