"""`setup_voices` against a local server with the publisher's layout."""

import hashlib
import http.server
import json
import threading
from functools import partial

import pytest

from trainer.errors import UserError
from trainer.wakeword import voices
from trainer.wakeword.engines import piper

CARDS = {
    "de_DE-anna-medium": "# Model card for anna (medium)\n\n## Dataset\n\n* License: CC0\n",
    "de_DE-anna-low": "* License: CC0\n",
    "de_AT-bert-low": "* License: CC BY-NC-SA 4.0\n",
    "de_DE-carl-high": "* URL: https://example.org\n",
    "fr_FR-dora-medium": "* License: Public Domain\n",
}


@pytest.fixture
def source(tmp_path):
    """Address of a server with tiny voices; their files by name."""
    home, index = tmp_path / "published", {}
    for key, card in CARDS.items():
        code, name, quality = key.split("-")
        files = {}
        spoken = {"espeak": {"voice": code[:2]}, "num_speakers": 1}
        parts = {f"{key}.onnx": key, f"{key}.onnx.json": json.dumps(spoken), "MODEL_CARD": card}
        for file, text in parts.items():
            path = home / code / name / quality / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            md5 = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
            sizes = {"size_bytes": len(text), "md5_digest": md5}
            files[str(path.relative_to(home))] = sizes
        described = {"name": name, "language": {"code": code}, "quality": quality}
        index[key] = {**described, "num_speakers": 1, "files": files}
    (home / "voices.json").write_text(json.dumps(index))
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=home)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()


def test_free_voices_of_a_language_in_their_best_quality(tmp_path, source, caplog):
    caplog.set_level("INFO")
    made = voices.set_up("de", (), tmp_path / "tools", source)
    assert [path.name for path in made] == ["de_DE-anna-medium.onnx"]
    assert "de_DE-anna-medium: 1 speakers, 0 MB, licence: CC0" in caplog.text
    assert "de_DE-carl-high: 1 speakers, 0 MB, licence: not said" in caplog.text
    assert "not clear: de_AT-bert-low, de_DE-carl-high; name them" in caplog.text
    found = piper.find(tmp_path / "tools", "de")
    assert [(one.path, one.licence) for one in found.models] == [(made[0], "CC0")]
    assert piper.find(tmp_path / "tools", "fr") is None
    voices.set_up("de", (), tmp_path / "tools", source)
    assert "de_DE-anna-medium: up to date" in caplog.text


def test_named_voices_are_fetched_whatever_their_licence(tmp_path, source):
    made = voices.set_up("de-at", ("bert",), tmp_path / "tools", source)
    assert [path.name for path in made] == ["de_AT-bert-low.onnx"]
    assert piper.find(tmp_path / "tools", "de").models[0].licence == "CC BY-NC-SA 4.0"
    with pytest.raises(UserError, match="no voice 'erna' for 'de'; there are de_DE-anna-med"):
        voices.set_up("de", ("erna",), tmp_path / "tools", source)
    with pytest.raises(UserError, match="no voice for 'xx'; it has de_AT, de_DE, fr_FR"):
        voices.set_up("xx", (), tmp_path / "tools", source)


def test_a_damaged_voice_is_removed(tmp_path, source):
    model = tmp_path / "published" / "de_DE" / "anna" / "medium" / "de_DE-anna-medium.onnx"
    whole = model.read_text()
    model.write_text("damaged")
    with pytest.raises(UserError, match=r"anna-medium.onnx: its MD5 is not .* was removed"):
        voices.set_up("de", (), tmp_path / "tools", source)
    assert piper.find(tmp_path / "tools", "de") is None
    model.write_text(whole)
    assert voices.set_up("de", (), tmp_path / "tools", source)


@pytest.mark.parametrize("text", ["", "[]", '{"a": {}}', '{"a": 1}'])
def test_a_damaged_catalogue(text):
    with pytest.raises(UserError, match="the catalogue of voices cannot be read"):
        voices.read_index(text)


@pytest.mark.parametrize(
    ("licence", "free"),
    [
        ("CC0", True),
        ("CC BY 4.0", True),
        ("CC-BY-SA-4.0", True),
        ("MIT", True),
        ("Public domain (LibriVox)", True),
        ("CC BY-NC-SA 4.0", False),
        ("CC-BY-ND", False),
        ("Non-commercial use only", False),
        ("See URL", False),
        ("", False),
    ],
)
def test_licences(licence, free):
    assert voices.is_free(licence) == free


def test_the_generator_of_another_language(tmp_path):
    with pytest.raises(UserError, match="no generator for 'de'; there is one for en"):
        voices.set_up("de", (voices.GENERATOR,), tmp_path)
