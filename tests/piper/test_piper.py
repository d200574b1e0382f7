import json
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from trainer.errors import UserError
from trainer.programs import ProgramError
from trainer.wakeword.engines import piper

SYMBOLS = (
    "_^$ abcdefghijklmnopqrstuvwxyzæçðøħŋœǀǁǂǃɐɑɒɓɔɕɖɗɘəɚɛɜɞɟɠɡɢɣɤɥɦɧɨɪɫɬɭɮɯɰɱɲɳɴɵɶɸɹɺɻɽɾ"
    "ʀʁʂʃʄʈʉʊʋʌʍʎʏʐʑʒʔʕʘʙʛʜʝʟʡʢʲˈˌːˑ˞βθχᵻⱱ.,!?"
)


def configuration(path, speakers, language="en-us"):
    metadata = {
        "audio": {"sample_rate": 22050},
        "espeak": {"voice": language},
        "num_symbols": len(SYMBOLS),
        "num_speakers": speakers,
        "phoneme_type": "espeak",
        "inference": {"noise_scale": 0.667, "length_scale": 1, "noise_w": 0.8},
        "speaker_id_map": {},
        "phoneme_id_map": {s: [i] for i, s in enumerate(SYMBOLS)},
    }
    Path(f"{path}.json").write_text(json.dumps(metadata))


@pytest.fixture(scope="module")
def generator(tmp_path_factory):
    """A VITS generator of the published shape but tiny, pickled under the package's old name, as
    published ones are."""
    import piper.train.vits.models as vits
    import torch

    torch.manual_seed(0)
    net = vits.SynthesizerTrn(
        n_vocab=len(SYMBOLS),
        spec_channels=513,
        segment_size=32,
        inter_channels=16,
        hidden_channels=16,
        filter_channels=32,
        n_heads=2,
        n_layers=1,
        kernel_size=3,
        p_dropout=0.1,
        resblock="2",
        resblock_kernel_sizes=(3,),
        resblock_dilation_sizes=((1, 2),),
        upsample_rates=(8, 8, 4),
        upsample_initial_channel=32,
        upsample_kernel_sizes=(16, 16, 8),
        n_speakers=8,
        gin_channels=16,
        use_sdp=True,
    )
    path = tmp_path_factory.mktemp("tools") / "models" / "tiny.pt"
    path.parent.mkdir()
    torch.save(net, path)
    configuration(path, 8)
    return path.parent


@pytest.fixture(scope="module")
def voice(tmp_path_factory):
    """An ONNX voice with Piper's inputs: a tone as long as the text, its pitch the speaker's."""
    import onnx
    from onnx import TensorProto, helper

    path = tmp_path_factory.mktemp("tools") / "tiny.onnx"
    info = helper.make_tensor_value_info
    constants = {
        "hop": np.array([1, 1, 1, 256], np.int64),
        "axes": np.array([1, 3], np.int64),
        "flat": np.array([1, 1, 1, -1], np.int64),
        "step": np.array([0.01], np.float32),
    }
    nodes = [
        helper.make_node("Cast", ["input"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["real", "axes"], ["wide"]),
        helper.make_node("Tile", ["wide", "hop"], ["long"]),
        helper.make_node("Reshape", ["long", "flat"], ["row"]),
        helper.make_node("Cast", ["sid"], ["speaker"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["row", "speaker"], ["mixed"]),
        helper.make_node("Mul", ["mixed", "step"], ["small"]),
        helper.make_node("Sin", ["small"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [
            info("input", TensorProto.INT64, [1, None]),
            info("input_lengths", TensorProto.INT64, [1]),
            info("scales", TensorProto.FLOAT, [3]),
            info("sid", TensorProto.INT64, [1]),
        ],
        [info("output", TensorProto.FLOAT, [1, 1, 1, None])],
        [onnx.numpy_helper.from_array(v, k) for k, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    configuration(path, 4)
    return path.parent


TEXTS = [
    (n, text)
    for n, text in enumerate(
        ["hey buster", "hey buster!", "good morning", "computer", "hey buster."]
    )
]


@pytest.mark.parametrize("kind", ["generator", "voice"])
def test_speaks_all_texts_and_goes_on_where_it_was(kind, request, tmp_path):
    model = piper.find(request.getfixturevalue(kind), "en")
    assert [one.speakers for one in model.models] == [8 if kind == "generator" else 4]
    piper.render(Path(sys.executable), model, TEXTS[:2], tmp_path, 2, 1)
    first = {p.name: p.stat().st_mtime_ns for p in tmp_path.glob("*.wav")}
    assert set(first) == {"0000000.wav", "0000001.wav"}
    piper.render(Path(sys.executable), model, TEXTS, tmp_path, 2, 1)
    assert len(list(tmp_path.glob("*.wav"))) == 5
    assert {n: (tmp_path / n).stat().st_mtime_ns for n in first} == first
    for path in tmp_path.glob("*.wav"):
        samples, rate = soundfile.read(path)
        assert rate == 22050
        assert len(samples) > 500
        assert np.abs(samples).max() > 0.5


def test_published_generators_carry_the_old_package_name(generator, tmp_path):
    """torch pickles a class by its module's name: `piper_train` in published files."""
    import zipfile

    old = tmp_path / "old.pt"
    with zipfile.ZipFile(generator / "tiny.pt") as given, zipfile.ZipFile(old, "w") as out:
        for name in given.namelist():
            data = given.read(name)
            if name.endswith("data.pkl"):
                assert b"piper.train" in data
                data = data.replace(b"piper.train", b"piper_train")  # of equal length
            out.writestr(name, data)
    configuration(old, 8)
    piper.render(Path(sys.executable), piper.find(tmp_path, "en"), TEXTS, tmp_path / "out", 5, 1)
    assert len(list((tmp_path / "out").glob("*.wav"))) == 5


def test_finds_the_language_and_prefers_the_generator(generator, voice, tmp_path):
    assert piper.find(generator, "de") is None
    for folder in (generator, voice):
        for path in folder.iterdir():
            (tmp_path / path.name).write_bytes(path.read_bytes())
    assert piper.find(tmp_path, "en").generator
    (tmp_path / "tiny.pt.json").write_text("{}")
    with pytest.raises(UserError, match="is not a Piper configuration"):
        piper.find(tmp_path, "en")


def test_all_voices_of_a_language_speak(voice, tmp_path):
    for name in ("one", "two"):
        (tmp_path / f"{name}.onnx").write_bytes((voice / "tiny.onnx").read_bytes())
        configuration(tmp_path / f"{name}.onnx", 4)
    found = piper.find(tmp_path, "en")
    assert [one.path.stem for one in found.models] == ["one", "two"]
    assert found.key.count("onnx:") == 2
    texts = [(n, "hey buster") for n in range(12)]
    (tmp_path / "one.onnx").rename(tmp_path / "gone")  # its share of the texts is missing
    with pytest.raises(ProgramError, match=r"one\.onnx"):
        piper.render(Path(sys.executable), found, texts, tmp_path / "out", 2, 1)
    (tmp_path / "gone").rename(tmp_path / "one.onnx")
    piper.render(Path(sys.executable), found, texts, tmp_path / "out", 2, 1)
    assert len(list((tmp_path / "out").glob("*.wav"))) == 12


def test_a_damaged_model_is_one_line(tmp_path):
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    configuration(tmp_path / "bad.onnx", 1)
    with pytest.raises(ProgramError, match="piper: failed with") as error:
        piper.render(
            Path(sys.executable), piper.find(tmp_path, "en"), TEXTS, tmp_path / "out", 2, 1
        )
    assert "\n" not in str(error.value)
