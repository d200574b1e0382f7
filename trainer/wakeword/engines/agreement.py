"""Whether engines read one text alike: their phonemes, compared by consonants.

Vowels differ between accents and notations; wrong readings (letters spelled out, symbols named,
accented letters dropped) differ in consonants, or in the number of syllables.
"""

import re

from trainer.wakeword.engines import espeak, flite

LIMIT = 0.15  # edits for each sound: beyond it lie other words, below it accents
_VOWEL = "V"
# consonants of English, espeak-ng's mnemonics -> ARPAbet; what is not here and not a vowel stays
_FROM_ESPEAK = {
    "tS": "ch", "dZ": "jh", "S": "sh", "Z": "zh", "T": "th", "D": "dh", "N": "ng", "j": "y",
    "h": "hh", "t#": "t", "t2": "t", "d#": "d", "?": "t", "r-": "r", "*": "r", "l": "l", "z#": "z",
}  # fmt: skip
_ESPEAK_VOWEL = re.compile(r"[aeiouAEIOUV03@]")


def _of_espeak(text: str) -> list[str]:
    found = []
    for mnemonic in espeak.phonemes(text, "en"):
        p = mnemonic.strip("',%=:|;_")
        if not p:
            continue
        if _ESPEAK_VOWEL.match(p):
            found.append(_VOWEL)
            if p[0] == "3" or (
                p.endswith("@") and p[:-1] in ("A", "O", "o", "e", "i", "U", "aI", "aU")
            ):
                found.append("r")  # American vowels before r: one symbol
            if p in ("@L", "@l"):
                found.append("l")
        else:
            found.append(_FROM_ESPEAK.get(p, p))
    return found


def _of_flite(text: str) -> list[str]:
    found = []
    for p in flite.phonemes(text):
        vowel = p[0] in "aeiou"
        found += [_VOWEL, "r"] if p == "er" else [_VOWEL] if vowel else [p]
    return found


def _joined(sounds: list[str]) -> list[str]:
    """Neighbouring vowels, and doubled r, as one: notations split diphthongs differently."""
    return [p for before, p in zip(["", *sounds], sounds, strict=False) if p != before]


def difference(text: str) -> float:
    """Edits between Flite's and espeak-ng's reading of an English text, for each sound."""
    a, b = _joined(_of_espeak(text)), _joined(_of_flite(text))
    row = list(range(len(b) + 1))
    for i, p in enumerate(a, 1):
        above, row[0] = row[0], i
        for j, q in enumerate(b, 1):
            above, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, above + (p != q))
    return row[-1] / max(len(a), len(b), 1)
