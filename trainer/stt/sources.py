"""Archives and texts of a language in /data/sources: found, downloaded, checked, unpacked."""

import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.downloads import Archive, fetch_to, sha256_of, unpack
from trainer.errors import UserError
from trainer.log import log
from trainer.steps import Steps

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")
# options of a line that are not the reader's
OWN_OPTIONS = {"sha256", "from", "take", "sentences", "numbers"}


@dataclass(frozen=True)
class Missing:
    """A missing file, and what to do about it."""

    name: str
    advice: str


def locate(
    name: str, wanted: Sequence[str], options: dict[str, str], sources: Path, download: bool
) -> list[Path] | Missing:
    """The files of a corpus or text, all or none. Raises UserError."""
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
            return Missing(
                name,
                f"put {' or '.join(place.split('|'))} into {sources}"
                + (f" (from {options['from']})" if "from" in options else ""),
            )
        parts = matches[0].suffix[1:].isdigit()
        if len(matches) > 1 and not parts and options.get("take") != "all":
            log.info("%s: %s is taken, the newest of %d", name, matches[-1].name, len(matches))
            matches = matches[-1:]
        found += matches
    return found


def _matches(sources: Path, pattern: str) -> list[Path]:
    """Files of `sources`, or of an absolute pattern, by the numbers in their names; no deltas."""
    place = Path(pattern)
    found = (sources / place.anchor).glob(str(place.relative_to(place.anchor)))
    by_number = [
        ([int(n) for n in re.findall(r"\d+", p.name)], p) for p in found if "delta" not in p.name
    ]
    return [p for _, p in sorted(by_number)]


def checksums(steps: Steps) -> Path:
    """Where checksums are cached."""
    return steps.work / "checksums.json"


def checksum(path: Path, known: Path) -> str:
    """sha256 of a file, cached in `known` while its size and time stay."""
    found = path.stat()
    key = f"{path} {found.st_size} {found.st_mtime_ns}"
    table = json.loads(known.read_text()) if known.exists() else {}
    if key not in table:
        table[key] = sha256_of(path)
        known.parent.mkdir(parents=True, exist_ok=True)
        unfinished = known.with_suffix(".tmp")
        unfinished.write_text(json.dumps(table, indent=1) + "\n")
        unfinished.replace(known)
    return str(table[key])


def unpacked(steps: Steps, name: str, found: Sequence[Path], sha256: str) -> Path:
    """Folder with what the archives hold; a single folder as it is. Raises UserError."""
    if len(found) == 1 and found[0].is_dir():
        return found[0]
    sums = [checksum(path, checksums(steps)) for path in found]
    if sha256 and len(found) == 1 and sums[0] != sha256:
        raise UserError(
            f"{found[0]}: sha256 is {sums[0]}, not {sha256}: download it again, or correct the "
            "language's params.sh"
        )

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
        # archives of speakers inside
        for inner in sorted(p for p in target.rglob("*") if p.name.endswith(ARCHIVES)):
            unpack(inner, inner.parent)
            inner.unlink()

    archives = dict(zip([p.name for p in found], sums, strict=True))
    return steps.run(f"unpack_{name}", make, {"archives": archives}) / "files"


def is_archive(path: Path) -> bool:
    """Whether it must be unpacked before it is read."""
    return path.name.endswith(ARCHIVES)
