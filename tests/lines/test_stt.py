"""The speech-to-text line, tiny: a CSV with good and bad clips to files that the three client libraries load."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from trainer.settings import SpeechSettings, load
from trainer.steps import Steps
from trainer.stt import client, pipeline

SENTENCES = ("yes", "no", "go home", "stop it", "one two", "erase")


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    from trainer.wakeword.engines import Voice

    home = tmp_path_factory.mktemp("stt")
    rows = ["wav_filename,wav_filesize,transcript,speaker"]
    rng = np.random.default_rng(0)
    for s in range(6):
        voice = Voice("espeak", ("en-us+f2", "en+m7", "en-us+klatt3", "en+m2", "en-us+f4", "en+m5")[s], 1.0, s / 6, 0.5, 1.0)
        for i, text in enumerate(SENTENCES):
            said = voice.speak(text)
            soundfile.write(home / f"{s}_{i}.flac", said + rng.normal(0, 1e-3, len(said)), 16000)
            rows.append(f"{s}_{i}.flac,0,{text},speaker{s}")
    soundfile.write(home / "long.wav", np.zeros(16000 * 20), 16000)
    soundfile.write(home / "short.wav", np.zeros(3000), 16000)
    (home / "half.mp3").write_bytes(b"ID3")
    rows += ["long.wav,0,yes,x", "short.wav,0,much too much text for so little sound,x", "half.mp3,0,no,x", "none.wav,0,no,x", "0_0.flac,0,,x"]
    (home / "all.csv").write_text("\n".join(rows) + "\n")
    return home


def run(home, **flags):
    given = {"data_dir": str(home / "data"), "train_files": str(home / "all.csv"), "dev_files": str(home / "all.csv"), "n_hidden": "64",
             "epochs": "2", "workers": "2", "export_language": "en", **flags}
    steps = Steps(home / "data" / "work", label="stt")
    (home / "log").touch()
    return pipeline.train_speech(load(given, {}, SpeechSettings), steps, home / "log"), steps


@pytest.fixture(scope="module")
def result(home):
    return run(home)[0]


def test_gives_all_files_and_sets_bad_clips_aside(result):
    names = {p.name for p in result.folder.iterdir()}
    assert {"output_graph.pb", "output_graph.pbmm", "output_graph.tflite", "output_graph_float.tflite", "alphabet.txt", "experiment.json"} <= names
    told = (result.folder / "rejected_train.csv").read_text()
    for reason in ("long.wav,longer than 15 s: 20.0 s", 'short.wav,"too short for its transcript', "half.mp3,cannot be decoded",
                   "none.wav,no such file", "0_0.flac,empty transcript"):
        assert reason in told
    assert told.count("\n") == 6
    assert set(result.figures) == {"dev"}
    assert set(result.figures["dev"]) == set(client.LIBRARIES)


def test_second_run_does_nothing_and_another_beam_only_exports(result, home):
    again, steps = run(home)
    assert not again.made
    assert set(steps.seconds.values()) == {0.0}
    _, steps = run(home, export_beam_width="100")
    assert {name for name, seconds in steps.seconds.items() if seconds} == {"prove_speech_export", "export_speech", "test_speech"}


def test_libraries_and_keras_agree(result, home):
    """The probabilities of network, .pb, .pbmm and both .tflite: the libraries' confidence of the same text."""
    from trainer import audio

    libraries = client.fetch(home / "data" / "tools" / "clients")
    clip = audio.to_int16(audio.read(home / "1_2.flac"))
    heard = {}
    for name, file in (("deepspeech", "output_graph.pb"), ("deepspeech", "output_graph.pbmm"), ("deepspeech-tflite", "output_graph_float.tflite"),
                       ("stt", "output_graph_float.tflite"), ("stt", "output_graph.tflite"), ("deepspeech-tflite", "output_graph.tflite")):
        with client.Client(libraries[name], result.folder / file) as loaded:
            heard[name, file] = loaded.hear(clip)
    exact = heard["deepspeech", "output_graph.pb"]
    for (name, file), found in heard.items():
        allowed = 0.01 if "float" in file or "tflite" not in file else 0.5  # int8 weights
        assert abs(found.confidence - exact.confidence) < allowed, (name, file)
    assert len({found.text for (_, file), found in heard.items() if file != "output_graph.tflite"}) == 1


def test_what_the_libraries_refuse_is_one_line(home, result):
    libraries = client.fetch(home / "data" / "tools" / "clients")
    (home / "bad.pbmm").write_bytes(b"x" * 100)
    with pytest.raises(client.ClientError, match=r"bad\.pbmm: .*0x3000"):
        client.Client(libraries["deepspeech"], home / "bad.pbmm")


def test_killed_training_ends_in_the_same_weights(home, result, tmp_path):
    """A run that is stopped in training and started again gives the files of an unbroken one, byte for byte."""
    import signal
    import subprocess
    import sys

    command = [sys.executable, "-m", "trainer", "stt", "train", "--train-files", str(home / "all.csv"), "--dev-files", str(home / "all.csv"),
               "--n-hidden", "64", "--epochs", "2", "--workers", "2", "--export-language", "en", "--data-dir", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": str(Path(pipeline.__file__).parents[2])}
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "clients").symlink_to(home / "data" / "tools" / "clients")
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as first:
        for line in first.stderr:
            if "train_speech: starting" in line:
                first.send_signal(signal.SIGKILL)
                break
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    folder = next((tmp_path / "output").iterdir())
    for name in ("output_graph.pbmm", "output_graph.tflite"):
        assert (folder / name).read_bytes() == (result.folder / name).read_bytes()
    assert json.loads((folder / "experiment.json").read_text())["settings"]["n_hidden"]["value"] == 64


@pytest.fixture
def checkpoint(tmp_path, rng):
    """A checkpoint in the layout of the original trainer, as TensorFlow 1's Saver writes it."""
    import tensorflow as tf

    from trainer.export.contract import shapes
    from trainer.text import Alphabet

    old = Alphabet(tuple(" abcdefghijklmnopqrstuvwxyz'"))
    weights = {name: rng.normal(0, 0.1, shape).astype(np.float32) for name, shape in shapes(48, 29).items()}
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        variables = [tf.compat.v1.get_variable(name, initializer=value) for name, value in weights.items()]
        step = tf.compat.v1.get_variable("global_step", initializer=np.int64(7))
        session.run(tf.compat.v1.global_variables_initializer())
        saver = tf.compat.v1.train.Saver([*variables, step])
        saver.save(session, str(tmp_path / "best_dev"), global_step=7, latest_filename="best_dev_checkpoint")
    old.write(tmp_path / "alphabet.txt")
    return tmp_path, weights


def test_an_untouched_checkpoint_is_exported_bit_by_bit(home, checkpoint):
    from tensorflow.core.framework import graph_pb2
    from tensorflow.python.framework.tensor_util import MakeNdarray

    folder, weights = checkpoint
    given, _ = run(home, load_checkpoint_dir=str(folder), alphabet_config_path=str(folder / "alphabet.txt"), n_hidden="48", epochs="0")
    graph = graph_pb2.GraphDef.FromString((given.folder / "output_graph.pb").read_bytes())
    constants = {n.name: MakeNdarray(n.attr["value"].tensor) for n in graph.node if n.op == "Const"}
    for layer in ("layer_1", "layer_2", "layer_3", "layer_5", "layer_6"):
        assert np.array_equal(constants[f"{layer}_weights"], weights[f"{layer}/weights"])
        assert np.array_equal(constants[f"{layer}_bias"], weights[f"{layer}/bias"])
    assert np.array_equal(constants["lstm_kernel"], next(v for k, v in weights.items() if k.endswith("cell/kernel")))
    tuned, _ = run(home, load_checkpoint_dir=str(folder), n_hidden="48", epochs="1")
    assert (tuned.folder / "output_graph.pbmm").stat().st_size > 10_000


def test_labels_move_with_their_symbols(rng):
    from trainer.export.contract import shapes
    from trainer.stt.checkpoints import CheckpointError, transfer
    from trainer.text import Alphabet

    old, new = Alphabet((" ", "a", "b")), Alphabet((" ", "b", "é"))
    given = {name: rng.normal(0, 1, shape) for name, shape in shapes(8, 4).items()}
    fresh = {name: np.zeros(shape) for name, shape in shapes(8, 4).items()}
    weights, told = transfer(fresh, given, old, new, 0)
    assert np.array_equal(weights["layer_6/weights"][:, [0, 1, 3]], given["layer_6/weights"][:, [0, 2, 3]])
    assert (weights["layer_6/weights"][:, 2] == 0).all()
    assert [k.fate for k in told if k.name == "layer_6/bias"] == ["3 labels kept, new: é, dropped: a"]
    weights, _ = transfer(fresh, given, old, new, 2)
    assert (weights["layer_5/weights"] == 0).all()
    assert np.array_equal(weights["layer_3/weights"], given["layer_3/weights"])
    with pytest.raises(CheckpointError, match="set N_HIDDEN=8"):
        transfer({name: np.zeros(shape) for name, shape in shapes(9, 4).items()}, given, old, new, 0)
