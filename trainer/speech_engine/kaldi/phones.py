"""The phones of a Kaldi model, with stress and position in the word, for ARPABET pronunciations."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.errors import UserError

NAME = re.compile(r"([A-Za-z]+)([0-2]?)(_[BIES])?$")
SILENCE = "SIL"
STRESSES = ("", "1", "0", "2")


@dataclass(frozen=True)
class Phones:
    """`numbers` of phones.txt without disambiguation symbols."""

    numbers: Mapping[str, int]

    @property
    def silence(self) -> int:
        """The phone of optional silence."""
        return self.numbers[SILENCE]

    @property
    def silences(self) -> list[int]:
        """All forms of silence and noise, at whose end an utterance may end."""
        return [n for name, n in self.numbers.items() if name.split("_")[0] in (SILENCE, "SPN")]

    @property
    def bases(self) -> list[str]:
        """Without stress and position, in capitals."""
        found = (NAME.fullmatch(name) for name in self.numbers)
        return sorted({m[1].upper() for m in found if m})

    def of(self, pronunciation: str) -> list[int]:
        """ARPABET without stress -> numbers. Raises KeyError for a phone that is not there."""
        bases = pronunciation.split()
        found, stressed = [], False
        for i, base in enumerate(bases):
            place = _position(i, len(bases))
            vowel = base[0] in "AEIOU"
            wanted = ("1" if not stressed else "0") if vowel else ""
            stressed |= vowel
            found.append(self._number(base, wanted, place))
        return found

    def _number(self, base: str, stress: str, place: str) -> int:
        for form in (base, base.lower()):
            for degree in (stress, *STRESSES):
                for suffix in (place, ""):
                    if (name := f"{form}{degree}{suffix}") in self.numbers:
                        return self.numbers[name]
        raise KeyError(base)


def _position(at: int, count: int) -> str:
    if count == 1:
        return "_S"
    return "_B" if at == 0 else "_E" if at == count - 1 else "_I"


def read(path: Path) -> Phones:
    """phones.txt. Raises UserError."""
    numbers = {}
    for line in path.read_text("utf-8", "replace").splitlines():
        name, _, number = line.partition(" ")
        if not number.strip().isdigit():
            raise UserError(f"ACOUSTIC_MODEL: {path}: '{line}' is not a phone and its number")
        if not name.startswith(("#", "<eps>")):
            numbers[name] = int(number)
    if SILENCE not in numbers:
        raise UserError(f"ACOUSTIC_MODEL: {path}: has no phone {SILENCE}")
    return Phones(numbers)


def missing(phones: Phones, pronunciations: Sequence[str]) -> list[str]:
    """Phones that pronunciations need and the model does not have."""
    wanted = {p for one in pronunciations for p in one.split()}
    return sorted(wanted - set(phones.bases))
