"""The phrase as text and phonemes: its file name, confusable phrases, and other sentences."""

import re
import unicodedata
from collections.abc import Iterable
from functools import cache

import numpy as np
from wordfreq import available_languages, top_n_list

from trainer.errors import UserError
from trainer.wakeword.engines import espeak

MAX_LETTERS = 60
SIMILAR = 40
_VOWEL = re.compile(r"^[',%=]*[aeiouAEIOUV03@&yQWY]")


def clean(phrase: str) -> str:
    """The phrase with single spaces and without control characters. Raises UserError."""
    text = unicodedata.normalize("NFC", "".join(c if c.isprintable() else " " for c in phrase))
    text = " ".join(text.split())
    if not any(c.isalnum() for c in text):
        raise UserError('the wake word is empty: give a phrase of letters, such as "hey buster"')
    if len(text) > MAX_LETTERS:
        raise UserError(
            f"the wake word has {len(text)} characters; at most {MAX_LETTERS} fit into two seconds"
        )
    return text


def slug(phrase: str) -> str:
    """File name: letters and digits of any script, the rest "_" (hey buster. -> hey_buster)."""
    return (
        "_".join(re.findall(r"\w+", unicodedata.normalize("NFC", phrase).lower().replace("_", " ")))
        or "wakeword"
    )


def title(phrase: str) -> str:
    """The phrase capitalised, without its last punctuation (hey buster. -> Hey Buster)."""
    return " ".join(w[:1].upper() + w[1:] for w in phrase.rstrip(".!?").split())


def phonemes(phrase: str, language: str) -> list[str]:
    """Phonemes, words separated by "|". Raises UserError for too few or too many."""
    found = espeak.phonemes(" ".join(_plain_words(phrase)), language)
    sounds = [p for p in found if p != "|"]
    if len(sounds) < 3:
        raise UserError(
            f"'{phrase}' has {len(sounds)} sounds in '{language}': use a longer phrase, or set its "
            "--language"
        )
    if len(sounds) > 40:
        raise UserError(
            f"'{phrase}' has {len(sounds)} sounds: longer than the model's window; shorten it"
        )
    return found


@cache
def _words(language: str) -> tuple[str, ...]:
    """The most frequent words (wordfreq), without digits; English if there is no list."""
    code = language.split("-", maxsplit=1)[0]
    code = code if code in available_languages() else "en"
    return tuple(w for w in top_n_list(code, 8000, wordlist="small") if w.isalpha() or "'" in w)


def sentence(rng: np.random.Generator, language: str, avoid: frozenset[str]) -> str:
    """Three to nine words drawn by frequency (Zipf), none of `avoid`."""
    words = _words(language)
    ranks = np.minimum(
        np.exp(rng.uniform(0, np.log(len(words)), rng.integers(3, 10))).astype(int), len(words) - 1
    )
    chosen = [words[r] for r in ranks if words[r] not in avoid]
    return " ".join(chosen) or words[100]


def distance(a: list[str], b: list[str]) -> float:
    """Edit distance of phonemes; a vowel for a vowel or consonant for a consonant costs 0.7."""
    row = np.arange(len(b) + 1, dtype=float)
    for i, p in enumerate(a, 1):
        above, row[0] = row[0], i
        for j, q in enumerate(b, 1):
            p0, q0 = p.strip("',"), q.strip("',")
            swap = (
                0.0 if p0 == q0 else 0.7 if bool(_VOWEL.match(p)) == bool(_VOWEL.match(q)) else 1.0
            )
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


def load_words(languages: Iterable[str], confusables_of: str) -> None:
    """Load word lists, and what confusables of a phrase need, into this process (cached)."""
    languages = list(languages)
    for language in languages:
        _words(language)
    for word in _plain_words(confusables_of):
        similar_words(word, languages[0], SIMILAR)
        _inventory(languages[0])


def _plain_words(phrase: str) -> list[str]:
    return re.sub(r"[^\w\s'\u2019-]", " ", phrase).split()


def confusable(rng: np.random.Generator, phrase: str, language: str) -> str:
    """A text that a model might confuse with the phrase: parts, other words, other sounds."""
    words = _plain_words(phrase)
    sounds = phonemes(phrase, language)
    kind = rng.choice(
        ["part", "word", "sounds", "beginning", "ending", "stretched"],
        p=[0.2, 0.3, 0.3, 0.08, 0.07, 0.05],
    )
    if kind == "part" and len(words) > 1:
        drop = int(rng.integers(len(words)))
        kept = words[:drop] + words[drop + 1 :]
        extra = sentence(rng, language, frozenset(w.lower() for w in words)).split()[
            : rng.integers(0, 3)
        ]
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
    """A third to two thirds of the phonemes replaced by others of their kind, or dropped."""
    vowels, consonants = _inventory(language)
    changed = list(sounds)
    places = [i for i, p in enumerate(sounds) if p != "|"]
    many = max(2, round(len(places) * rng.uniform(0.3, 0.65)))
    for at in rng.choice(places, min(many, len(places)), replace=False):
        kind = vowels if _VOWEL.match(sounds[at]) else consonants
        stress = "'" if sounds[at].startswith("'") else ""
        changed[at] = "" if rng.random() < 0.1 else stress + str(rng.choice(kind)).lstrip("',")
    return [p for p in changed if p]
