"""More voices for a language, by `setup_voices`: Piper's, from its publisher's catalogue.

What the publisher says about the licence of a voice is shown, and kept beside it. Voices whose
licence forbids sale or changes, or is not clear, are fetched only when they are named.
"""

import json
import re
import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer.downloads import Archive, fetch_to
from trainer.errors import UserError
from trainer.log import log

CATALOGUE = Path(__file__).with_name("voices.toml")
QUALITIES = ("high", "medium", "low", "x_low")  # of one voice, the first is taken
CARD = "MODEL_CARD"
GENERATOR = "generator"
_LICENCE = re.compile(r"licen[cs]e\s*:\s*(.+)", re.IGNORECASE)
_FREE = re.compile(
    r"cc[ -]?0|cc[ -]by(?:[ -]sa)?(?![ -]n)|\bmit\b|apache|\bbsd\b|public domain", re.IGNORECASE
)
_BOUND = re.compile(r"\bn[cd]\b|non-?\s?commercial|no\s?deriv|research only", re.IGNORECASE)


@dataclass(frozen=True)
class PiperVoice:
    """One entry of the publisher's catalogue: files by their path, with size and MD5."""

    key: str
    name: str
    language: str
    quality: str
    speakers: int
    files: dict[str, tuple[int, str]]

    @property
    def megabytes(self) -> float:
        """Of all its files."""
        return sum(size for size, _ in self.files.values()) / 1e6


def is_free(licence: str) -> bool:
    """Whether anybody may use, change and sell what is made with it."""
    return bool(_FREE.search(licence)) and not _BOUND.search(licence)


def licence_of(card: str) -> str:
    """The licence of a voice by its card; empty if it says none."""
    found = _LICENCE.search(card)
    return found[1].strip() if found else ""


def read_index(text: str) -> list[PiperVoice]:
    """The publisher's catalogue. Raises UserError."""
    try:
        return [
            PiperVoice(
                key,
                one["name"],
                one["language"]["code"],
                one["quality"],
                int(one["num_speakers"]),
                {k: (int(v["size_bytes"]), v["md5_digest"]) for k, v in one["files"].items()},
            )
            for key, one in json.loads(text).items()
        ]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(f"the catalogue of voices cannot be read ({error!r})") from error


def those_of(voices: list[PiperVoice], language: str) -> list[PiperVoice]:
    """Voices of a language (de) or one of its countries (de-at), each in its best quality."""
    wanted = language.lower().replace("-", "_")
    best: dict[tuple[str, str], PiperVoice] = {}
    for one in voices:
        spoken = one.language.lower()
        if wanted not in (spoken, spoken.partition("_")[0]):
            continue
        old = best.get((one.language, one.name))
        if old is None or QUALITIES.index(one.quality) < QUALITIES.index(old.quality):
            best[one.language, one.name] = one
    return list(best.values())


def set_up(language: str, names: tuple[str, ...], tools: Path, source: str = "") -> list[Path]:
    """Fetch voices of a language into `tools`/piper: those named, or all that are free.

    `source`: address of a copy of the publisher's files. Raises UserError.
    """
    catalogue = tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))
    folder = tools / "piper"
    folder.mkdir(parents=True, exist_ok=True)
    if GENERATOR in names:
        made = [_fetch_generator(catalogue["generators"], language, folder)]
        rest = tuple(name for name in names if name != GENERATOR)
        return made + (set_up(language, rest, tools, source) if rest else [])
    source = (source or catalogue["piper"]["url"]).rstrip("/")
    index = folder / catalogue["piper"]["index"]
    if not index.exists():
        fetch_to(Archive(f"{source}/{index.name}"), index)
    voices = read_index(index.read_text(encoding="utf-8"))
    known = those_of(voices, language)
    if not known:
        languages = ", ".join(sorted({one.language for one in voices}))
        raise UserError(f"Piper has no voice for '{language}'; it has {languages}")
    by_name = {one.key: one for one in voices} | {one.name: one for one in known}
    for name in names:
        if name not in by_name:
            listed = ", ".join(one.key for one in known)
            raise UserError(f"no voice '{name}' for '{language}'; there are {listed}")
    chosen = [by_name[name] for name in names] or known
    made, left = [], []
    for one in chosen:
        licence = _licence(one, source, folder)
        said = licence or "not said"
        log.info(f"{one.key}: {one.speakers} speakers, {one.megabytes:.0f} MB, licence: {said}")
        if names or is_free(licence):
            made.append(_fetch_voice(one, source, folder))
        else:
            left.append(one.key)
    if left:
        log.warning(
            f"not fetched, as their licence is not free or not clear: {', '.join(left)}; name them "
            "to fetch them all the same"
        )
    return made


def _licence(voice: PiperVoice, source: str, folder: Path) -> str:
    """Fetches the card of a voice. Raises UserError."""
    card = folder / f"{voice.key}.{CARD}"
    (path,) = [path for path in voice.files if path.endswith(CARD)] or [""]
    if not card.exists() and path:
        fetch_to(Archive(f"{source}/{path}", md5=voice.files[path][1]), card)
    text = card.read_text(encoding="utf-8", errors="replace") if card.exists() else ""
    return licence_of(text)


def _fetch_voice(voice: PiperVoice, source: str, folder: Path) -> Path:
    """The model appears last: a voice without its configuration is not used."""
    made = folder / f"{voice.key}.onnx"
    if made.exists():
        log.info(f"{voice.key}: up to date")
        return made
    need, free = voice.megabytes * 2, shutil.disk_usage(folder).free / 1e6
    if need > free:
        raise UserError(f"{voice.key} needs {need:.0f} MB under {folder}; {free:.0f} MB are free")
    for path in sorted(voice.files, key=lambda path: path.endswith(".onnx")):
        if path.endswith((".onnx", ".onnx.json")):
            archive = Archive(f"{source}/{path}", md5=voice.files[path][1])
            fetch_to(archive, folder / archive.name)
    return made


def _fetch_generator(known: dict[str, Any], language: str, folder: Path) -> Path:
    base = language.lower().partition("-")[0]
    if base not in known:
        there = ", ".join(known)
        raise UserError(f"there is no generator for '{language}'; there is one for {there}")
    described = known[base]
    made = folder / Path(described["url"]).name
    log.info(f"{made.stem}: {described['megabytes']} MB, licence: {described['licence']}")
    if not made.exists():
        fetch_to(Archive(described["config"]), folder / f"{made.name}.json")
        (folder / f"{made.stem}.{CARD}").write_text(f"License: {described['licence']}\n")
        fetch_to(Archive(described["url"]), made)
    return made
