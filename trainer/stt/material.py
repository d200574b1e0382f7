"""What the line starts from: alphabet, rules, split, texts of the language model."""

import hashlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from trainer import rejected
from trainer.corpora import readers
from trainer.corpora.splits import Split
from trainer.corpora.utterance import Utterance
from trainer.errors import UserError
from trainer.log import log
from trainer.rejected import Rejected
from trainer.stt.preparation import Mels
from trainer.stt.sources import Missing
from trainer.text.alphabet import Alphabet
from trainer.text.language import Language
from trainer.text.rules import Rules

Classes = tuple[tuple[str, ...], ...]  # interchangeable words
Sets = dict[str, dict[str, Path]]  # use -> corpus -> stored set


@dataclass(frozen=True)
class Text:
    """One text of the language model: a file, or language.TRANSCRIPTS for the training set."""

    place: Path | str
    keys: tuple[str, ...]  # change with its content
    times: int = 1  # how often its sentences count


@dataclass
class Material:
    """Everything that the line starts from."""

    alphabet: Alphabet
    rules: Rules
    split: Split
    language: Language | None = None
    refused: list[tuple[Utterance, str]] = field(default_factory=list)  # by the rules
    texts: list[Text] = field(default_factory=list)
    classes: Classes = ()
    missing: list[Missing] = field(default_factory=list)
    reader_of: dict[str, str] = field(default_factory=dict)  # of the corpora that have one
    used: list[Path] = field(default_factory=list)  # of sources/

    def rejected_early(self) -> list[Rejected]:
        """What was rejected before any clip was read."""
        found = (*self.refused, *self.split.rejected)
        return [Rejected(u.path, reason, detail_of(u.split, u.transcript)) for u, reason in found]

    def rejected_key(self) -> str:
        """A hash of them."""
        return hashlib.sha256(repr(self.rejected_early()).encode()).hexdigest()[:16]

    def titles(self, sets: Sets) -> dict[str, tuple[str, str, str]]:
        """(title, licence, source) of each corpus."""
        found = {}
        for name in dict.fromkeys(name for by_name in sets.values() for name in by_name):
            if name in self.reader_of:
                module = readers.reader(self.reader_of[name])
                found[name] = (module.TITLE, module.LICENCE, module.SOURCE)
            else:
                found[name] = (name, "", "")
        return found


def detail_of(use: str, transcript: str) -> str:
    """The detail of a rejected clip: its use and transcript."""
    return f"{use}: {transcript}" if use else transcript


def utterance_key(utterances: Iterable[Utterance]) -> str:
    """A hash of transcripts, files, and the files' sizes and times."""
    total = hashlib.sha256()
    for u in utterances:
        try:
            found = os.stat(u.path)
            size = f"{found.st_size} {found.st_mtime_ns}"
        except OSError:
            size = "none"
        fields = (u.path, size, u.transcript, u.speaker, u.start, u.end, u.channel)
        total.update(("\0".join(map(str, fields)) + "\n").encode(errors="surrogateescape"))
    return total.hexdigest()[:16]


def all_rejected(material: Material, sets: Sets) -> list[Rejected]:
    """Every clip that is not used: by rules, splits, and import."""
    found = material.rejected_early()
    for use, by_name in sets.items():
        for folder in by_name.values():
            found += [
                Rejected(one.path, one.reason, detail_of(use, one.detail))
                for one in rejected.read(folder / rejected.FILE)
            ]
    return found


def report_sets(material: Material, sets: Sets, step_ms: int, path: Path) -> None:
    """Log counts and hours of every set; write all rejected clips to `path` and log the reasons.

    Raises UserError when a set is empty.
    """
    for use, by_name in sets.items():
        for name, folder in by_name.items():
            mels, total = Mels(folder), len(material.split.sets[use][name])
            hours = mels.hours(step_ms)
            log.info("%s %s: %d of %d clips, %.2f h", use, name, len(mels), total, hours)
    refused = all_rejected(material, sets)
    rejected.write(path, refused)
    total = len(material.rejected_early()) + sum(len(material.split.of(use)) for use in sets)
    rejected.report(refused, total, "clips", path)
    for use, by_name in sets.items():
        if not any(len(Mels(folder)) for folder in by_name.values()):
            raise UserError(f"{use}: no clip can be used; the reasons are above")


def with_clips(sets: Mapping[str, Mapping[str, Path]], use: str) -> dict[str, Path]:
    """The stored sets of a use that have clips."""
    return {name: folder for name, folder in sets.get(use, {}).items() if len(Mels(folder))}
