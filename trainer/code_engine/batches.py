"""Batches of pairs of similar length, padded to few sizes; from short inputs to long ones."""

from dataclasses import dataclass, field

import numpy as np

from trainer.code_engine.prepared import Prepared

SIZES = (8, 16, 24, 32, 48, 64, 96, 128, 160, 200)  # tokens, of both sides
LEAST_ROWS = 8


@dataclass
class Stage:
    """The steps `start` to `end` with inputs of at most `longest` tokens.

    A batch holds as many pairs as fit into `tokens` on its longer side; each epoch has another
    order, and what does not fill a last batch is completed from the beginning of its kind.
    """

    pairs: Prepared
    longest: int
    tokens: int
    seed: tuple[int, ...]
    start: int
    end: int
    _epoch: int = -1
    _batches: list[tuple[np.ndarray, int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        lengths, p = self.pairs.input_lengths, self.pairs
        cropped = np.minimum(lengths, np.where(p.context >= 0, self.longest, lengths))
        least = np.where(p.context >= 0, _without_context(p), lengths)
        usable = np.flatnonzero(least <= max(self.longest, least.min()))  # one at least
        sizes = np.array(SIZES)
        x = sizes[np.searchsorted(sizes, np.maximum(cropped, least)[usable])]
        y = sizes[np.searchsorted(sizes, p.output_lengths[usable])]
        kinds = sorted(set(zip(x.tolist(), y.tolist(), strict=True)))
        self._kinds = {(a, b): usable[(x == a) & (y == b)] for a, b in kinds}
        self._rows = {
            kind: max(LEAST_ROWS, self.tokens // max(kind) // LEAST_ROWS * LEAST_ROWS)
            for kind in self._kinds
        }
        self.per_epoch = sum(-(-len(n) // self._rows[k]) for k, n in self._kinds.items())

    def batch(self, step: int) -> tuple[np.ndarray, int, int]:
        """(numbers of pairs, size of inputs, size of outputs) of a step."""
        epoch, at = divmod(step - self.start, self.per_epoch)
        if epoch != self._epoch:
            self._epoch, self._batches = epoch, self._shuffled(epoch)
        return self._batches[at]

    def _shuffled(self, epoch: int) -> list[tuple[np.ndarray, int, int]]:
        rng = np.random.default_rng([*self.seed, epoch])
        found = []
        for kind, numbers in self._kinds.items():
            order, rows = rng.permutation(numbers), self._rows[kind]
            for at in range(0, len(order), rows):
                some = order[at : at + rows]
                if len(some) < rows:
                    some = np.concatenate([some, np.resize(order, rows - len(some))])
                found.append((some, *kind))
        return [found[i] for i in rng.permutation(len(found))]


def _without_context(pairs: Prepared) -> np.ndarray:
    """Tokens of each input without its context: CTX, the kind, what is said, the end."""
    return pairs.input_lengths - pairs.spoken + 1


class Batches:
    """Training batch i, by stages (share of the steps, longest input)."""

    def __init__(
        self, pairs: Prepared, steps: int, tokens: int, lengths: tuple[tuple[float, int], ...],
        seed: int,
    ) -> None:  # fmt: skip
        self.pairs, self._stages = pairs, list[Stage]()
        start = 0
        for number, (share, longest) in enumerate(lengths):
            end = max(start + 1, round(share * steps))
            self._stages.append(Stage(pairs, longest, tokens, (seed, number), start, end))
            start = end

    def batch(self, step: int) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
        """((inputs, outputs), outputs): (b, s) and (b, t) numbers, padded with 0."""
        stage = next((one for one in self._stages if step < one.end), self._stages[-1])
        numbers, width, height = stage.batch(step)
        return padded(self.pairs, numbers, stage.longest, width, height)


def padded(
    pairs: Prepared, numbers: np.ndarray, longest: int, width: int, height: int
) -> tuple[tuple[np.ndarray, np.ndarray], np.ndarray]:
    """Pairs as arrays, padded with 0."""
    x, y = np.zeros((len(numbers), width), np.int32), np.zeros((len(numbers), height), np.int32)
    for row, i in enumerate(numbers):
        source, target = pairs.input(int(i), longest), pairs.output(int(i))
        x[row, : len(source)] = source
        y[row, : len(target)] = target
    return (x, y), y
