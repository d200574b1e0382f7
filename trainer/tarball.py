"""Archives that have the same bytes whenever they are made."""

import gzip
import tarfile
from collections.abc import Iterable
from pathlib import Path


def write(folder: Path, paths: Iterable[Path], archive: Path) -> None:
    """A .tar.gz of files and folders below `folder`."""

    def plain(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.mtime, member.uid, member.gid = 0, 0, 0
        member.uname = member.gname = ""
        return member

    with (
        archive.open("wb") as raw,
        gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed,
        tarfile.open(mode="w", fileobj=packed) as out,
    ):
        for path in paths:
            for one in sorted([path, *path.rglob("*")]):
                out.add(one, str(one.relative_to(folder)), recursive=False, filter=plain)
