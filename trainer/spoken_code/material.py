"""From sources to a corpus in two resumable steps: texts of files, then spoken commands."""

import hashlib
import json
import random
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from trainer import rejected
from trainer.errors import UserError
from trainer.log import log
from trainer.rejected import Rejected
from trainer.spoken_code import corpus, files, sources
from trainer.spoken_code.files import SourceText, unpacked
from trainer.spoken_code.languages import Language, table
from trainer.spoken_code.readers import archives_in, reader
from trainer.spoken_code.sources import Listing
from trainer.store import Row, Store, build
from trainer.workers import Workers

AT_ONCE = 200  # files of one chunk
TEXTS_AT_ONCE = 32
JOBS, REPOSITORIES, KEPT = "jobs.json", "repositories.json", "kept.json"
SPLITS = ("train", "dev", "test")
HELD_OUT = 0.06  # share of the text in dev, and in test
FEWEST_OWNERS = 10  # with fewer, parts of repositories are held out
COUNTS = "counts.json"
SOURCE_COLUMNS = ["repository", "owner", "licence", "files"]


# --- sources -> texts


@dataclass(frozen=True)
class GatherPlan:
    """`folder`: where jobs.json is."""

    folder: str
    licences: str


@cache
def _jobs(folder: str) -> list[Any]:
    return list(json.loads((Path(folder) / JOBS).read_text(encoding="utf-8")))


def list_all(places: Sequence[Path], wanted: Sequence[Language], licences: str) -> list[Listing]:
    """What is below each place; archives directly in a folder count as places of their own."""
    found = []
    for place in places:
        if not place.exists():
            raise UserError(f"SOURCES: {place}: no such file or folder")
        inner = archives_in(place) if place.is_dir() else []
        for one in (place, *inner):
            found.append(sources.listing(one, wanted, licences))
            log.info("%s: %d files of %s", one, len(found[-1].files), _names(wanted))
    return found


def _names(wanted: Sequence[Language]) -> str:
    return "all languages" if len(wanted) == len(table()) else ", ".join(o.name for o in wanted)


def gather(out: Path, listings: Sequence[Listing], licences: str, workers: Workers) -> None:
    """A store of `SourceText`s, kept.json with the files that are no copies and their split,
    repositories.json and rejected.csv. Raises UserError when nothing is left."""
    repositories = sorted({r for one in listings for _, _, r in one.files}, key=lambda r: r.name)
    number = {repository: i for i, repository in enumerate(repositories)}
    jobs = []
    for one in listings:
        rows = [(name, language, number[r]) for name, language, r in one.files]
        size = AT_ONCE if one.place.is_dir() else max(len(rows), 1)
        jobs += [[str(one.place), rows[i : i + size]] for i in range(0, len(rows), size)]
    (out / JOBS).write_text(json.dumps([[asdict(r) for r in repositories], jobs]), "utf-8")
    build(out, _gather_chunk, GatherPlan(str(out), licences), len(jobs), "reading files", workers)
    refused = [r for one in listings for r in one.rejected] + rejected.read(out / rejected.FILE)
    texts = Texts(out)
    heads = [texts.head(i) for i in range(len(texts))]
    order = sorted(range(len(heads)), key=lambda i: heads[i].identity)
    copied = list(files.copies((heads[i].identity, heads[i].signature) for i in order))
    dropped = {one.path for one in copied}
    kept = [i for i in order if heads[i].identity not in dropped]
    total = sum(len(one.files) + len(one.rejected) for one in listings)
    rejected.write(out / rejected.FILE, [*refused, *copied])
    rejected.report([*refused, *copied], total, "sources", out / rejected.FILE)
    if not kept:
        raise UserError(_nothing(refused))
    owners = {r.name: r.owner for r in repositories}
    sizes = [texts.index["length"][i] for i in kept]
    splits = _split([heads[i] for i in kept], sizes, owners)
    record = {"files": [[i, split] for i, split in zip(kept, splits, strict=True)]}
    (out / KEPT).write_text(json.dumps(record), "utf-8")
    used = Counter(heads[i].repository for i in kept)
    listed = [asdict(r) | {"files": used[r.name]} for r in repositories if used[r.name]]
    (out / REPOSITORIES).write_text(json.dumps(listed, indent=1), "utf-8")
    (out / JOBS).unlink()


def _nothing(refused: Sequence[Rejected]) -> str:
    """Why no file is left, and what to do."""
    kinds = rejected.by_kind(refused)
    if "licence" in kinds:
        names = sorted({one.reason for one in kinds["licence"]})
        return (
            f"SOURCES: no file with a permissive licence ({'; '.join(names[:3])}); for code of "
            "your own, or whose licence allows it, give LICENCES=any"
        )
    if not kinds:
        return "SOURCES: no file of these languages: see LANGUAGES"
    most = next(iter(kinds.items()))
    return f"SOURCES: no usable file: {len(most[1])} are rejected: {most[1][0].reason}"


def _gather_chunk(plan: GatherPlan, chunk: int) -> Iterator[Row | Rejected]:
    repositories, jobs = _jobs(plan.folder)
    place, rows = jobs[chunk]
    known: dict[str, Any] = {
        name: (language, repositories[number]) for name, language, number in rows
    }
    for name, content in reader(Path(place)).read(list(known)):
        language, repository = known[name]
        path = name  # below the place: short enough, and the same for all
        found = files.usable(content, repository["name"], path, language, plan.licences)
        if isinstance(found, Rejected):
            yield found
        else:
            yield np.frombuffer(found.packed(), np.uint8), 0, -1
        known[name] = None
    for name in (name for name, left in known.items() if left):
        yield Rejected(f"{place}/{name}", "cannot be read: no permission, encrypted, or gone")


class Texts(Store):
    """The gathered files."""

    def text(self, i: int) -> SourceText:
        """File i with its text."""
        return unpacked(self.raw(i).tobytes())

    def head(self, i: int) -> SourceText:
        """File i without its text."""
        row = self.raw(i)
        end = int(np.argmax(row[:4000] == 10)) if len(row) else 0
        return unpacked(row[: end + 1].tobytes())


def _split(heads: Sequence[SourceText], sizes: Sequence[int], owners: dict[str, str]) -> list[str]:
    """train, dev or test of each file: of each language, owners are held out; with few owners,
    folders or files of a repository."""
    units: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
    for i, head in enumerate(heads):
        units[head.language][owners.get(head.repository, head.repository)].append(i)
    found = ["train"] * len(heads)
    for language, by_owner in units.items():
        if len(by_owner) >= FEWEST_OWNERS:
            _hold_out(by_owner, sizes, found)
            continue
        log.info("%s: %d owners only: whole files and folders are held out, not owners",
                 language, len(by_owner))  # fmt: skip
        numbers = [i for some in by_owner.values() for i in some]
        for depth in range(2, 3 + max(heads[i].path.count("/") for i in numbers)):
            groups: dict[str, list[int]] = defaultdict(list)
            for i in numbers:
                parts = heads[i].path.split("/")[:depth]
                groups["/".join([heads[i].repository, *parts])].append(i)
                found[i] = "train"
            _hold_out(groups, sizes, found)
            if {"dev", "test"} <= {found[i] for i in numbers}:
                break
    return found


def _hold_out(groups: dict[str, list[int]], sizes: Sequence[int], found: list[str]) -> None:
    """In place: groups in the order of their hashes become test, then dev, until both have their
    share; those too large for it stay in train."""
    total = sum(int(sizes[i]) for some in groups.values() for i in some)
    order = sorted(
        groups, key=lambda name: hashlib.sha256(name.encode("utf-8", "replace")).digest()
    )
    held = {"test": 0, "dev": 0}
    for name in order:
        size = sum(int(sizes[i]) for i in groups[name])
        split = next((s for s in held if held[s] < HELD_OUT * total), None)
        if split is None or len(groups) < 3:
            break
        if size <= 2 * HELD_OUT * total:
            held[split] += size
            for i in groups[name]:
                found[i] = split


def source_rows(gathered: Path) -> list[list[str]]:
    """SOURCE_COLUMNS of all repositories, for reports."""
    given = json.loads((gathered / REPOSITORIES).read_text(encoding="utf-8"))
    return [[r["name"], r["owner"], r["licence"], str(r["files"])] for r in given]


def rejected_rows(gathered: Path) -> list[list[str]]:
    """Why files are not used, how many, and an example, for reports."""
    kinds = rejected.by_kind(rejected.read(gathered / rejected.FILE))
    return [[kind, str(len(some)), Path(some[0].path).name] for kind, some in kinds.items()]


# --- texts -> spoken commands


@dataclass(frozen=True)
class CorpusPlan:
    """`gathered`: the folder of the texts."""

    gathered: str
    epochs: int
    seed: int


@cache
def kept(gathered: str) -> list[tuple[int, str]]:
    """(number of the text, split) of the files that are used."""
    record = json.loads((Path(gathered) / KEPT).read_text(encoding="utf-8"))
    return [(number, split) for number, split in record["files"]]


def corpus_chunks(plan: CorpusPlan) -> int:
    """How many chunks `corpus_chunk` makes."""
    return -(-len(kept(plan.gathered)) // TEXTS_AT_ONCE)


def corpus_chunk(plan: CorpusPlan, chunk: int) -> Iterator[Row]:
    """Commands of some files: a row a file and epoch; `group`: the split."""
    texts = Texts(Path(plan.gathered))
    for number, split in kept(plan.gathered)[chunk * TEXTS_AT_ONCE : (chunk + 1) * TEXTS_AT_ONCE]:
        one = texts.text(number)
        language = table()[one.language]
        for epoch in range(plan.epochs if split == "train" else 1):
            lines = corpus.lines(one.text, one.identity, language, epoch, plan.seed)
            joined = "".join(f"{family}\t{text}\n" for family, text in lines)
            yield np.frombuffer(joined.encode("ascii"), np.uint8), SPLITS.index(split), number


def write_corpus(out: Path, plan: CorpusPlan, most: int, workers: Workers) -> None:
    """train.txt, dev.txt and test.txt: a family, a tab and a command a line; at most `most` in
    train, drawn evenly. counts.json: lines and words."""
    build(out, corpus_chunk, plan, corpus_chunks(plan), "spoken commands", workers)
    rows = Store(out)
    counts: dict[str, dict[str, int]] = {}
    total = sum(
        int((rows.raw(i) == 10).sum()) for i in range(len(rows)) if rows.index["group"][i] == 0
    )
    rng = random.Random(plan.seed)
    share = min(1.0, most / max(total, 1))
    for group, split in enumerate(SPLITS):
        lines = words = 0
        with (out / f"{split}.txt").open("w", encoding="ascii") as file:
            for i in np.flatnonzero(rows.index["group"] == group):
                for line in rows.raw(int(i)).tobytes().decode("ascii").splitlines(keepends=True):
                    if group == 0 and share < 1 and rng.random() >= share:
                        continue
                    file.write(line)
                    lines += 1
                    words += line.count(" ") + 1
        counts[split] = {"commands": lines, "words": words}
    (out / "data.raw").unlink()
    (out / COUNTS).write_text(json.dumps(counts, indent=1), "utf-8")
    log.info("corpus: %s", ", ".join(f"{n['commands']} commands ({s})" for s, n in counts.items()))


def commands(path: Path) -> Iterator[tuple[str, str]]:
    """(family, words) of a text of `write_corpus`."""
    with path.open(encoding="ascii") as file:
        for line in file:
            family, _, text = line.rstrip("\n").partition("\t")
            yield family, text
