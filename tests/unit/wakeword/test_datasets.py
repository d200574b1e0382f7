"""Downloads against a local server that serves small archives in the genuine layouts."""

import contextlib
import functools
import hashlib
import http.server
import io
import json
import os
import subprocess
import tarfile
import threading
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import soundfile

from trainer.downloads import unpack
from trainer.errors import UserError
from trainer.store import Clips
from trainer.wakeword import datasets as corpora
from trainer.wakeword.frames import Frames


class Server(http.server.SimpleHTTPRequestHandler):
    """Serves files with ranges; cuts the first answer of `cut` in the middle."""

    cut: ClassVar[set] = set()
    asked: ClassVar[list] = []

    def log_message(self, *args):
        pass

    def do_GET(self):
        path = Path(self.translate_path(self.path))
        if not path.exists():
            self.send_error(404)
            return
        data, start = path.read_bytes(), 0
        if wanted := self.headers.get("Range"):
            start = int(wanted.removeprefix("bytes=").rstrip("-"))
        self.asked.append((path.name, start))
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        body = data[start:]
        if path.name in self.cut:
            self.cut.discard(path.name)
            body = body[: len(body) // 2]
        self.wfile.write(body)


@pytest.fixture
def served(tmp_path):
    folder = tmp_path / "served"
    folder.mkdir()
    Server.cut, Server.asked = set(), []
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Server, directory=str(folder))
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


def wav(rng, seconds=1.0, rate=32000):
    buffer = io.BytesIO()
    soundfile.write(buffer, rng.normal(0, 0.1, (int(seconds * rate), 2)), rate, format="WAV")
    return buffer.getvalue()


def catalogue(tmp_path, **tables):
    lines = []
    for name, (kind, files) in tables.items():
        entries = ", ".join(
            "{ " + ", ".join(f'{k} = "{v}"' for k, v in f.items()) + " }" for f in files
        )
        lines.append(
            f'[{name}]\nkind = "{kind}"\ntitle = "t"\nlicence = "CC0"\nmegabytes = 1\n'
            f"files = [{entries}]\n"
        )
    path = tmp_path / "catalogue.toml"
    path.write_text("\n".join(lines))
    return corpora.read_catalogue(path)


def set_up(found, tmp_path, workers, *names, archives=False, files=False):
    corpora.set_up(found, names, tmp_path / "sets", workers, archives, files)


def test_rooms_zip_and_noise_tar_become_clips(tmp_path, served, workers, rng):
    folder, url = served
    with zipfile.ZipFile(folder / "Audio.zip", "w") as archive:
        for i in range(3):
            archive.writestr(f"Audio/h{i:03d}_Room.wav", wav(rng, 0.3))
    with tarfile.open(folder / "bal_train00.tar", "w") as archive:
        for name, data in (
            ("audio/bal_train/a.wav", wav(rng, 12)),
            ("audio/bal_train/bad.wav", b"junk"),
        ):
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    found = catalogue(
        tmp_path,
        rooms=("rooms", [{"url": f"{url}/Audio.zip"}]),
        noise=("noise", [{"url": f"{url}/bal_train00.tar"}]),
    )
    set_up(found, tmp_path, workers)
    assert len(Clips(tmp_path / "sets/rooms/clips")) == 3
    assert [round(n / 16000) for n in Clips(tmp_path / "sets/noise/clips").index["length"]] == [
        10,
        2,
    ]
    assert "bad.wav,cannot be decoded" in (tmp_path / "sets/noise/clips/rejected.csv").read_text()
    before = len(Server.asked)
    set_up(found, tmp_path, workers, archives=True, files=True)
    assert len(Server.asked) == before
    assert not (tmp_path / "sets/rooms/archives").exists()
    assert not (tmp_path / "sets/rooms/files").exists()


def test_ready_features_become_frames(tmp_path, served, workers):
    folder, url = served
    values = np.arange(700 * 2 * 40, dtype=np.uint16) % 660
    with zipfile.ZipFile(folder / "speech.zip", "w") as archive:
        base = "speech/training/speech_mmap/"
        archive.writestr(base + "data.ninja", values.tobytes())
        archive.writestr(base + "dtype.ninja", json.dumps("uint16"))
    set_up(
        catalogue(tmp_path, negatives=("negatives", [{"url": f"{url}/speech.zip"}])),
        tmp_path,
        workers,
    )
    frames = Frames(next((tmp_path / "sets/negatives/frames").iterdir()))
    assert frames.index["length"].tolist() == [638, 638]
    assert (
        np.abs(frames.raw(0).ravel() * (26 / 255) - values[: 638 * 40] / 25.6).max()
        <= 26 / 510 + 1e-4
    )


def test_a_cut_off_download_goes_on(tmp_path, served, workers, rng):
    folder, url = served
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr("a.wav", wav(rng, 5))
    Server.cut = {"a.zip"}
    found = catalogue(tmp_path, a=("noise", [{"url": f"{url}/a.zip"}]))
    with contextlib.suppress(UserError):  # curl's own retry may go on, or leave it to the next run
        set_up(found, tmp_path, workers)
    set_up(found, tmp_path, workers)
    starts = [start for name, start in Server.asked if name == "a.zip"]
    assert starts[0] == 0
    assert starts[-1] > 0
    assert len(Clips(tmp_path / "sets/a/clips")) == 1


def test_wrong_checksum_is_removed_and_said(tmp_path, served, workers):
    folder, url = served
    (folder / "a.zip").write_bytes(b"other content")
    with pytest.raises(UserError, match=r"sha256 is .* not 0000"):
        set_up(
            catalogue(tmp_path, a=("noise", [{"url": f"{url}/a.zip", "sha256": "0000"}])),
            tmp_path,
            workers,
        )
    assert not list((tmp_path / "sets/a/archives").iterdir())


def test_first_download_is_recorded_and_a_change_is_an_error(tmp_path, served, workers, rng):
    folder, url = served
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr("a.wav", wav(rng))
    found = catalogue(tmp_path, a=("noise", [{"url": f"{url}/a.zip"}]))
    set_up(found, tmp_path, workers, archives=True)
    recorded = json.loads((tmp_path / "sets/a/sha256.json").read_text())
    assert recorded == {"a.zip": hashlib.sha256((folder / "a.zip").read_bytes()).hexdigest()}
    (tmp_path / "sets/a/ready").unlink()
    (folder / "a.zip").write_bytes(b"changed")
    with pytest.raises(UserError, match="sha256"):
        set_up(found, tmp_path, workers)


def test_damaged_archive(tmp_path, served, workers):
    folder, url = served
    (folder / "a.tar").write_bytes(b"\0" * 700)
    (folder / "b.zip").write_bytes(b"PK\x03\x04 half a zip")
    for name in ("a.tar", "b.zip"):
        with pytest.raises(UserError, match="damaged|neither a zip nor a tar"):
            set_up(
                catalogue(tmp_path, **{name[0]: ("noise", [{"url": f"{url}/{name}"}])}),
                tmp_path,
                workers,
            )


def test_nothing_is_written_outside(tmp_path):
    path = tmp_path / "evil.tar"
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("../outside.txt")
        info.size = 1
        archive.addfile(info, io.BytesIO(b"x"))
    with pytest.raises(UserError, match="outside"):
        unpack(path, tmp_path / "in")
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("link")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(UserError, match="link or device"):
        unpack(path, tmp_path / "in")
    with zipfile.ZipFile(tmp_path / "evil.zip", "w") as archive:
        archive.writestr("../outside.txt", "x")
    with pytest.raises(UserError, match="outside"):
        unpack(tmp_path / "evil.zip", tmp_path / "in")
    assert not (tmp_path / "outside.txt").exists()


def test_missing_file_and_too_little_disk_are_one_line(tmp_path, served, workers, monkeypatch):
    _, url = served
    found = catalogue(tmp_path, a=("noise", [{"url": f"{url}/nowhere.zip"}]))
    with pytest.raises(UserError, match="404"):
        set_up(found, tmp_path, workers)
    usage = os.statvfs(tmp_path)
    monkeypatch.setattr(
        corpora.shutil, "disk_usage", lambda path: type("U", (), {"free": 1 << 20})()
    )
    with pytest.raises(UserError, match="GB are free"):
        set_up(found, tmp_path, workers)
    assert usage.f_bavail
    with pytest.raises(UserError, match="no data set 'x'"):
        set_up(found, tmp_path, workers, "x")


def test_the_projects_own_catalogue_is_whole():
    found = corpora.read_catalogue()
    assert {c.kind for c in found} == set(corpora.KINDS)
    assert all(c.licence and c.megabytes and c.files for c in found)


def test_speech_of_debian_packages(tmp_path, served, workers, rng):
    """Links are not used twice; what says the phrase is known by its text or by the catalogue."""
    folder, url = served
    home = tmp_path / "package"
    (home / "DEBIAN").mkdir(parents=True)
    (home / "DEBIAN" / "control").write_text(
        "Package: stamps\nVersion: 1\nArchitecture: all\nMaintainer: A <a@b.c>\nDescription: d\n"
    )
    for name in ("disk", "penguin_desc", "penguin_desc_fr"):
        (home / f"{name}.wav").write_bytes(wav(rng))
    (home / "penguin.txt").write_text("Penguin\nfr.utf8=Un Manchot.\n")
    (home / "again.wav").symlink_to("disk.wav")
    subprocess.run(["dpkg-deb", "--build", home, folder / "stamps_1_all.deb"], check=True)
    (found,) = catalogue(tmp_path, stamps=("speech", [{"url": f"{url}/stamps_1_all.deb"}]))
    set_up([replace(found, says={"computer": ["disk"]})], tmp_path, workers)
    store = tmp_path / "sets/stamps/clips"
    assert len(Clips(store)) == 3
    assert corpora.groups_that_say(store, ["computer"]) == (0,)
    assert corpora.groups_that_say(store, ["Un manchot"]) == (1, 2)
    assert corpora.groups_that_say(store, ["hey jarvis"]) == ()


def test_starter_sets_have_checksums_and_free_licences():
    for one in corpora.read_catalogue():
        if one.name in corpora.STARTER:
            assert all(len(archive.sha256) == 64 for archive in one.files)
            assert "NC" not in one.licence
            assert "ND" not in one.licence
