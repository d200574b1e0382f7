"""Texts to parallel files: train.input and train.output, the same of dev and test.

Pairs that were seen in training are left out of dev and test.
"""

import json
import random
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np

from trainer import rejected
from trainer.log import log
from trainer.rejected import Rejected
from trainer.spoken_code.languages import table
from trainer.spoken_code.material import SPLITS, TEXTS_AT_ONCE, Texts, kept
from trainer.spoken_code.pairs import pairs, spoken_at
from trainer.store import Row, Store, build
from trainer.workers import Workers

COUNTS = "counts.json"
MOST_HELD_OUT = 20_000  # pairs of dev and of test each


@dataclass(frozen=True)
class PairsPlan:
    """`gathered`: the folder of the texts; `kind`: one of pairs.KINDS."""

    gathered: str
    kind: str
    epochs: int
    seed: int


def chunks(plan: PairsPlan) -> int:
    """How many chunks `pairs_chunk` makes."""
    return -(-len(kept(plan.gathered)) // TEXTS_AT_ONCE)


def pairs_chunk(plan: PairsPlan, chunk: int) -> Iterator[Row | Rejected]:
    """Pairs of some files: a row a file and epoch; `group`: the split, `mark`: the text."""
    texts = Texts(Path(plan.gathered))
    for number, split in kept(plan.gathered)[chunk * TEXTS_AT_ONCE : (chunk + 1) * TEXTS_AT_ONCE]:
        one, failed = texts.text(number), 0
        for epoch in range(plan.epochs if split == "train" else 1):
            lines = []
            for pair in pairs(
                one.text, one.identity, table()[one.language], epoch, plan.seed, plan.kind
            ):
                if pair is None:
                    failed += 1
                else:
                    place = f"{pair.family}\t{pair.start}\t{pair.end}"
                    lines.append(f"{place}\t{pair.input}\t{pair.output}\n")
            row = np.frombuffer("".join(lines).encode("ascii"), np.uint8)
            yield row, SPLITS.index(split), number
        if failed:
            yield Rejected(one.identity, "pairs that do not give back their code", str(failed))


def write_pairs(out: Path, plan: PairsPlan, most: int, workers: Workers) -> dict[str, Any]:
    """The files; at most `most` pairs in train, drawn evenly. counts.json: pairs by family."""
    build(out, pairs_chunk, plan, chunks(plan), "pairs", workers)
    rows, rng = Store(out), random.Random(plan.seed)
    seen: set[bytes] = set()
    counts: dict[str, Any] = {}
    for group, split in enumerate(SPLITS):
        mine = np.flatnonzero(rows.index["group"] == group)
        total = sum(int((rows.raw(int(i)) == 10).sum()) for i in mine)
        share = min(1.0, (most if split == "train" else MOST_HELD_OUT) / max(total, 1))
        counts[split] = _write_split(out, split, rows, mine, share, rng, seen)
    (out / "data.raw").unlink()
    (out / COUNTS).write_text(json.dumps(counts, indent=1), encoding="utf-8")
    log.info(
        "pairs: %s", ", ".join(f"{sum(n['families'].values())} ({s})" for s, n in counts.items())
    )
    refused = rejected.read(out / rejected.FILE)
    if refused:
        log.warning("pairs: %s left out, as they do not give back their code",
                    sum(int(one.detail) for one in refused))  # fmt: skip
    return counts


def _write_split(
    out: Path, split: str, rows: Store, numbers: np.ndarray, share: float, rng: random.Random,
    seen: set[bytes],
) -> dict[str, Any]:  # fmt: skip
    families: Counter[str] = Counter()
    repeated = 0
    with ExitStack() as stack:
        sources, targets, places = (
            stack.enter_context((out / f"{split}.{kind}").open("w", encoding="ascii"))
            for kind in ("input", "output", "place")
        )
        for i in numbers:
            for line in rows.raw(int(i)).tobytes().decode("ascii").splitlines():
                family, start, end, source, target = line.split("\t")
                if share < 1 and rng.random() >= share:
                    continue
                words = source.split(" ")
                phrase = " ".join(words[spoken_at(words) + 1 :])
                key = blake2b(f"{phrase}\t{target}".encode(), digest_size=8).digest()
                if split == "train":
                    seen.add(key)
                elif key in seen:
                    repeated += 1
                    continue
                sources.write(f"{source}\n")
                targets.write(f"{target}\n")
                if split != "train":
                    places.write(f"{family}\t{rows.index['mark'][i]}\t{start}\t{end}\n")
                families[family] += 1
    return {"families": dict(families), "seen_in_training": repeated}
