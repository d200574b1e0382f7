"""What tests share: a seeded generator, workers, and audio made on the spot."""

from __future__ import annotations

import hashlib
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from trainer.run import Run
from trainer.settings import load
from trainer.steps import Steps
from trainer.workers import Workers


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture(scope="session")
def workers() -> Iterator[Workers]:
    with Workers(2) as pool:
        yield pool


@pytest.fixture
def say():
    """A voice: text -> audio at 16 kHz."""
    from trainer.wakeword.engines import Voice

    return Voice("espeak", "en-us+m3", 1.0, 0.5, 0.5, 1.0).speak


@pytest.fixture(scope="session")
def make_run(workers):
    """A run of a product's line: (settings class, product, label, options) -> Run."""

    def make(kind, product, label, **options):
        loaded = load(kind, options, {})
        s = loaded.settings
        steps = Steps(s.data_dir / "work", product, label=label)
        log_file = s.data_dir / "work" / "run.log"
        log_file.touch()
        return Run(s, loaded.sources, steps, workers, Path(log_file))

    return make


@pytest.fixture(scope="session")
def tiny_voices():
    """Writes neural voices in the form of Kokoro's into a folder: a tone for each text, its length
    by the number of sounds and the speed, its pitch by the voice."""
    import onnx
    from onnx import TensorProto, helper

    def model() -> onnx.ModelProto:
        node = helper.make_node
        nodes = [
            node("Shape", ["tokens"], ["shape"]),
            node("Gather", ["shape", "one"], ["count"]),
            node("Cast", ["count"], ["sounds"], to=TensorProto.FLOAT),
            node("Mul", ["sounds", "each"], ["usual"]),
            node("Div", ["usual", "speed"], ["long"]),
            node("Cast", ["long"], ["whole"], to=TensorProto.INT64),
            node("Squeeze", ["whole"], ["end"]),
            node("Range", ["zero", "end", "step"], ["numbers"]),
            node("Cast", ["numbers"], ["times"], to=TensorProto.FLOAT),
            node("ReduceMean", ["style"], ["pitch"], keepdims=0),
            node("Mul", ["times", "pitch"], ["phase"]),
            node("Sin", ["phase"], ["loud"]),
            node("Mul", ["loud", "level"], ["audio"]),
        ]
        whole, real = TensorProto.INT64, TensorProto.FLOAT
        constants = [("one", whole, [1], [1]), ("zero", whole, [], [0]), ("step", whole, [], [1])]
        constants += [("each", real, [1], [2000.0]), ("level", real, [], [0.3])]
        inputs = [("tokens", whole, [1, "n"]), ("style", real, [1, 256]), ("speed", real, [1])]
        graph = helper.make_graph(
            nodes,
            "voice",
            [helper.make_tensor_value_info(*one) for one in inputs],
            [helper.make_tensor_value_info("audio", real, ["samples"])],
            [helper.make_tensor(*one) for one in constants],
        )
        opset = [helper.make_opsetid("", 17)]
        return helper.make_model(graph, opset_imports=opset, ir_version=8)

    def write(folder: Path) -> Path:
        (folder / "voices").mkdir(parents=True)
        onnx.save(model(), folder / "kokoro.onnx")
        for number, name in enumerate(("af_a", "am_b", "bf_c", "ef_d")):
            style = np.full((510, 256), 0.05 + 0.02 * number, np.float32)
            style.tofile(folder / "voices" / f"{name}.bin")
        digest = hashlib.sha256((folder / "kokoro.onnx").read_bytes()).hexdigest()
        (folder / "ready").write_text(digest)
        return folder

    return write


@pytest.fixture(scope="session")
def tiny_encoder():
    """Writes a speaker encoder of eight random units into a folder of tools; its path."""

    def write(tools: Path) -> Path:
        rng = np.random.default_rng(0)
        shapes = {"linear.weight": (16, 8), "linear.bias": (16,)}
        for layer, width in enumerate((40, 8, 8)):
            shapes |= {f"lstm.weight_ih_l{layer}": (32, width), f"lstm.weight_hh_l{layer}": (32, 8)}
            shapes |= {f"lstm.bias_{kind}_l{layer}": (32,) for kind in ("ih", "hh")}
        path = tools / "speakers" / "encoder.npz"
        path.parent.mkdir(parents=True)
        weights = {k: rng.normal(0, 0.5, v).astype(np.float32) for k, v in shapes.items()}
        np.savez(path, **weights)
        return path

    return write
