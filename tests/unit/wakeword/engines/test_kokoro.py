import hashlib
import http.server
import tarfile
import threading
from functools import partial

import numpy as np
import pytest

from trainer.errors import UserError
from trainer.settings import load
from trainer.wakeword.engines import kokoro
from trainer.wakeword.given import Given
from trainer.wakeword.settings import WakeWordSettings


@pytest.mark.parametrize(
    ("text", "accent", "expected"),
    [
        ("hey jarvis!", "en-us", "hˈA ʤˈɑɹvɪs!"),
        ("father, bird", "en-us", "fˈɑðəɹ, bˈɜɹd"),
        ("bird hair near go", "en", "bˈɜːd hˈɛː nˌɪə ɡˈQ"),
        ("little bottle button", "en-us", "lˈɪTᵊl bˈɑTᵊl bˈʌtᵊn"),
        ("hola casa llave", "es", "ˈola kˈasa ʎˈaβe"),
        ("bonjour maison vin", "fr", "bɔ̃ʒˈuʁ mɛzˈɔ̃ vˈɛ̃"),
        ("ciao gli amici", "it", "ʧˈao ʎɪ amˈiʧɪ"),
        ("नमस्ते", "hi", "nəmˈʌsteː"),
        ("こんにちは", "ja", "kˌonniʨˈiha"),
        ("你好, 小智!", "cmn-latn-pinyin", "ni↓xau↓, ɕjau↓ʈʂɨ↘!"),
    ],
)
def test_phonemes_are_those_of_the_model(text, accent, expected):
    assert kokoro.phonemes(text, accent) == expected
    assert not set(expected) - set(kokoro.TOKENS)


def test_its_vocabulary():
    """Numbers of symbols in the model's own vocab.json."""
    known = {";": 1, " ": 16, "\u0303": 17, "A": 24, "I": 25, "z": 68, "ɪ": 102, "ɹ": 123, "ʊ": 135}
    assert {symbol: kokoro.TOKENS[symbol] for symbol in known} == known
    assert len(set(kokoro.TOKENS.values())) == len(kokoro.TOKENS) == 114


def test_what_it_cannot_say_is_refused():
    with pytest.raises(UserError, match="no voice for 'ru'; it speaks en, es"):
        kokoro.check("привет", "ru")
    with pytest.raises(kokoro.UnknownSound, match="cannot say 'hello' in Mandarin"):
        kokoro.check("hello 你好", "zh")
    with pytest.raises(kokoro.UnknownSound, match="kokoro has no sound for ɭ in 'ळ'"):
        kokoro.check("ळ", "hi")


def test_speakers(tmp_path, rng, tiny_voices):
    model = kokoro.Kokoro(tiny_voices(tmp_path / "kokoro"))
    drawn = [model.draw(rng, "en") for _ in range(300)]
    assert {len(one.parts) for one in drawn} == {1, 2, 4}
    assert {one.accent for one in drawn} == {"en", "en-us"}
    speeds = [one.speed for one in drawn]
    assert min(speeds) < 0.75
    assert 1.3 < max(speeds) <= 1.4
    assert len({one.group for one in drawn}) == 4
    single = [one.name for one in drawn if len(one.parts) == 1]
    assert single.count("ef_d") < len(single) / 4  # an accent of its own, and rare
    # parts of all voices sum to one: a draw from their distribution stays in their middle
    totals = [one.mean + sum(part for _, part in one.parts) for one in drawn]
    assert totals == pytest.approx([1.0] * len(totals))


def test_speech_is_a_function_of_text_and_speaker(tmp_path, tiny_voices):
    model = kokoro.Kokoro(tiny_voices(tmp_path / "kokoro"))
    usual = kokoro.Speaker((("af_a", 1.0),), "en-us", 1.0)
    fast = kokoro.Speaker((("af_a", 1.0),), "en-us", 1.25)
    other = kokoro.Speaker((("af_a", 0.5), ("bf_c", 0.5)), "en-us", 1.0)
    first = model.speak("computer", usual)
    assert np.array_equal(first, kokoro.Kokoro(tmp_path / "kokoro").speak("computer", usual))
    assert len(model.speak("computer", fast)) / len(first) == pytest.approx(0.8, abs=0.01)
    assert not np.array_equal(first, model.speak("computer", other))


@pytest.fixture
def published(tmp_path, monkeypatch, tiny_voices):
    """The tiny voices on a local server, and a catalogue of them; no package index has them."""
    folder = tiny_voices(tmp_path / "published" / "package")
    (folder / "ready").unlink()
    archive = tmp_path / "published" / "voices.tgz"
    with tarfile.open(archive, "w:gz") as out:
        out.add(folder / "voices", "package/voices")
    model = folder / "kokoro.onnx"
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=tmp_path / "published")
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    home = f"http://127.0.0.1:{server.server_address[1]}"
    catalogue = tmp_path / "kokoro.toml"

    def write(sha256=""):
        sums = {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in (model, archive)}
        catalogue.write_text(
            'title = "Tiny"\nlicence = "CC0"\nmegabytes = 1\n'
            f'[model]\nurl = "{home}/package/kokoro.onnx"\nsha256 = "{sha256 or sums[model]}"\n'
            f'[voices]\nurl = "{home}/voices.tgz"\nsha256 = "{sums[archive]}"\n'
        )

    write()
    lock = tmp_path / "empty.lock"
    lock.write_text("voicekiln-no-such-package==1.0 --hash=sha256:" + "0" * 64 + "\n")
    monkeypatch.setattr(kokoro, "CATALOGUE", catalogue)
    monkeypatch.setattr(kokoro, "LOCK", lock)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    yield write
    server.shutdown()


def given(tmp_path, **options):
    loaded = load(WakeWordSettings, {"data_dir": str(tmp_path / "data"), **options}, {})
    return Given(loaded.settings, "hey buster")


def test_voices_are_fetched_once(tmp_path, published):
    folder = given(tmp_path).neural
    assert len(kokoro.Kokoro(folder).voices) == 4
    published(sha256="0" * 64)  # not asked again
    assert given(tmp_path).neural == folder
    assert {p.name for p in folder.iterdir()} == {"kokoro.onnx", "voices", "ready"}


def test_a_model_that_was_damaged_later_is_fetched_again(tmp_path, published, caplog):
    folder = given(tmp_path).neural
    whole = (folder / "kokoro.onnx").read_bytes()
    (folder / "kokoro.onnx").write_bytes(whole[:100])
    assert given(tmp_path).neural == folder
    assert "kokoro.onnx: damaged; fetched again" in caplog.text
    assert (folder / "kokoro.onnx").read_bytes() == whole


def test_a_voice_that_was_damaged_later_is_fetched_again(tmp_path, published, caplog):
    folder = given(tmp_path).neural
    (folder / "voices" / "am_b.bin").write_bytes(b"short")
    assert given(tmp_path).neural == folder
    assert "am_b.bin: damaged; fetched again" in caplog.text
    assert len(kokoro.Kokoro(folder).voices) == 4


@pytest.mark.parametrize("fault", ["damaged", "no network"])
def test_without_voices_the_run_goes_on_and_says_so(tmp_path, published, caplog, fault):
    if fault == "damaged":
        published(sha256="0" * 64)
    else:
        kokoro.CATALOGUE.write_text(
            kokoro.CATALOGUE.read_text().replace("127.0.0.1:", "127.0.0.1:1")
        )
    assert given(tmp_path).neural is None
    assert "the run goes on without neural voices" in caplog.text
    assert not list((tmp_path / "data").rglob("*.onnx"))
    with pytest.raises(UserError):
        _ = given(tmp_path, engine="kokoro").neural


def test_who_does_not_want_them_fetches_nothing(tmp_path, published):
    for options in ({"engine": "espeak"}, {"neural_samples": "0"}, {"language": "ru"}):
        assert given(tmp_path, **options).neural is None
    assert not (tmp_path / "data").exists() or not list((tmp_path / "data").rglob("kokoro"))
