"""Names and contents of a folder or an archive. Links are not followed, nothing is unpacked."""

import os
import tarfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Protocol

from trainer.errors import UserError

ARCHIVES = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar", ".zip", ".whl")
LEFT_OUT = frozenset(
    """.git .hg .svn node_modules bower_components vendor vendored third_party third-party
 thirdparty extern external build dist out target test tests __tests__ spec specs testing
 testdata test_data fixtures mocks __mocks__ doc docs locale locales i18n migrations
 site-packages dist-packages __pycache__ generated gen""".split()
)
Name = tuple[str, int, str]  # path with slashes, bytes, what is wrong with it (or empty)


class Reader(Protocol):
    """A folder or an archive."""

    def names(self) -> Iterator[Name]:
        """All files, and folders (with a slash at the end) that are left out."""
        ...

    def read(self, wanted: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """(path, content) of these files, in the order of the place."""
        ...


class Folder:
    """Files on disk."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def names(self) -> Iterator[Name]:
        """See Reader."""
        home = os.path.realpath(self.place)
        closed: list[OSError] = []
        for folder, inner, files in os.walk(self.place, onerror=closed.append):
            inner.sort()
            for name in [*inner, *sorted(files)]:
                path = os.path.join(folder, name)
                relative = os.path.relpath(path, self.place)
                if os.path.islink(path):
                    outside = os.path.commonpath([home, os.path.realpath(path)]) != home
                    why = "a link that leaves the folder" if outside else "a link"
                    yield relative, 0, why
                    if name in inner:
                        inner.remove(name)
                elif name not in inner and os.path.isfile(path):
                    yield relative, os.path.getsize(path), ""
            if ".git" in inner:
                yield os.path.relpath(os.path.join(folder, ".git", "config"), self.place), 0, ""
            for name in [one for one in inner if one.lower() in LEFT_OUT]:
                inner.remove(name)
                relative = os.path.relpath(os.path.join(folder, name), self.place)
                if not name.startswith((".", "__pycache__")):
                    yield f"{relative}/", 0, f"left out: in {name}/"
        for error in closed:
            relative = os.path.relpath(error.filename, self.place)
            yield f"{relative}/", 0, f"cannot be read: {error.strerror}"

    def read(self, wanted: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """See Reader."""
        for name in wanted:
            try:
                yield name, (self.place / name).read_bytes()
            except (FileNotFoundError, PermissionError):  # told by those who miss it
                continue


class Tar:
    """Members of a tar archive, of any compression."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def names(self) -> Iterator[Name]:
        """See Reader."""
        for member in self._members():
            yield member.name, member.size, _problem(member.name, not member.isfile())

    def read(self, wanted: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """See Reader."""
        names = set(wanted)
        with self._open() as archive:
            for member in archive:
                if member.name in names and member.isfile():
                    stream = archive.extractfile(member)
                    if stream is not None:
                        names.discard(member.name)
                        yield member.name, stream.read()

    def _open(self) -> tarfile.TarFile:
        return tarfile.open(self.place)

    def _members(self) -> Iterator[tarfile.TarInfo]:
        with self._open() as archive:
            for member in archive:
                if not member.isdir():
                    yield member


class Zip:
    """Members of a zip archive."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def names(self) -> Iterator[Name]:
        """See Reader."""
        with zipfile.ZipFile(self.place) as archive:
            for member in archive.infolist():
                if not member.is_dir():
                    link = (member.external_attr >> 28) == 0o12
                    yield member.filename, member.file_size, _problem(member.filename, link)

    def read(self, wanted: Iterable[str]) -> Iterator[tuple[str, bytes]]:
        """See Reader."""
        with zipfile.ZipFile(self.place) as archive:
            for name in wanted:
                try:
                    yield name, archive.read(name)
                except (RuntimeError, zipfile.BadZipFile):  # encrypted, or packed otherwise
                    continue


def _problem(name: str, link: bool) -> str:
    if name.startswith("/") or ".." in PurePosixPath(name).parts:
        return "a path that leaves the archive"
    return "a link or device" if link else ""


def reader(place: Path) -> Reader:
    """Raises UserError for what is neither a folder nor an archive."""
    if place.is_dir():
        return Folder(place)
    if not place.exists():
        raise UserError(f"SOURCES: {place}: no such file or folder")
    if zipfile.is_zipfile(place):
        return Zip(place)
    if tarfile.is_tarfile(place):
        return Tar(place)
    raise UserError(f"SOURCES: {place}: neither a folder nor an archive ({' '.join(ARCHIVES)})")


def is_archive(path: Path) -> bool:
    """Whether a file is an archive by its name."""
    return path.name.lower().endswith(ARCHIVES)


def archives_in(folder: Path) -> list[Path]:
    """Archives directly in a folder."""
    return sorted(p for p in folder.iterdir() if p.is_file() and is_archive(p))
