"""The vocabulary of a model: frequent tokens, and twenty names for whatever else a text has.

An unknown token gets one of UNK0 ... UNK19 at random, the same in input and output, so that a model
learns to copy it (Serenade, corpusgen's mode unknowns).
"""

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

END, UNKNOWN = "</s>", "<unk>"
UNKNOWNS = tuple(f"UNK{i}" for i in range(20))


@dataclass(frozen=True)
class Vocabulary:
    """Tokens by number: </s>, <unk>, UNK0 to UNK19, then the lexicon."""

    lexicon: tuple[str, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All tokens in the order of their numbers."""
        return (END, UNKNOWN, *UNKNOWNS, *self.lexicon)

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Token -> number."""
        return {name: i for i, name in enumerate(self.names)}

    def replaced(
        self, source: Sequence[str], rng: random.Random
    ) -> tuple[list[str], dict[str, str]] | None:
        """A source with UNK names, and name -> token; None with more than 20 unknown tokens."""
        known, named = self.numbers, dict[str, str]()
        free = list(UNKNOWNS)
        out = []
        for token in source:
            if token in known:
                out.append(token)
                continue
            if token not in named:
                if not free:
                    return None
                named[token] = free.pop(rng.randrange(len(free)))
            out.append(named[token])
        return out, {name: token for token, name in named.items()}

    def numbered(
        self, source: Sequence[str], target: Sequence[str], rng: random.Random
    ) -> tuple[list[int], list[int]] | None:
        """Numbers of a pair; None if there are too many unknown tokens, or one in the target that
        the source does not have."""
        found = self.replaced(source, rng)
        if found is None:
            return None
        named = {token: name for name, token in found[1].items()}
        numbers = self.numbers
        out = [numbers.get(named.get(token, token), -1) for token in target]
        if -1 in out:
            return None
        return [numbers[name] for name in found[0]], out


def frequent(lines: Iterable[str], most: int) -> Vocabulary:
    """The vocabulary of the `most` frequent tokens; ties in the order of the alphabet."""
    counts: Counter[str] = Counter()
    for line in lines:
        counts.update(line.split())
    ranked = sorted(counts, key=lambda token: (-counts[token], token))
    return Vocabulary(tuple(ranked[:most]))


def write(vocabulary: Vocabulary, path: Path) -> None:
    """A lexicon file: a token a line."""
    path.write_text("".join(f"{token}\n" for token in vocabulary.lexicon), encoding="ascii")


def read(path: Path) -> Vocabulary:
    """What `write` wrote."""
    return Vocabulary(tuple(path.read_text(encoding="ascii").splitlines()))
