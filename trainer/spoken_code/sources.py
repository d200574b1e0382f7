"""Where source code is: folders, git clones, archives, addresses; repositories and their licences.

A repository is a folder with a licence or a package's metadata, and what is below it.
"""

import json
import os
import re
import tarfile
import zipfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from trainer.downloads import Archive, fetch_to
from trainer.errors import UserError
from trainer.rejected import Rejected
from trainer.spoken_code import languages, licences
from trainer.spoken_code.languages import Language
from trainer.spoken_code.readers import ARCHIVES, LEFT_OUT, archives_in, reader

ROOTS = {".git", "package.json", "pyproject.toml", "setup.py", "cargo.toml", "go.mod", "pom.xml"}
LARGEST_BYTES = 10_000_000
STATEMENT_BYTES = 200_000
REMOTE = re.compile(
    r"(?:github\.com|gitlab\.com|bitbucket\.org|codeberg\.org)[:/]([\w.-]+)/([\w.-]+)"
)
WHEEL_METADATA = re.compile(r"^[^/]+\.dist-info(/licenses)?$")
ADDRESS = re.compile(r"(https?|file)://", re.IGNORECASE)


@dataclass(frozen=True)
class Repository:
    """One project: its name, its owner (or the name again), its licence, and where it was."""

    name: str
    owner: str
    licence: str
    place: str


@dataclass
class Listing:
    """What is below a place: files to read (path in the place, language, repository)."""

    place: Path
    files: list[tuple[str, str, Repository]] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)


def places(given: str, folder: Path, download: bool) -> list[Path]:
    """SOURCES, a list separated by commas: folders and archives; text files that list such, one a
    line; addresses, which are downloaded into `folder`. Raises UserError."""
    found: list[Path] = []
    for one in (part.strip() for part in given.split(",")):
        if not one:
            continue
        if ADDRESS.match(one):
            found.append(_downloaded(one, folder, download))
            continue
        path = Path(one)
        if path.is_file() and path.suffix in (".txt", ".list"):
            lines = path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
            kept = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
            if not kept:
                raise UserError(f"SOURCES: {path}: lists nothing")
            inside = ",".join(str(path.parent / k) if not ADDRESS.match(k) else k for k in kept)
            found += places(inside, folder, download)
        elif path.exists():
            found.append(path)
        else:
            raise UserError(f"SOURCES: {one}: no such file or folder")
    return found


def _downloaded(address: str, folder: Path, download: bool) -> Path:
    """The archive at an address; of a repository on a well-known host, its default branch."""
    match = REMOTE.search(address)
    name, url = address.rstrip("/").rsplit("/", 1)[-1].partition("?")[0], address
    if match and not name.lower().endswith(ARCHIVES):
        project = match[2].removesuffix(".git")
        url = f"https://{urlsplit(address).netloc}/{match[1]}/{project}/archive/HEAD.tar.gz"
        name = f"{project}.tar.gz"
    if match:  # releases of several projects have the same name
        name = f"{match[1]}-{name if url != address else f'{match[2]}-{name}'}"
    elif not name.lower().endswith(ARCHIVES):
        raise UserError(f"SOURCES: {address}: not the address of an archive ({' '.join(ARCHIVES)})")
    path = folder / name
    if path.exists():
        return path
    if not download:
        raise UserError(f"SOURCES: {address} is an address: -e DOWNLOAD=1 downloads it")
    folder.mkdir(parents=True, exist_ok=True)
    fetch_to(Archive(url), path)
    return path


def files_of(place: Path, wanted: Sequence[Language]) -> list[Path]:
    """The files below a place that a corpus depends on: for the key of a step. Raises UserError."""
    source = reader(place)
    if not place.is_dir():
        return [place]
    found = [
        place / name
        for name, _, problem in source.names()
        if not problem and (languages.of_file(name, wanted) or _is_statement(name))
    ]
    readable = [path for path in found if path.is_file() and os.access(path, os.R_OK)]
    return readable + archives_in(place)


def listing(place: Path, wanted: Sequence[Language], licences_wanted: str) -> Listing:
    """The files of `wanted` languages below a place, with their repositories; what is left out and
    why. Raises UserError for a damaged archive."""
    source = reader(place)
    try:
        names = sorted(source.names())
        statements = [
            name
            for name, size, problem in names
            if not problem and size < STATEMENT_BYTES and _is_statement(name)
        ]
        texts = dict(source.read(statements))
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.filename:
            raise
        raise UserError(f"SOURCES: {place}: damaged ({error}); get it again") from error
    roots = _roots(place, [name for name, _, problem in names if not problem], texts)
    found = Listing(place)
    for name, size, problem in names:
        language = languages.of_file(name, wanted)
        if problem and (language is not None or name.endswith("/")):
            found.rejected.append(Rejected(f"{place}/{name}", problem))
        if problem or language is None:
            continue
        root = _root_of(name, roots)
        inside = name[len(root) :].lstrip("/")
        if excluded := LEFT_OUT & set(inside.lower().split("/")[:-1]):
            found.rejected.append(Rejected(f"{place}/{name}", f"left out: in {min(excluded)}/"))
        elif size > LARGEST_BYTES:
            found.rejected.append(Rejected(f"{place}/{name}", f"larger than 10 MB ({size} bytes)"))
        elif not licences.allowed(roots[root].licence, licences_wanted):
            reason = f"licence: {roots[root].licence or 'none found'}"
            found.rejected.append(Rejected(f"{place}/{name}", reason, roots[root].name))
        else:
            found.files.append((name, language.name, roots[root]))
    return found


def _is_statement(name: str) -> bool:
    return licences.is_statement(name.rsplit("/", 1)[-1]) or name.endswith(".git/config")


def _roots(place: Path, names: Sequence[str], texts: dict[str, bytes]) -> dict[str, Repository]:
    """Folder -> repository: the place itself, and each folder below that states a licence or is a
    package; without a licence of its own, it has that of the repository around it."""
    folders, wheel = {""}, place.suffix == ".whl"
    for name in names:
        folder, last = _folder_of(name, wheel)
        if last.lower() in ROOTS or licences.FILES.fullmatch(last):
            folders.add(folder)
    stated: dict[str, dict[str, str]] = defaultdict(dict)
    for name, text in texts.items():
        folder, last = _folder_of(name, wheel)
        stated[folder][last] = text.decode("utf-8", "replace")
    base = place.name
    for suffix in ARCHIVES:
        base = base.removesuffix(suffix)
    found: dict[str, Repository] = {}
    for folder in sorted(folders):
        licence, owner = _licence_and_owner(stated[folder])
        outer = found[_root_of(f"{folder}/", found)] if found else None
        name = "/".join(filter(None, (base, folder))).removesuffix("/package")  # npm's archives
        of_outer = outer.owner if outer and folder and outer.licence else name
        licence = licence or (outer.licence if outer else licences.UNKNOWN)
        found[folder] = Repository(name, owner or of_outer, licence, str(place))
    return found


def _folder_of(name: str, wheel: bool) -> tuple[str, str]:
    """(folder, name in it) of a file; what is in .git counts as .git. The metadata of a wheel is
    of all that is in it."""
    folder, _, last = name.rpartition("/")
    if wheel:
        folder = WHEEL_METADATA.sub("", folder)
    if folder == ".git" or folder.endswith("/.git"):
        return folder[: -len(".git")].rstrip("/"), ".git"
    return folder, last


def _root_of(name: str, roots: dict[str, Repository]) -> str:
    folder = name.rpartition("/")[0]
    while folder and folder not in roots:
        folder = folder.rpartition("/")[0]
    return folder


def _licence_and_owner(texts: dict[str, str]) -> tuple[str, str]:
    """From the files directly in a repository's folder."""
    owner, stated = "", []
    for last, text in sorted(texts.items()):
        of_remote = last in (".git", "package.json")
        if of_remote and (match := REMOTE.search(_remote(last, text))):
            owner = owner or match[1].lower()
        if licences.is_statement(last):
            metadata = not licences.FILES.fullmatch(last)
            stated.append((metadata, licences.stated(last, text)))
    # a licence file goes before metadata, but for an expression of choices
    known = [licence for _, licence in sorted(stated, key=lambda one: one[0]) if licence]
    choice = [one for one in known if " or " in one.lower()]
    return (choice or known or [licences.UNKNOWN])[0], owner


def _remote(name: str, text: str) -> str:
    if name != "package.json":
        return text
    try:
        given = json.loads(text)
        found = given.get("repository", "") if isinstance(given, dict) else ""
        found = found.get("url", "") if isinstance(found, dict) else found
        return f"github.com/{found}" if re.fullmatch(r"[\w.-]+/[\w.-]+", str(found)) else str(found)
    except ValueError:
        return ""
