"""Texts for other speech: sentences of frequent words, and phrases that a model might confuse."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from wordfreq import available_languages, top_n_list

from trainer.errors import UserError
from trainer.text import characters
from trainer.wakeword import phrases
from trainer.wakeword.engines import espeak

SIMILAR = 40
MOST_WORDS = 8000
FEWEST_WORDS = 200
# codes of wordfreq that differ from espeak-ng's
_LISTS = {"cmn": "zh", "yue": "zh", "hr": "sh", "bs": "sh", "sr": "sh", "no": "nb", "iw": "he"}
_VOWEL = re.compile(r"^[',%=]*[aeiouAEIOUV03@&yQWY]")


@dataclass(frozen=True)
class Words:
    """Where the words of other speech come from: a language's list, or the user's text."""

    language: str
    text: str = ""  # a file


def check(words: Words) -> None:
    """Raises UserError when there is no word list and no text, or too little of it."""
    _frequent(words)


@cache
def _frequent(words: Words) -> tuple[str, ...]:
    """The most frequent words, without digits and words of other scripts. Raises UserError."""
    if words.text:
        found = Counter(w.lower() for w in characters.words(_read(Path(words.text))))
        listed = [w for w, _ in found.most_common(MOST_WORDS)]
    else:
        code = words.language.split("-", maxsplit=1)[0]
        code = _LISTS.get(code, code)
        if code not in available_languages():
            raise UserError(
                f"there is no word list for '{words.language}': give --speech-text=FILE, a text in "
                "this language (some thousand words), from which other speech is synthesized"
            )
        listed = top_n_list(code, MOST_WORDS, wordlist="small")
    scripts = characters.scripts_of(words.language)
    kept = [w for w in listed if characters.is_word(w) and _in_scripts(w, scripts)]
    if "Hani" in scripts:  # characters that espeak-ng does not know
        kept = [w for w in kept if not espeak.read_in(w, words.language)]
    if len(kept) < FEWEST_WORDS:
        source = words.text or f"the word list of '{words.language}'"
        raise UserError(
            f"{source} has {len(kept)} different words that can be spoken in '{words.language}'; "
            f"at least {FEWEST_WORDS} are needed: give a longer --speech-text"
        )
    return tuple(kept)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as text in UTF-8 ({error})") from error


def _in_scripts(word: str, scripts: set[str]) -> bool:
    return not scripts or set(characters.scripts(word)) <= scripts


def sentence(rng: np.random.Generator, words: Words, avoid: frozenset[str]) -> str:
    """Three to nine words drawn by frequency (Zipf), none of `avoid`."""
    listed = _frequent(words)
    ranks = np.exp(rng.uniform(0, np.log(len(listed)), rng.integers(3, 10))).astype(int)
    chosen = [listed[r] for r in np.minimum(ranks, len(listed) - 1) if listed[r] not in avoid]
    return " ".join(chosen) or listed[100]


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
def _lexicon(words: Words) -> dict[str, list[str]]:
    frequent = _frequent(words)[:6000]
    shortest = 1 if characters.scripts_of(words.language) & {"Hani", "Hang"} else 3
    return {w: espeak.phonemes(w, words.language) for w in frequent if len(w) >= shortest}


@cache
def similar_words(word: str, words: Words, count: int) -> tuple[str, ...]:
    """The frequent words that sound most like `word`, but not the same."""
    own = espeak.phonemes(word, words.language)
    scored = []
    for other, sounds in _lexicon(words).items():
        if other != word.lower() and abs(len(sounds) - len(own)) <= 3 and sounds:
            far = distance(own, sounds) / max(len(own), 1)
            if far >= 0.2:
                scored.append((far, other))
    return tuple(w for _, w in sorted(scored)[:count])


@cache
def _inventory(words: Words) -> tuple[list[str], list[str]]:
    """The language's (vowels, consonants), as its frequent words use them."""
    used = [p for sounds in list(_lexicon(words).values())[:600] for p in sounds if p != "|"]
    names, counts = np.unique(used, return_counts=True)
    common = [str(n) for n, c in zip(names, counts, strict=True) if c >= 8]
    return [p for p in common if _VOWEL.match(p)], [p for p in common if not _VOWEL.match(p)]


def load_words(lists: Sequence[Words], confusables_of: Iterable[str]) -> None:
    """Load word lists, and what confusables of phrases need, into this process (cached)."""
    for words in lists:
        _frequent(words)
    for phrase in confusables_of:
        for word in characters.words(phrase):
            similar_words(word, lists[0], SIMILAR)
            _inventory(lists[0])


def confusable(rng: np.random.Generator, phrase: str, words: Words) -> str:
    """A text that a model might confuse with the phrase: parts, other words, other sounds."""
    own = characters.words(phrase)
    sounds = phrases.phonemes(phrase, words.language)
    kind = rng.choice(
        ["part", "word", "sounds", "beginning", "ending", "stretched"],
        p=[0.2, 0.3, 0.3, 0.08, 0.07, 0.05],
    )
    if kind == "part" and len(own) > 1:
        drop = int(rng.integers(len(own)))
        kept = own[:drop] + own[drop + 1 :]
        more = sentence(rng, words, frozenset(w.lower() for w in own)).split()
        extra = more[: rng.integers(0, 3)]
        return " ".join(extra + kept if rng.random() < 0.5 else kept + extra)
    if kind == "word":
        at = int(rng.integers(len(own)))
        others = similar_words(own[at], words, SIMILAR)
        if others:
            other = others[min(int(rng.exponential(10)), len(others) - 1)]
            return " ".join([*own[:at], other, *own[at + 1 :]])
    plain = [p for p in sounds if p != "|"]
    if kind == "beginning" and len(plain) > 4:
        return espeak.spell(plain[: max(2, int(len(plain) * rng.uniform(0.35, 0.65)))])
    if kind == "ending" and len(plain) > 4:
        return espeak.spell(plain[int(len(plain) * rng.uniform(0.4, 0.65)) :])
    return espeak.spell(_changed(rng, sounds, words))


def _changed(rng: np.random.Generator, sounds: list[str], words: Words) -> list[str]:
    """A third to two thirds of the phonemes replaced by others of their kind, or dropped."""
    vowels, consonants = _inventory(words)
    changed = list(sounds)
    places = [i for i, p in enumerate(sounds) if p != "|"]
    many = max(2, round(len(places) * rng.uniform(0.3, 0.65)))
    for at in rng.choice(places, min(many, len(places)), replace=False):
        kind = vowels if _VOWEL.match(sounds[at]) else consonants
        stress = "'" if sounds[at].startswith("'") else ""
        changed[at] = "" if rng.random() < 0.1 else stress + str(rng.choice(kind)).lstrip("',")
    return [p for p in changed if p]
