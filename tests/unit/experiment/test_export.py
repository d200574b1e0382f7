"""Conformers in sherpa-onnx itself."""

import keras
import numpy as np
import pytest
import soundfile

from trainer import Trainer, data, models
from trainer.errors import UserError
from trainer.experiment import export


@pytest.fixture
def trainer(tmp_path, monkeypatch, rng):
    (tmp_path / "data").mkdir()
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
    rows = ["wav_filename,transcript"]
    for n in range(12):
        soundfile.write(tmp_path / f"{n}.wav", 0.2 * rng.normal(size=9000 + 777 * n), 16_000)
        rows.append(f"{n}.wav,a b")
    (tmp_path / "clips.csv").write_text("\n".join(rows))
    dataset = data.AudioDataset(tmp_path / "clips.csv", data.AudioProcessor())
    model = models.conformer(
        labels=dataset.labels, width=16, layers=1, heads=2, channels=4, kernel=5, chunk=8, left=2
    )
    return Trainer(model, dataset.loader())


def talkative(trainer, rng):
    """A network that has not learned, but prefers the blank to nothing."""
    keras.utils.set_random_seed(1)
    network = trainer.network()
    for weight in network.weights:
        if not weight.name.startswith("seed"):
            weight.assign(np.asarray(weight) + rng.normal(0, 0.5, weight.shape))
    logits = network.get_layer("logits")
    logits.kernel.assign(rng.normal(0, 3, logits.kernel.shape))
    logits.bias.assign([-4, 0, 0, 0])
    return network


def test_sherpa_onnx_recognises_what_keras_recognises(trainer, rng, tmp_path):
    figures = export.export(trainer, talkative(trainer, rng), tmp_path / "out", "noise")
    assert [(way, one["clips"], one["equal"]) for way, one in figures.items()] == [
        ("offline", 12, 12), ("streaming", 12, 12),
    ]  # fmt: skip
    card = (tmp_path / "out/README.md").read_text()
    code = card.split("```python\n")[1].split("```")[0]
    code = code.replace("model.onnx", str(tmp_path / "out/model.onnx"))
    code = code.replace("tokens.txt", str(tmp_path / "out/tokens.txt"))
    code = code.replace("clip.wav", str(tmp_path / "3.wav")).replace("print(", "texts.append(")
    texts = []
    exec(code, {"texts": texts})
    assert len(set(texts[0])) > 1


def test_a_wrong_export_fails(trainer, rng, tmp_path, monkeypatch):
    write = export.conformer_onnx.write
    monkeypatch.setattr(
        export.conformer_onnx, "write", lambda m, n, constants, out: write(m, n, (0.0, 1.0), out)
    )
    with pytest.raises(UserError, match="recognises other texts than Keras in"):
        export.export(trainer, talkative(trainer, rng), tmp_path / "out", "noise")


def test_what_cannot_be_exported(trainer, tmp_path):
    trainer.data.dataset.processor.normalize = "clip"
    with pytest.raises(UserError, match="sherpa-onnx computes log_mel_80 with fixed"):
        export.export(trainer, None, tmp_path, "x")
    trainer.model = models.deepspeech2(labels=("a",))
    with pytest.raises(UserError, match="only conformers"):
        export.export(trainer, None, tmp_path, "x")
