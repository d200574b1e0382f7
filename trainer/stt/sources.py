"""Archives and texts of a language in /data/sources: found, downloaded, checked, unpacked."""

import itertools
import json
import re
import shutil
import tarfile
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.downloads import Archive, fetch_to, sha256_of, unpack
from trainer.errors import UserError
from trainer.log import log
from trainer.steps import Steps

ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")
# options of a line that are not the reader's
OWN_OPTIONS = {"sha256", "from", "take", "sentences", "numbers"}


# what an archive of a corpus holds, by its first members
RELEASES = {
    "common_voice": r"(?:^|/)cv-corpus-(?P<version>\d+(?:\.\d+)*)(?P<delta>-delta)?(?:-[^/]*)?/"
    r"(?P<language>[A-Za-z-]+)/",
    "spontaneous_speech": r"(?:^|/)(?:sps|ss)-corpus-(?P<version>\d+(?:\.\d+)*)(?P<delta>-delta)?"
    r"(?:-[\d-]+)?-(?P<language>[A-Za-z-]+)/",
}
# repacked, without the release's name
UNVERSIONED = {
    "common_voice": r"^(?:\./)?(?P<language>[A-Za-z-]+)/(?:clips/|(?:train|dev|validated)\.tsv)",
    "spontaneous_speech": r"(?:^|/)ss-corpus-(?P<language>[A-Za-z-]+)\.tsv$",
}
CONTENT = "content:"  # in importers.sh, before a language: recognised by content
MEMBERS = 60  # of an archive that are looked at


@dataclass(frozen=True)
class Release:
    """A release of a corpus in sources/, recognised by its content."""

    path: Path
    version: tuple[int, ...]
    delta: bool


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
        patterns = list(filter(None, place.split("|")))
        found_by = (_found(name, p, sources, options.get("take") == "all") for p in patterns)
        matches = next(filter(None, found_by), [])
        if not matches:
            wanted_files = " or ".join(map(_described, patterns))
            source = f" (from {options['from']})" if "from" in options else ""
            return Missing(name, f"put {wanted_files} into {sources}{source}")
        found += matches
    return found


def _found(name: str, pattern: str, sources: Path, take_all: bool) -> list[Path]:
    """The files that one alternative of a place stands for."""
    if pattern.startswith(CONTENT):
        return _releases(name, pattern.removeprefix(CONTENT), sources)
    matches = _matches(sources, pattern)
    parts = bool(matches) and matches[0].suffix[1:].isdigit()
    if len(matches) > 1 and not parts and not take_all:
        log.info("%s: %s is taken, the newest of %d", name, matches[-1].name, len(matches))
        return matches[-1:]
    return matches


def _described(pattern: str) -> str:
    """A pattern, for advice."""
    language = pattern.removeprefix(CONTENT)
    return f"its archive for '{language}' (any name)" if language != pattern else pattern


def _matches(sources: Path, pattern: str) -> list[Path]:
    """Files of `sources`, or of an absolute pattern, by the numbers in their names; no deltas."""
    place = Path(pattern)
    found = (sources / place.anchor).glob(str(place.relative_to(place.anchor)))
    by_number = [
        ([int(n) for n in re.findall(r"\d+", p.name)], p) for p in found if "delta" not in p.name
    ]
    return [p for _, p in sorted(by_number)]


def _releases(name: str, language: str, sources: Path) -> list[Path]:
    """The newest release of a corpus and the deltas after it; others are named in the log."""
    known = [r for path in candidates(sources) if (r := recognise(name, language, path))]
    bases = [r for r in known if not r.delta]
    base = max(bases, key=lambda r: (r.version, r.path.is_dir()), default=None)
    deltas = sorted((r for r in known if r.delta), key=lambda r: r.version)
    used = [base] if base else []
    for r in deltas:  # one of each version
        if base and r.version > base.version and r.version not in {u.version for u in used}:
            used.append(r)
    for r in known:
        if r not in used:
            why = (
                f"it is not newer than {base.path.name}"
                if base
                else "it is a delta, and the release before it is not there"
            )
            log.warning(f"{name}: {r.path.name} is not used: {why}")
    if base:
        log.info("%s: %s", name, " + ".join(r.path.name for r in used))
    return [r.path for r in used]


def candidates(sources: Path) -> list[Path]:
    """Archives and folders in sources/."""
    found = sorted(sources.iterdir()) if sources.is_dir() else []
    return [p for p in found if p.is_dir() or is_archive(p)]


def recognise(name: str, language: str, path: Path) -> Release | None:
    """The release of corpus `name` in an archive or unpacked folder; None if it is none."""
    for member in _members(path):
        match = re.search(RELEASES[name], member)
        if match and match["language"].lower() == language.lower():
            version = tuple(int(n) for n in match["version"].split("."))
            place = path.parent / member[: match.end("language")] if path.is_dir() else path
            return Release(place if place.is_dir() else path, version, bool(match["delta"]))
        old = re.search(UNVERSIONED[name], member)
        if old and old["language"].lower() == language.lower() and not match:
            return Release(path, (0,), False)
    return None


def _members(path: Path) -> list[str]:
    """Some names inside an archive or folder, from the folder's own name on."""
    if path.is_dir():
        inside = itertools.chain(path.glob("*"), path.glob("*/*"))
        found = itertools.islice((p for p in inside if p.suffix != ".mp3"), MEMBERS)
        return [f"{path.name}/{p.relative_to(path)}" for p in found]
    try:
        if path.name.endswith(".zip"):
            with zipfile.ZipFile(path) as archive:
                return archive.namelist()[:MEMBERS]
        with tarfile.open(path, "r|*") as tape:
            return [m.name for m in itertools.islice(tape, MEMBERS)]
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        log.warning(f"{path}: not an archive that can be read ({error})")
        return []


def report_unused(sources: Path, used: Iterable[Path]) -> None:
    """Name the files of sources/ that this run does not read."""
    taken = {p.absolute() for p in used}
    unused = [
        p.name
        for p in (sorted(sources.iterdir()) if sources.is_dir() else [])
        if p.absolute() not in taken and not any(p.absolute() in t.parents for t in taken)
    ]
    if unused:
        shown = ", ".join(unused[:8]) + (", ..." if len(unused) > 8 else "")
        log.warning(f"{sources}: {len(unused)} files are not used by this run: {shown}")


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
    sums = [
        checksum(path, checksums(steps)) if path.is_file() else str(path.stat().st_mtime_ns)
        for path in found
    ]
    if sha256 and sums[0] != sha256:  # of the release, before its deltas
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
                if path.is_dir():
                    (target / path.parent.name).mkdir(exist_ok=True)
                    (target / path.parent.name / path.name).symlink_to(path.absolute())
                elif path.name.endswith(ARCHIVES):
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
