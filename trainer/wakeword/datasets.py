"""The training data sets of `setup_training_datasets`: downloaded, unpacked, converted.

The catalogue is data (catalogue.toml). Each state is a file or folder that appears as a whole: an
archive without `.part`, `<name>/unpacked`, `<name>/ready`.
"""

import json
import shutil
import time
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainer import rejected
from trainer.audio import io as audio
from trainer.audio.decode import AudioError
from trainer.audio.micro_frontend import CHANNELS, quantize
from trainer.downloads import Archive, fetch_to, unpack
from trainer.errors import UserError
from trainer.log import log, minutes
from trainer.rejected import Rejected
from trainer.steps import read_record, write_record
from trainer.store import Clips, Row, audio_row, build
from trainer.wakeword.frames import Frames
from trainer.workers import Workers

CATALOGUE = Path(__file__).with_name("catalogue.toml")
KINDS = ("rooms", "noise", "speech", "negatives")
STARTER = ("starter_speech", "starter_music")
AUDIO = {".wav", ".flac", ".mp3", ".ogg", ".opus", ".g722", ".gsm"}
TEXTS = "texts.json"
PIECE_SECONDS = 10.0
FILES_PER_CHUNK = 50
PIECES_PER_CHUNK = 500
NEGATIVE_FRAMES = 638  # 6.4 s, as our own negatives


@dataclass(frozen=True)
class Dataset:
    """One entry of the catalogue."""

    name: str
    kind: str
    title: str
    licence: str
    megabytes: int
    files: tuple[Archive, ...]
    says: dict[str, list[str]]  # word -> files in which it is spoken, where they have no transcript


def read_catalogue(path: Path = CATALOGUE) -> list[Dataset]:
    """The entries of a catalogue file. Raises UserError."""
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        found = [
            Dataset(
                name,
                t["kind"],
                t["title"],
                t["licence"],
                int(t["megabytes"]),
                tuple(Archive(**file) for file in t["files"]),
                t.get("says", {}),
            )
            for name, t in tables.items()
        ]
    except (OSError, tomllib.TOMLDecodeError, KeyError, TypeError) as error:
        raise UserError(f"catalogue {path}: {type(error).__name__} {error}") from error
    for one in found:
        if one.kind not in KINDS:
            raise UserError(
                f"catalogue {path}: {one.name} is of kind '{one.kind}'; known kinds: "
                f"{', '.join(KINDS)}"
            )
    return found


def downloaded(data_dir: Path) -> dict[str, list[Path]]:
    """Stores of the data sets that are ready, by kind."""
    found: dict[str, list[Path]] = {kind: [] for kind in KINDS}
    for one in read_catalogue():
        home = data_dir / "training_datasets" / one.name
        if (home / "ready").exists():
            stores = sorted((home / "frames").iterdir()) if one.kind == "negatives" else None
            found[one.kind] += stores or [home / "clips"]
    return found


def set_up(
    catalogue: Sequence[Dataset],
    names: Sequence[str],
    folder: Path,
    workers: Workers,
    cleanup_archives: bool,
    cleanup_files: bool,
) -> None:
    """Bring the named data sets (default: all) to `<folder>/<name>/ready`. Raises UserError."""
    known = {one.name: one for one in catalogue}
    for name in names:
        if name not in known:
            raise UserError(f"no data set '{name}'; known data sets: {', '.join(known)}")
    chosen = [known[name] for name in names] or list(catalogue)
    missing = [one for one in chosen if not (folder / one.name / "ready").exists()]
    folder.mkdir(parents=True, exist_ok=True)
    _check_disk(missing, folder)
    for one in chosen:
        home = folder / one.name
        if one in missing:
            size = one.megabytes / 1000
            log.info("===== %s (%.1f GB): %s =====", one.name, size, one.title)
            log.info("Licence: %s", one.licence)
            home.mkdir(exist_ok=True)
            files = _unpack_all([fetch(archive, home) for archive in one.files], home)
            _convert(one, files, home, workers)
            (home / "ready").touch()
        else:
            log.info("%s: up to date", one.name)
        if cleanup_archives:
            shutil.rmtree(home / "archives", ignore_errors=True)
        if cleanup_files and one.kind != "negatives":
            shutil.rmtree(home / "files", ignore_errors=True)
    log.info("Training data sets are ready in %s", folder)


def _check_disk(missing: Sequence[Dataset], folder: Path) -> None:
    # archive, its unpacked files, and 16-bit audio at 16 kHz: about three times the download
    need = sum(one.megabytes * 3 - _megabytes(folder / one.name) for one in missing)
    free = shutil.disk_usage(folder).free >> 20
    if need > free:
        raise UserError(
            f"{', '.join(one.name for one in missing)} need about {need / 1000:.1f} GB under "
            f"{folder}; {free / 1000:.1f} GB are free"
        )


def _megabytes(folder: Path) -> int:
    """What an interrupted set-up left."""
    if not folder.is_dir():
        return 0
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) >> 20


def fetch(archive: Archive, home: Path) -> Path:
    """Download one archive to `home`/archives and check it. Raises UserError.

    Without a published sha256 that of the first download is recorded and must stay the same.
    """
    folder = home / "archives"
    folder.mkdir(exist_ok=True)
    path, record = folder / archive.name, home / "sha256.json"
    if not path.exists():
        known = dict(json.loads(record.read_text())) if record.exists() else {}
        sha256 = archive.sha256 or known.get(archive.name, "")
        known[archive.name] = fetch_to(Archive(archive.url, sha256), path)
        record.write_text(json.dumps(known, indent=1) + "\n")
    return path


def _unpack_all(archives: Sequence[Path], home: Path) -> Path:
    """All archives of a data set unpacked into `home`/files."""
    target, done = home / "files", home / "unpacked"
    if done.exists() and target.exists():
        return target
    shutil.rmtree(target, ignore_errors=True)
    for path in archives:
        start = time.monotonic()
        unpack(path, target / path.name.split(".")[0])
        log.info("unpacked %s in %s", path.name, minutes(time.monotonic() - start))
    done.touch()
    return target


def _convert(dataset: Dataset, files: Path, home: Path, workers: Workers) -> None:
    """Audio -> one store of clips at 16 kHz; ready features -> one store each."""
    if dataset.kind == "negatives":
        _convert_features(dataset, files, home, workers)
        return
    sounds = (p for p in sorted(files.rglob("*")) if p.suffix.lower() in AUDIO)
    found = tuple(str(p) for p in sounds if not p.is_symlink())
    if not found:
        raise UserError(f"{dataset.name}: no audio in {files}")
    store = home / "clips"
    store.mkdir(exist_ok=True)
    chunks, label = -(-len(found) // FILES_PER_CHUNK), f"converting {dataset.name}"
    build(store, _read_files, (dataset.kind, found), chunks, label, workers)
    refused = rejected.read(store / rejected.FILE)
    rejected.report(refused, len(found), dataset.name, store / rejected.FILE)
    if dataset.kind == "speech":
        write_record(store / TEXTS, _texts_of(found, dataset.says))
    used, hours = len(found) - len(refused), Clips(store).seconds / 3600
    log.info("%s: %d files, %.1f h", dataset.name, used, hours)


def _texts_of(files: Sequence[str], says: dict[str, list[str]]) -> dict[str, str]:
    """Transcripts by number of file: of name.txt beside name_desc_fr.ogg; without one, the words
    that the catalogue lists for the file."""
    texts: dict[str, str] = {}
    for number, path in enumerate(map(Path, files)):
        stem = path.stem.partition("_desc")[0]
        beside = path.with_name(f"{stem}.txt")
        text = beside.read_text(encoding="utf-8", errors="replace") if beside.exists() else ""
        text += " ".join(word for word, names in says.items() if path.stem in names)
        if text:
            texts[str(number)] = text.lower()
    return texts


def groups_that_say(store: Path, phrases: Sequence[str]) -> tuple[int, ...]:
    """Groups of a speech store whose transcript contains one of the phrases."""
    texts = read_record(store / TEXTS)
    wanted = [phrase.lower() for phrase in phrases]
    return tuple(int(n) for n, text in texts.items() if any(one in text for one in wanted))


def fetch_starter(data_dir: Path, workers: Workers) -> None:
    """The starter sets, where they are missing: real speech and music, small enough for everybody.

    Raises UserError.
    """
    known = [one for one in read_catalogue() if one.name in STARTER]
    folder = data_dir / "training_datasets"
    if any(not (folder / one.name / "ready").exists() for one in known):
        size = sum(one.megabytes for one in known)
        log.info(f"fetching real speech and music (once): {size} MB; --no-starter goes without")
        set_up(known, STARTER, folder, workers, cleanup_archives=True, cleanup_files=True)


def _read_files(plan: tuple[str, tuple[str, ...]], chunk: int) -> Iterator[Row | Rejected]:
    kind, files = plan
    last = min((chunk + 1) * FILES_PER_CHUNK, len(files))
    for number in range(chunk * FILES_PER_CHUNK, last):
        path = Path(files[number])
        try:
            if kind == "rooms":
                yield audio_row(audio.read(path), number)
                continue
            blocks = [b for b in audio.read_blocks(path, PIECE_SECONDS) if len(b) > 1600]
            if not blocks:
                raise AudioError("too short: less than 0.1 s")
            yield from (audio_row(block, number) for block in blocks)
        except AudioError as error:
            yield Rejected(files[number], str(error))


def _convert_features(dataset: Dataset, files: Path, home: Path, workers: Workers) -> None:
    sets = sorted(p for p in files.rglob("*_mmap") if (p / "data.ninja").exists())
    if not sets:
        raise UserError(f"{dataset.name}: no feature files (*_mmap/data.ninja) in {files}")
    for number, folder in enumerate(sets):
        pieces = _ragged_rows(folder).shape[0] // NEGATIVE_FRAMES
        name = f"{number:02d}_{folder.relative_to(files).parts[0]}_{folder.parent.name}"
        store = home / "frames" / name
        store.mkdir(parents=True, exist_ok=True)
        chunks = -(-pieces // PIECES_PER_CHUNK)
        build(store, _read_ragged, str(folder), chunks, f"converting {name}", workers)
        log.info("%s: %.1f h", name, Frames(store).hours)


def _ragged_rows(folder: Path) -> np.ndarray:
    """A RaggedMmap of microWakeWord (spectrograms one after another, C order) as (rows, 40)."""
    try:
        dtype = json.loads((folder / "dtype.ninja").read_text())
        data = np.memmap(folder / "data.ninja", dtype, "r")
    except (OSError, ValueError, TypeError) as error:
        raise UserError(
            f"{folder}: not in the layout of microWakeWord's features ({error})"
        ) from error
    if len(data) % CHANNELS or dtype not in ("uint16", "float32"):
        raise UserError(
            f"{folder}: {len(data)} values of {dtype} are not rows of {CHANNELS} channels of "
            "uint16 or float32"
        )
    return data.reshape(-1, CHANNELS)


def _read_ragged(folder: str, chunk: int) -> Iterator[Row]:
    """Features as clips of one length; uint16 is the front-end's own unit, 1/25.6 of a value."""
    rows = _ragged_rows(Path(folder))
    scale = np.float32(1 / 25.6 if rows.dtype == np.uint16 else 1)
    last = min((chunk + 1) * PIECES_PER_CHUNK, rows.shape[0] // NEGATIVE_FRAMES)
    for piece in range(chunk * PIECES_PER_CHUNK, last):
        part = rows[piece * NEGATIVE_FRAMES : (piece + 1) * NEGATIVE_FRAMES]
        yield quantize(part * scale), piece, -1
