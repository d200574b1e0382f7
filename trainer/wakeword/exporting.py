"""From trained weights to the user's files: converted, calibrated, measured, run in the client."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import keras
import numpy as np

from trainer import models
from trainer.errors import UserError
from trainer.log import log
from trainer.models.streaming import Form, StreamingSpec, copy_weights
from trainer.steps import write_record
from trainer.store import Clips
from trainer.wakeword.batches import draw_batch
from trainer.wakeword.client import wakes
from trainer.wakeword.export import manifest, tflite
from trainer.wakeword.operating_point import calibrate, choose
from trainer.wakeword.settings import WakeWordSettings
from trainer.wakeword.sources import sources_of

AGREEMENT = 0.05  # accepted mean difference of probability between the exported file and Keras
CALIBRATION_WINDOWS = 150
PROOF_CLIPS, PROOF_EVERY = 2000, 50


def prove(s: WakeWordSettings, out: Path) -> None:
    """An untrained model: converted, checked, run in TFLite Micro. Raises UserError."""
    spec = models.spec_of(s.model)
    sample = np.random.default_rng(0).integers(0, 256, (2, spec.frames, 40), dtype=np.uint8)
    data = tflite.streaming_tflite(models.build(spec, "stream"), sample, spec.stride)
    (out / "model.tflite").write_bytes(data)
    tflite.check(data)
    tflite.arena_bytes(out / "model.tflite")


def export(s: WakeWordSettings, prepared: dict[str, Path], trained: Path, out: Path) -> None:
    """model.tflite, and export.json with cutoff, window and figures. Raises UserError."""
    spec = models.spec_of(s.model)
    model = _load_weights(spec, trained)
    sources, held_out = sources_of(prepared)
    limit = s.false_accepts_per_hour
    shift, scale = calibrate(_in_form(model, spec, "scan"), spec, held_out, limit)
    head = model.get_layer("head")
    head.kernel.assign(head.kernel / scale)
    head.bias.assign((head.bias - shift) / scale)
    step = 1 << 30  # no step of training
    windows = draw_batch(sources, [], 0.0, CALIBRATION_WINDOWS, spec.frames, s.seed, step)[0]
    data = tflite.streaming_tflite(_in_form(model, spec, "stream"), windows, spec.stride)
    (out / "model.tflite").write_bytes(data)
    found = tflite.check(data)
    found["calibration"] = {"shift": shift, "scale": scale}
    found["arena_measured"], found["arena"] = tflite.arena_bytes(out / "model.tflite")
    found |= choose(data, spec, _in_form(model, spec, "scan"), held_out, limit)
    difference = found["agreement"]["mean"]
    if difference > AGREEMENT:
        raise UserError(
            f"the exported model differs from Keras by {difference:.3f} on average; at most "
            f"{AGREEMENT} is accepted"
        )
    write_record(out / "export.json", found)


def _load_weights(spec: StreamingSpec, trained: Path) -> keras.Model:
    """The trained model, in its `train` form."""
    model = models.build(spec)
    with np.load(trained / "weights.npz") as saved:
        for i, weight in enumerate(model.weights):
            weight.assign(saved[f"arr_{i}"])
    return model


def _in_form(model: keras.Model, spec: StreamingSpec, form: Form) -> keras.Model:
    """The same weights in another form."""
    other = models.build(spec, form)
    copy_weights(model, other)
    return other


def write_package(
    s: WakeWordSettings, name: str, title: str, exported: Path, clips: Mapping[str, Path], out: Path
) -> None:
    """<name>.tflite, its manifest, and client.json: how it does in pymicro-wakeword on `clips`."""
    found = json.loads((exported / "export.json").read_text(encoding="utf-8"))
    shutil.copyfile(exported / "model.tflite", out / f"{name}.tflite")
    micro = manifest.Micro(
        probability_cutoff=found["cutoff"],
        sliding_window_size=found["window"],
        feature_step_size=10,
        tensor_arena_size=found["arena"],
        minimum_esphome_version=manifest.MINIMUM_ESPHOME,
    )
    described = manifest.Manifest(
        wake_word=title,
        author=s.author,
        model=f"{name}.tflite",
        trained_languages=[s.language.split("-")[0]],
        micro=micro,
    )
    manifest.write(out / f"{name}.json", described)
    hits = wakes(out / f"{name}.json", _some(clips["phrase"]))
    false = wakes(out / f"{name}.json", _some(clips["speech"]))
    proof = {
        "phrases": len(hits),
        "woke": sum(hits),
        "others": len(false),
        "woke_wrongly": sum(false),
    }
    if not any(hits):
        log.warning(
            "in pymicro-wakeword the model detects none of %d clips of the phrase: train longer",
            len(hits),
        )
    write_record(out / "client.json", proof)


def _some(folder: Path) -> list[np.ndarray]:
    clips = Clips(folder)
    return [clips[i] for i in range(0, min(len(clips), PROOF_CLIPS), PROOF_EVERY)]
