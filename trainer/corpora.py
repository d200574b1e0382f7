"""Catalogue and download of corpora: resumed, checked against sha256, unpacked safely, converted on all cores.

The catalogue is data (catalogue.toml). curl does the transfer (range requests, retries), so that a cut-off download of
26 GB goes on. Each state is a file or folder that appears whole: an archive without `.part`, `<name>/unpacked`, `<name>/ready`.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import subprocess
import tarfile
import time
import tomllib
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np

from trainer import audio
from trainer.audio import AudioError
from trainer.clips import Clips, Frames, Row, audio_row, build
from trainer.features import CHANNELS, quantize
from trainer.workers import Workers, minutes, progress

log = logging.getLogger("trainer")
KINDS = ("rooms", "noise", "negatives")
AUDIO = {".wav", ".flac", ".mp3", ".ogg", ".opus"}
PIECE_SECONDS = 10.0
FILES_PER_CHUNK = 50
PIECES_PER_CHUNK = 500
NEGATIVE_FRAMES = 638  # 6.4 s, as our own negatives


class CorpusError(Exception):
    """A data set that cannot be had; one line: which, why, what to do."""


@dataclass(frozen=True)
class Archive:
    """One file to download."""

    url: str
    sha256: str = ""

    @property
    def name(self) -> str:
        """File name."""
        return Path(urlsplit(self.url).path).name


@dataclass(frozen=True)
class Corpus:
    """One entry of the catalogue."""

    name: str
    kind: str
    title: str
    licence: str
    megabytes: int
    files: tuple[Archive, ...]


def read_catalogue(path: Path | None = None) -> list[Corpus]:
    """The entries of a catalogue file (the project's own by default). Raises CorpusError."""
    path = path or Path(__file__).with_name("catalogue.toml")
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        found = [
            Corpus(name, t["kind"], t["title"], t["licence"], int(t["megabytes"]), tuple(Archive(**f) for f in t["files"]))
            for name, t in tables.items()
        ]
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise CorpusError(f"catalogue {path}: {type(error).__name__} {error}") from error
    for corpus in found:
        if corpus.kind not in KINDS:
            raise CorpusError(f"catalogue {path}: {corpus.name} is of kind '{corpus.kind}'; there are {', '.join(KINDS)}")
    return found


def set_up(
    catalogue: Sequence[Corpus], names: Sequence[str], folder: Path, workers: Workers, cleanup_archives: bool, cleanup_files: bool
) -> None:
    """Bring every named corpus (all by default) to `<folder>/<name>/ready`. Raises CorpusError."""
    known = {c.name: c for c in catalogue}
    for name in names:
        if name not in known:
            raise CorpusError(f"no data set '{name}'; there are {', '.join(known)}")
    chosen = [known[n] for n in names] or list(catalogue)
    missing = [c for c in chosen if not (folder / c.name / "ready").exists()]
    folder.mkdir(parents=True, exist_ok=True)
    # archive, its unpacked files, and 16-bit audio at 16 kHz: about three times the download
    need = sum(c.megabytes * 3 - _there(folder / c.name) for c in missing)
    free = shutil.disk_usage(folder).free >> 20
    if need > free:
        raise CorpusError(f"{', '.join(c.name for c in missing)} need about {need / 1000:.1f} GB under {folder}; {free / 1000:.1f} GB are free")
    for corpus in chosen:
        home = folder / corpus.name
        if corpus in missing:
            log.info("===== %s (%.1f GB): %s. Licence: %s =====", corpus.name, corpus.megabytes / 1000, corpus.title, corpus.licence)
            home.mkdir(exist_ok=True)
            archives = [fetch(a, home) for a in corpus.files]
            files = _unpack_all(archives, home)
            _convert(corpus, files, home, workers)
        else:
            log.info("%s: is there", corpus.name)
        if cleanup_archives:
            shutil.rmtree(home / "archives", ignore_errors=True)
        if cleanup_files and corpus.kind != "negatives":
            shutil.rmtree(home / "files", ignore_errors=True)
    log.info("Training data sets are ready in %s", folder)


def _there(folder: Path) -> int:
    """Megabytes that a cut-off set-up left."""
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) >> 20 if folder.is_dir() else 0


def fetch(archive: Archive, home: Path) -> Path:
    """Download one archive to `home`/archives, going on where it was cut off, and check it. Raises CorpusError."""
    folder = home / "archives"
    folder.mkdir(exist_ok=True)
    path = folder / archive.name
    if not path.exists():
        digest = fetch_to(Archive(archive.url, archive.sha256 or _recorded(home).get(archive.name, "")), path)
        (home / "sha256.json").write_text(json.dumps(_recorded(home) | {archive.name: digest}, indent=1) + "\n")
    return path


def fetch_to(archive: Archive, path: Path) -> str:
    """Download to `path`, which appears whole and checked; returns its sha256. Raises CorpusError."""
    part = path.with_name(f"{path.name}.part")
    _curl(archive, part)
    digest = sha256_of(part)
    if archive.sha256 and digest != archive.sha256:
        part.unlink()
        raise CorpusError(
            f"{archive.url}: sha256 is {digest}, not {archive.sha256}: it was removed; try again, or ask whether its publisher changed it"
        )
    part.rename(path)
    return digest


def _recorded(home: Path) -> dict[str, str]:
    path = home / "sha256.json"
    return dict(json.loads(path.read_text())) if path.exists() else {}


def _curl(archive: Archive, part: Path) -> None:
    """The transfer, with size, rate and time left."""
    if shutil.which("curl") is None:
        raise CorpusError("curl is not installed here; the image brings it")
    size = _remote_size(archive.url)
    if size and part.exists() and part.stat().st_size > size:
        part.unlink()
    command = ["curl", "--fail", "--location", "--silent", "--show-error", "--retry", "5", "--retry-delay", "2",
               "--connect-timeout", "30", "--speed-time", "60", "--speed-limit", "1", "--continue-at", "-", "--output", str(part), archive.url]
    if size and part.exists() and part.stat().st_size == size:
        return
    start = part.stat().st_size if part.exists() else 0
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process, \
            progress(f"downloading {archive.name}", max(size, 1), start, "B") as bar:
        seen = start
        try:
            while process.poll() is None:
                time.sleep(0.2)
                now = part.stat().st_size if part.exists() else 0
                bar.update(now - seen)
                seen = now
        except BaseException:
            process.terminate()
            raise
        assert process.stderr is not None
        told = " ".join(process.stderr.read().split())
    if process.returncode == 23 or (process.returncode == 0 and size and part.stat().st_size != size):
        free = shutil.disk_usage(part.parent).free >> 20
        raise CorpusError(f"{archive.url}: could not be written whole to {part} ({free} MB free); run the same command to go on")
    if process.returncode != 0:
        raise CorpusError(f"{archive.url}: {told or f'curl exit code {process.returncode}'}; what came is kept: run the same command to go on")


def _remote_size(url: str) -> int:
    """Bytes, or 0 when the server does not tell."""
    done = subprocess.run(["curl", "--silent", "--head", "--location", "--max-time", "30", url], capture_output=True, text=True, check=False)
    sizes = [line.split(":", 1)[1].strip() for line in done.stdout.splitlines() if line.lower().startswith("content-length:")]
    return int(sizes[-1]) if sizes and sizes[-1].isdigit() else 0


def sha256_of(path: Path) -> str:
    """Of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unpack_all(archives: Sequence[Path], home: Path) -> Path:
    """All archives of a corpus unpacked into `home`/files."""
    target = home / "files"
    done = home / "unpacked"
    if done.exists() and target.exists():
        return target
    shutil.rmtree(target, ignore_errors=True)
    for path in archives:
        start = time.monotonic()
        unpack(path, target / path.name.split(".")[0])
        log.info("unpacked %s in %s", path.name, minutes(time.monotonic() - start))
    done.touch()
    return target


def unpack(path: Path, target: Path) -> None:
    """A zip or tar archive into `target`; nothing is written outside it, links and devices are refused. Raises CorpusError."""
    target.mkdir(parents=True, exist_ok=True)
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    _check_inside(path, target, name)
                archive.extractall(target)  # noqa: S202  (names are checked above)
        elif tarfile.is_tarfile(path):
            with tarfile.open(path) as archive:
                for member in archive:  # extractall's filters came with Python 3.11.4; Debian 12 has 3.11.2
                    _check_inside(path, target, member.name)
                    if not (member.isfile() or member.isdir()):
                        raise CorpusError(f"{path}: holds '{member.name}', a link or device; not unpacked")
                    member.mode = 0o755 if member.isdir() else 0o644
                    archive.extract(member, target, set_attrs=False)
        else:
            raise CorpusError(f"{path}: is neither a zip nor a tar archive; remove it and download it again")
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno == 28:
            raise CorpusError(f"{path}: the disk is full while unpacking; free some space and run the same command again") from error
        raise CorpusError(f"{path}: damaged ({error}); remove it and run the same command to download it again") from error


def _check_inside(path: Path, target: Path, name: str) -> None:
    if not (target / name).resolve().is_relative_to(target.resolve()):
        raise CorpusError(f"{path}: holds '{name}', which would be written outside of {target}; not unpacked")


def _convert(corpus: Corpus, files: Path, home: Path, workers: Workers) -> None:
    """Audio -> one store of clips at 16 kHz; features stay as they are."""
    if corpus.kind == "negatives":
        sets = sorted(p for p in files.rglob("*_mmap") if (p / "data.ninja").exists())
        if not sets:
            raise CorpusError(f"{corpus.name}: no feature files (*_mmap/data.ninja) in {files}")
        for number, folder in enumerate(sets):
            rows = _ragged_rows(folder)
            store = home / "frames" / f"{number:02d}_{folder.relative_to(files).parts[0]}_{folder.parent.name}"
            store.mkdir(parents=True, exist_ok=True)
            pieces = rows.shape[0] // NEGATIVE_FRAMES
            build(store, _read_ragged, str(folder), -(-pieces // PIECES_PER_CHUNK), f"converting {store.name}", workers)
            log.info("%s: %.1f h", store.name, Frames(store).hours)
    else:
        found = tuple(str(p) for p in sorted(files.rglob("*")) if p.suffix.lower() in AUDIO)
        if not found:
            raise CorpusError(f"{corpus.name}: no audio in {files}")
        store = home / "clips"
        store.mkdir(exist_ok=True)
        build(store, _read_files, (corpus.kind, found), -(-len(found) // FILES_PER_CHUNK), f"converting {corpus.name}", workers)
        read = len(np.unique(Clips(store).index["group"]))
        if read < len(found):
            bad = workers.run(partial(_problem, found), range(len(found)), "looking for damaged files")
            lines = [f"{p}: {why}" for p, why in zip(found, bad, strict=True) if why]
            (home / "damaged.txt").write_text("\n".join(lines) + "\n")
            log.warning("%s: %d of %d files could not be decoded (%s), such as %s",
                        corpus.name, len(lines), len(found), home / "damaged.txt", lines[0])
        log.info("%s: %d files, %.1f h", corpus.name, read, Clips(store).seconds / 3600)
    (home / "ready").touch()


def _read_files(plan: tuple[str, tuple[str, ...]], chunk: int) -> list[Row]:
    kind, files = plan
    rows: list[Row] = []
    for number in range(chunk * FILES_PER_CHUNK, min((chunk + 1) * FILES_PER_CHUNK, len(files))):
        try:
            if kind == "rooms":
                rows.append(audio_row(audio.read(Path(files[number])), number))
            else:
                rows += [audio_row(b, number) for b in audio.read_blocks(Path(files[number]), PIECE_SECONDS) if len(b) > 1600]
        except AudioError:
            continue
    return rows


def _ragged_rows(folder: Path) -> np.ndarray:
    """A RaggedMmap of microWakeWord (reference layout: raw C-order spectrograms one after another) as (rows, 40)."""
    try:
        dtype = json.loads((folder / "dtype.ninja").read_text())
        data = np.memmap(folder / "data.ninja", dtype, "r")
    except (OSError, ValueError, TypeError) as error:
        raise CorpusError(f"{folder}: not in the layout of microWakeWord's features ({error})") from error
    if len(data) % CHANNELS or dtype not in ("uint16", "float32"):
        raise CorpusError(f"{folder}: {len(data)} values of {dtype} are no rows of {CHANNELS} channels of uint16 or float32")
    return data.reshape(-1, CHANNELS)


def _read_ragged(folder: str, chunk: int) -> Iterator[Row]:
    """Features as clips of one length; uint16 is the front-end's own unit, 1/25.6 of the real value."""
    rows = _ragged_rows(Path(folder))
    scale = np.float32(1 / 25.6 if rows.dtype == np.uint16 else 1)
    for piece in range(chunk * PIECES_PER_CHUNK, min((chunk + 1) * PIECES_PER_CHUNK, rows.shape[0] // NEGATIVE_FRAMES)):
        yield quantize(rows[piece * NEGATIVE_FRAMES : (piece + 1) * NEGATIVE_FRAMES] * scale), piece, -1


def _problem(files: tuple[str, ...], number: int) -> str:
    try:
        for _ in audio.read_blocks(Path(files[number])):
            pass
    except AudioError as error:
        return str(error)
    return ""
