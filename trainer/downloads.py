"""Downloads: resumed, checked against sha256, unpacked safely.

curl does the transfer (range requests, retries), so that an interrupted download of 26 GB goes
on. A file that exists under its final name is whole and checked.
"""

import hashlib
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from trainer.errors import UserError
from trainer.log import progress
from trainer.programs import run


@dataclass(frozen=True)
class Archive:
    """One file to download."""

    url: str
    sha256: str = ""
    md5: str = ""  # where its publisher gives no other

    @property
    def name(self) -> str:
        """File name."""
        return Path(urlsplit(self.url).path).name


def fetch_to(archive: Archive, path: Path) -> str:
    """Download to `path`, which appears when complete; returns its sha256. Raises UserError."""
    part = path.with_name(f"{path.name}.part")
    _curl(archive, part)
    digest = sha256_of(part)
    if archive.sha256 and digest != archive.sha256:
        part.unlink()
        raise UserError(
            f"{archive.url}: sha256 is {digest}, not {archive.sha256}; the file was removed: try "
            "again, or ask its publisher"
        )
    if archive.md5 and digest_of(part, "md5") != archive.md5:
        part.unlink()
        raise UserError(
            f"{archive.url}: its MD5 is not {archive.md5}; the file was removed: try again, or ask "
            "its publisher"
        )
    part.rename(path)
    return digest


def _curl(archive: Archive, part: Path) -> None:
    """The transfer, with size, rate and time left."""
    if shutil.which("curl") is None:
        raise UserError("curl is not installed here; the image has it")
    size = _remote_size(archive.url)
    if size and part.exists() and part.stat().st_size > size:
        part.unlink()
    options = "--fail --location --silent --show-error --retry 5 --retry-delay 2"
    options += " --connect-timeout 30 --speed-time 60 --speed-limit 1 --continue-at -"
    command = ["curl", *options.split(), "--output", str(part), archive.url]
    if size and part.exists() and part.stat().st_size == size:
        return
    start = part.stat().st_size if part.exists() else 0
    with (
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process,
        progress(f"downloading {archive.name}", max(size, 1), start, "B") as bar,
    ):
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
        errors = " ".join(process.stderr.read().split())
    if process.returncode == 23 or (
        process.returncode == 0 and size and part.stat().st_size != size
    ):
        free = shutil.disk_usage(part.parent).free >> 20
        raise UserError(
            f"{archive.url}: could not be written to {part} ({free} MB free); run the same command "
            "to go on"
        )
    if process.returncode != 0:
        reason = errors or f"curl exit code {process.returncode}"
        raise UserError(
            f"{archive.url}: {reason}; the received part is kept: run the same command to go on"
        )


def fetch_wheels(lock: Path, folder: Path) -> list[Path]:
    """The wheels of a lock with hashes, from the Python package index; none is installed or run.

    Raises ProgramError.
    """
    options = "--quiet --no-deps --only-binary=:all: --require-hashes".split()
    command = [sys.executable, "-m", "pip", "download", *options]
    run([*command, "--requirement", str(lock), "--dest", str(folder)], timeout_seconds=1200)
    return sorted(folder.glob("*.whl"))


def _remote_size(url: str) -> int:
    """Bytes, or 0 if the server does not say."""
    done = subprocess.run(
        ["curl", "--silent", "--head", "--location", "--max-time", "30", url],
        capture_output=True,
        text=True,
        check=False,
    )
    sizes = [
        line.split(":", 1)[1].strip()
        for line in done.stdout.splitlines()
        if line.lower().startswith("content-length:")
    ]
    return int(sizes[-1]) if sizes and sizes[-1].isdigit() else 0


def sha256_of(path: Path) -> str:
    """Of a file's content, in hexadecimal."""
    return digest_of(path, "sha256")


def digest_of(path: Path, algorithm: str) -> str:
    """Of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()


def unpack(path: Path, target: Path) -> None:
    """Unpack a zip or tar archive, or a Debian package; nothing outside `target`, and of archives
    no links. Raises UserError."""
    target.mkdir(parents=True, exist_ok=True)
    try:
        if path.suffix == ".deb":
            run(["dpkg-deb", "--extract", str(path), str(target)])
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                for name in archive.namelist():
                    _check_inside(path, target, name)
                archive.extractall(target)  # noqa: S202  (names are checked above)
        elif tarfile.is_tarfile(path):
            with tarfile.open(path) as archive:
                for (
                    member
                ) in archive:  # extractall's filters came with Python 3.11.4; Debian 12 has 3.11.2
                    _check_inside(path, target, member.name)
                    if not (member.isfile() or member.isdir()):
                        raise UserError(
                            f"{path}: holds '{member.name}', a link or device; not unpacked"
                        )
                    member.mode = 0o755 if member.isdir() else 0o644
                    archive.extract(member, target, set_attrs=False)
        else:
            raise UserError(
                f"{path}: is neither a zip nor a tar archive; remove it and download it again"
            )
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno == 28:
            raise UserError(
                f"{path}: the disk is full; free some space and run the same command again"
            ) from error
        raise UserError(
            f"{path}: damaged ({error}); remove it and run the same command to download it again"
        ) from error


def _check_inside(path: Path, target: Path, name: str) -> None:
    if not (target / name).resolve().is_relative_to(target.resolve()):
        raise UserError(
            f"{path}: holds '{name}', which would be written outside of {target}; not unpacked"
        )
