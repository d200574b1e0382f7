"""Archives and texts of a language in /data/sources: found, downloaded if asked, checked, unpacked."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import logging
import lzma
import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.corpora import Archive, CorpusError, fetch_to, sha256_of, unpack
from trainer.steps import Steps
from trainer.workers import progress

log = logging.getLogger("trainer")
ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")
OWN_OPTIONS = {"sha256", "from", "take", "sentences", "numbers"}  # of a line, for us; the others are the reader's


@dataclass(frozen=True)
class Missing:
    """A place where nothing is, and what to do about it."""

    name: str
    advice: str




def locate(name: str, wanted: Sequence[str], options: dict[str, str], sources: Path, download: bool) -> list[Path] | Missing:
    """The files of a corpus or text, all of them or none. Raises CorpusError when a download fails."""
    found: list[Path] = []
    for place in wanted:
        if "://" in place:
            archive = Archive(place, options.get("sha256", ""))
            path = sources / archive.name
            if not path.exists() and download:
                log.info("%s: downloading %s", name, place)
                sources.mkdir(parents=True, exist_ok=True)
                fetch_to(archive, path)
            if not path.exists():
                return Missing(name, f"download {place} into {sources}, or set DOWNLOAD=1")
            found.append(path)
            continue
        matches: list[Path] = []
        for pattern in filter(None, place.split("|")):
            matches = matches or _matches(sources, pattern)
        if not matches:
            return Missing(name, f"put {' or '.join(place.split('|'))} into {sources}" + (f" (from {options['from']})" if "from" in options else ""))
        parts = matches[0].suffix[1:].isdigit()
        if len(matches) > 1 and not parts and options.get("take") != "all":
            log.info("%s: %s is taken, the newest of %d", name, matches[-1].name, len(matches))
            matches = matches[-1:]
        found += matches
    return found


def _matches(sources: Path, pattern: str) -> list[Path]:
    """Files of `sources`, or of an absolute pattern, by the numbers in their names; increments ("delta") are no whole release."""
    place = Path(pattern)
    found = Path(place.anchor).glob(str(place.relative_to(place.anchor))) if place.is_absolute() else sources.glob(pattern)
    by_number = [([int(n) for n in re.findall(r"\d+", p.name)], p) for p in found if "delta" not in p.name]
    return [p for _, p in sorted(by_number)]


def checksum(path: Path, known: Path) -> str:
    """sha256 of a file, remembered in `known` for as long as its size and time stay."""
    told = path.stat()
    key = f"{path} {told.st_size} {told.st_mtime_ns}"
    table = json.loads(known.read_text()) if known.exists() else {}
    if key not in table:
        table[key] = sha256_of(path)
        known.parent.mkdir(parents=True, exist_ok=True)
        unfinished = known.with_suffix(".tmp")
        unfinished.write_text(json.dumps(table, indent=1) + "\n")
        unfinished.replace(known)
    return str(table[key])


def unpacked(steps: Steps, name: str, found: Sequence[Path], sha256: str) -> Path:
    """Folder with what the archives hold; a single folder as it is. Raises CorpusError."""
    if len(found) == 1 and found[0].is_dir():
        return found[0]
    sums = [checksum(path, steps.work / "checksums.json") for path in found]
    if sha256 and len(found) == 1 and sums[0] != sha256:
        raise CorpusError(f"{found[0]}: sha256 is {sums[0]}, not {sha256}: download it again, or correct the language's params.sh")

    def make(out: Path) -> None:
        target = out / "files"
        shutil.rmtree(target, ignore_errors=True)  # of a run that was cut off
        target.mkdir()
        log.info("%s: unpacking %s", name, ", ".join(p.name for p in found))
        if found[0].suffix[1:].isdigit():  # one archive in parts
            whole = out / found[0].stem
            with whole.open("wb") as joined:
                for path in found:
                    with path.open("rb") as part:
                        shutil.copyfileobj(part, joined, 1 << 24)
            unpack(whole, target)
            whole.unlink()
        else:
            for path in found:
                if path.name.endswith(ARCHIVES):
                    unpack(path, target)
                else:
                    shutil.copyfile(path, target / path.name)
        for inner in sorted(p for p in target.rglob("*") if p.name.endswith(ARCHIVES)):  # archives of speakers inside
            unpack(inner, inner.parent)
            inner.unlink()

    return steps.run(f"unpack_{name}", make, {"archives": dict(zip([p.name for p in found], sums, strict=True))}) / "files"


def text_lines(path: Path) -> Iterator[str]:
    """Lines of a text, of a compressed one, or of all texts in a folder, with progress. Raises CorpusError."""
    if path.is_dir():
        for inner in sorted(p for p in path.rglob("*") if p.is_file() and ".txt" in p.name):
            yield from text_lines(inner)
        return
    opener = {".xz": lzma.open, ".gz": gzip.open, ".bz2": bz2.open}.get(path.suffix, lambda raw: raw)
    try:
        with path.open("rb") as raw, progress(f"reading {path.name}", max(1, path.stat().st_size), unit="B") as bar:
            seen = 0
            for number, line in enumerate(io.TextIOWrapper(opener(raw), encoding="utf-8-sig")):  # type: ignore[operator]  # kinds of open
                yield line
                if number % 1000 == 0:
                    bar.update(raw.tell() - seen)
                    seen = raw.tell()
    except (OSError, EOFError, lzma.LZMAError, UnicodeDecodeError) as error:
        raise CorpusError(f"{path}: cannot be read as text ({error})") from error


def is_archive(path: Path) -> bool:
    """Whether it must be unpacked before it is read."""
    return path.name.endswith(ARCHIVES)


