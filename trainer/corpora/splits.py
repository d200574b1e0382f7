"""Deterministic splits by speaker and sentence, without overlap of train, dev and test."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from trainer.corpora.utterance import Utterance

OTHER_NAMES = {"valid": "dev", "validation": "dev", "val": "dev", "devtest": "dev"}
USES = ("test", "dev", "train")  # who comes first keeps a clip, a speaker, a sentence


@dataclass(frozen=True)
class Corpus:
    """One corpus. `shared`: everybody reads the same sentences, which may be on both sides."""

    name: str
    utterances: tuple[Utterance, ...]
    shared: bool = False


@dataclass
class Split:
    """Utterances by use and corpus, and rejected ones with reasons."""

    sets: dict[str, dict[str, list[Utterance]]] = field(
        default_factory=lambda: {use: {} for use in USES[::-1]}
    )
    rejected: list[tuple[Utterance, str]] = field(default_factory=list)

    def of(self, use: str) -> list[Utterance]:
        """All of one use."""
        return [u for found in self.sets[use].values() for u in found]


def share(text: str) -> float:
    """A number in [0, 1) that only depends on the text."""
    return int(hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()[:12], 16) / 16**12


def with_splits(utterances: Sequence[Utterance]) -> list[Utterance]:
    """Official splits as they are; without any, 80/10/10 by speaker (by sentence where speakers
    are unknown); without an official dev set, a tenth of the training speakers.
    """
    utterances = [replace(u, split=OTHER_NAMES.get(u.split, u.split)) for u in utterances]
    official = {u.split for u in utterances} - {""}

    def use(u: Utterance) -> str:
        place = share(u.speaker or u.transcript)
        if not official:
            return "test" if place < 0.1 else "dev" if place < 0.2 else "train"
        if u.split in ("", "train") and "dev" not in official and "test" in official:
            return "dev" if place < 0.1 else "train"
        return u.split or "train"

    return [replace(u, split=use(u)) for u in utterances]


def assign(corpora: Iterable[Corpus], most_of_a_sentence: int = 0) -> Split:
    """Assign every utterance to one use, or reject it.

    Clips listed twice are rejected, also training clips whose speaker or sentence is in the dev or
    test set. `most_of_a_sentence`: how often one may be trained on, 0 for any number.
    """
    corpora, split = list(corpora), Split()
    placed = {c.name: with_splits(c.utterances) for c in corpora}
    used: dict[str, str] = {}  # sentence -> the use that has it
    count: Counter[str] = Counter()
    split.rejected += [
        (u, f"split '{u.split}'") for found in placed.values() for u in found if u.split not in USES
    ]
    for number, use in enumerate(USES):
        for corpus in corpora:
            speakers = {
                u.speaker: u.split
                for other in USES[:number]
                for u in placed[corpus.name]
                if u.split == other and u.speaker
            }
            clips = {
                u.clip: u.split
                for other in USES[:number]
                for u in placed[corpus.name]
                if u.split == other
            }
            seen: set[tuple[str, float, int]] = set()
            kept = split.sets[use].setdefault(corpus.name, [])
            for u in placed[corpus.name]:
                if u.split != use:
                    continue
                reason = ""
                if u.clip in seen:
                    reason = "listed twice"
                elif u.clip in clips:
                    reason = f"also in {clips[u.clip]}"
                elif u.speaker in speakers:
                    reason = f"speaker is in {speakers[u.speaker]}"
                elif not corpus.shared and used.get(u.transcript, use) != use:
                    reason = f"sentence is in {used[u.transcript]}"
                elif (
                    use == "train"
                    and not corpus.shared
                    and 0 < most_of_a_sentence <= count[u.transcript]
                ):
                    reason = f"sentence occurs more than {most_of_a_sentence} times"
                seen.add(u.clip)
                if reason:
                    split.rejected.append((u, reason))
                    continue
                if u.transcript and not corpus.shared:
                    used.setdefault(u.transcript, use)
                count[u.transcript] += bool(u.transcript)
                kept.append(u)
    split.sets = {
        use: {name: found for name, found in by.items() if found} for use, by in split.sets.items()
    }
    return split
