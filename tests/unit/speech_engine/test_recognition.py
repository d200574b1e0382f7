"""Engines in their runtimes: PocketSphinx with synthetic speech, sherpa-onnx with tones."""

import io
import math
import shutil
import subprocess
import sys

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from trainer.errors import UserError
from trainer.speech_engine import graph, lexicon, recognizers, runtimes, spoken, transcription
from trainer.speech_engine import hints as hinted
from trainer.speech_engine.acoustics import along, find, pocketsphinx
from trainer.speech_engine.acoustics import onnx as of_onnx
from trainer.steps import write_record

WORDS = "delete line five go to insert add function".split()
SENTENCES = ("delete line five", "go to line five", "insert function", "add function #hint")


def arpa(path, sentences=SENTENCES):
    """Bigrams of equal weight, with back-off."""
    words = sorted({w for one in sentences for w in one.split()})
    pairs = sorted({
        pair
        for one in sentences
        for pair in zip(["<s>", *one.split()], [*one.split(), "</s>"], strict=True)
    })  # fmt: skip
    names = ["<s>", "</s>", *words]
    lines = ["\\data\\", f"ngram 1={len(names)}", f"ngram 2={len(pairs)}", "", "\\1-grams:"]
    lines += [f"{-99 if n == '<s>' else -1.2}\t{n}\t-0.5" for n in names]
    lines += ["", "\\2-grams:", *(f"-0.4\t{a} {b}" for a, b in pairs), "", "\\end\\", ""]
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    home = tmp_path_factory.mktemp("engine")
    acoustics = find("pocketsphinx")
    words = {word: acoustics.dictionary[word] for word in WORDS}
    pocketsphinx.write(words, arpa(home / "search.arpa"), home)
    (home / "lang").mkdir()
    entries = [lexicon.Entry(w, tuple(p), "dictionary", 1.0, 1) for w, p in words.items()]
    lexicon.write(entries, home / "lang", 0.5)
    return home


def clip(text):
    speaker = next((v for v in spoken.voices() if v[0] == "flite"), None)
    assert speaker, "flite is not installed"
    return (spoken.speak(*speaker, text) * 32767).astype(np.int16)


def test_pocketsphinx_hears_commands(engine):
    decoder = pocketsphinx.PocketSphinx(engine)
    found = decoder.alternatives(clip("delete line five"), 5)
    assert found[0].text == "delete line five"
    assert [one.cost for one in found] == sorted(one.cost for one in found)
    assert 0 < sum(one.confidence for one in found) <= 1.0001


def test_a_hint_is_heard_and_only_with_hints(engine):
    samples = clip("add function kubelet")
    without = pocketsphinx.PocketSphinx(engine).alternatives(samples, 1)
    assert "kubelet" not in without[0].text
    hints = {"kubelet": ("K Y UW B L EH T",)}
    found = pocketsphinx.PocketSphinx(engine, hints, 2.0).alternatives(samples, 1)
    assert found[0].text == "add function kubelet"
    other = pocketsphinx.PocketSphinx(engine, hints, 2.0).alternatives(clip("go to line five"), 1)
    assert other[0].text == "go to line five"


def test_a_microphone_is_heard_command_by_command(engine):
    pause = np.random.default_rng(0).normal(0, 3, 24000).astype(np.int16)
    said = ["delete line five", "insert function"]
    samples = np.concatenate([pause, *(part for text in said for part in (clip(text), pause))])
    decoder = pocketsphinx.PocketSphinx(engine)
    found = [
        along(decoder, parts, 1)[0].text
        for parts in transcription.utterances(io.BytesIO(samples.astype("<i2").tobytes()))
    ]
    assert found == said


def test_the_folder_alone_in_a_process_of_its_own(engine):
    assert runtimes.of(engine) == ["pocketsphinx"]
    found = runtimes.decode_apart("pocketsphinx", engine, [clip("insert function")])
    assert found == ["insert function"]


def test_a_damaged_folder_is_an_error(engine, tmp_path):
    shutil.copytree(engine, tmp_path / "bad")
    (tmp_path / "bad" / "pocketsphinx" / "commands.lm").write_text("nothing")
    with pytest.raises(UserError, match="pocketsphinx cannot load it"):
        runtimes.decode_apart("pocketsphinx", tmp_path / "bad", [np.zeros(8000, np.int16)])
    with pytest.raises(UserError, match="cannot be loaded"):
        pocketsphinx.PocketSphinx(tmp_path / "bad")


def test_what_is_no_engine(tmp_path):
    with pytest.raises(UserError, match="holds no engine.json"):
        recognizers.record(tmp_path)
    (tmp_path / "engine.json").write_text("{")
    with pytest.raises(UserError, match="damaged"):
        recognizers.record(tmp_path)
    (tmp_path / "engine.json").write_text("{}")
    with pytest.raises(UserError, match=r"engine\.json: damaged"):
        recognizers.load(tmp_path)


@pytest.mark.parametrize("kind", ["pocketsphinx", "onnx", "kaldi"])
def test_an_engine_whose_files_are_gone(tmp_path, kind):
    write_record(tmp_path / "engine.json", {"hint_cost": 1, "acoustic_model": {"kind": kind}})
    (tmp_path / {"onnx": "sherpa", "kaldi": "vosk"}.get(kind, kind)).mkdir()
    code = (  # Vosk hangs when it fails in a process that has loaded kaldifst
        "from pathlib import Path; from trainer.speech_engine import recognizers\n"
        f"recognizers.load(Path({str(tmp_path)!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode != 0
    assert f"UserError: {tmp_path}" in done.stderr


def test_hint_files(tmp_path):
    path = tmp_path / "names.txt"
    path.write_bytes("fetchKubelet\nMAX_retries = caf\xe9\nx\n".encode("latin-1"))
    found = hinted.read(path)
    assert found[:2] == ["fetchKubelet", "MAX_retries"]
    assert hinted.words_of(found) == ["fetch", "kubelet", "max", "retries", "caf"]
    path.write_bytes(b"1 2 3\n")
    with pytest.raises(UserError, match="holds no identifiers"):
        hinted.read(path)


# --- letters as tones, in sherpa-onnx

BANDS = 80
BINS = [20 + 2 * i for i in range(28)]
LETTERS = [*"abcdefghijklmnopqrstuvwxyz'", "\u2581"]


def _centres():
    def mel(hertz):
        return 1127 * math.log(1 + hertz / 700)

    low, high = mel(20), mel(7600)
    places = [low + (i + 1) * (high - low) / (BANDS + 1) for i in range(BANDS)]
    return [700 * (math.exp(place / 1127) - 1) for place in places]


def tones(text):
    """A tone a letter."""
    centres, rng = _centres(), np.random.default_rng(0)
    parts = [np.zeros(3200)]
    for letter in text.replace(" ", "\u2581") + "\u2581":
        length = int(16000 * rng.uniform(0.05, 0.08))
        hertz = centres[BINS[LETTERS.index(letter)]]
        wave = 9000 * np.sin(2 * np.pi * hertz * np.arange(length) / 16000)
        parts += [wave * np.hanning(length) ** 0.3, np.zeros(640)]
    samples = np.concatenate([*parts, np.zeros(3200)])
    return (samples + rng.standard_normal(len(samples)) * 30).astype(np.int16)


def toy_model(folder):
    """A CTC model that knows these tones, and its tokens."""
    folder.mkdir()
    weight, bias = np.zeros((29, BANDS), np.float32), np.zeros(29, np.float32)
    for unit, place in enumerate(BINS):
        weight[unit + 1, place], bias[unit + 1] = 1, -1
    nodes = [
        helper.make_node("MatMul", ["x", "A"], ["y"]),
        helper.make_node("Add", ["y", "b"], ["z"]),
        helper.make_node("LogSoftmax", ["z"], ["log_probs"], axis=-1),
        helper.make_node("Identity", ["x_lens"], ["log_probs_len"]),
    ]
    tensor = helper.make_tensor_value_info
    made = helper.make_graph(
        nodes,
        "toy",
        [
            tensor("x", TensorProto.FLOAT, ["N", "T", BANDS]),
            tensor("x_lens", TensorProto.INT64, ["N"]),
        ],
        [
            tensor("log_probs", TensorProto.FLOAT, ["N", "T", 29]),
            tensor("log_probs_len", TensorProto.INT64, ["N"]),
        ],
        [numpy_helper.from_array(weight.T.copy(), "A"), numpy_helper.from_array(bias, "b")],
    )  # fmt: skip
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    entry = model.metadata_props.add()
    entry.key, entry.value = "model_type", "zipformer2_ctc"
    onnx.save(model, folder / "model.onnx")
    rows = ["<blk>", *LETTERS]
    (folder / "tokens.txt").write_text("".join(f"{token} {i}\n" for i, token in enumerate(rows)))
    return folder


def test_a_graph_in_sherpa_onnx(tmp_path):
    acoustics = find(str(toy_model(tmp_path / "toy")))
    assert acoustics.spells
    assert acoustics.units[-1] == " "
    (tmp_path / "graph").mkdir()
    graph.write(sorted(WORDS), arpa(tmp_path / "a.arpa"), acoustics.units, tmp_path / "graph")
    of_onnx.write(tmp_path / "graph", acoustics, tmp_path)
    said = ["delete line five", "insert function"]
    assert runtimes.decode_apart("sherpa", tmp_path, [tones(text) for text in said]) == said
    write_record(tmp_path / "engine.json", {"hint_cost": 1, "acoustic_model": {"kind": "onnx"}})
    with pytest.raises(UserError, match="takes no hints"):
        recognizers.load(tmp_path, {"kubelet": ()})


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ("a 0\n<blk> 1\n", "token 0 must be the blank"),
        ("<blk> 0\n\u2581the 1\n", "a piece of a word"),
        ("<blk> 0\na 1\n", "all letters"),
        ("<blk>\n", "a token, a space and a number"),
    ],
)
def test_tokens_that_do_not_fit(tmp_path, tokens, message):
    folder = toy_model(tmp_path / "toy")
    (folder / "tokens.txt").write_text(tokens)
    with pytest.raises(UserError, match=message):
        find(str(folder))


def test_acoustic_models_that_are_none(tmp_path):
    with pytest.raises(UserError, match="neither pocketsphinx nor a folder"):
        find("/nowhere")
    with pytest.raises(UserError, match=r"holds none of: .*model\.onnx"):
        find(str(tmp_path))
