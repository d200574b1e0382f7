"""The line from a phrase to a model: `train_wake_word` is a list of steps, top to bottom."""

from __future__ import annotations

import json
import logging
import shutil
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from trainer import clips, experiment, models, package
from trainer.augment import Chain
from trainer.batches import HeldOut, Part, Source, draw_batch
from trainer.clips import Clips, Frames
from trainer.corpora import read_catalogue
from trainer.export import manifest
from trainer.machine import check_gpu, cores
from trainer.settings import Loaded, WakeWordSettings
from trainer.steps import Steps, fingerprint
from trainer.wakeword import phrases, preparation, recordings, synthesis
from trainer.wakeword import report as wakeword_report
from trainer.wakeword.engines import EngineError, piper, usable_engines
from trainer.wakeword.preparation import AFTER_MARK_FRAMES, FeaturePlan
from trainer.wakeword.recordings import FilesPlan
from trainer.wakeword.synthesis import SoundPlan, SpeechPlan
from trainer.workers import Workers, in_backend

log = logging.getLogger("trainer")
SECONDS_PER_SENTENCE = 1.8  # of synthesized speech, to turn hours into clips
SECONDS_PER_NEGATIVE = 6.4
AGREEMENT = 0.05  # mean difference of probability between the exported file and Keras that is let pass
HELD_OUT = 10  # one voice, or clip, in ten is kept for the choice of weights and cutoff


@dataclass
class Line:
    """What all steps of one run share."""

    settings: WakeWordSettings
    phrase: str
    steps: Steps
    workers: Workers
    folders: dict[str, Path] = field(default_factory=dict)

    def piper(self) -> piper.Model | None:
        """Piper's model for the language, when there is one and the engines asked for allow it."""
        s = self.settings
        wanted = [name.strip() for name in s.engine.split(",")]
        if "auto" not in wanted and "piper" not in wanted:
            return None
        found = piper.find(s.data_dir / "tools", s.language)
        if found is None and "piper" in wanted:
            raise EngineError(f"no Piper model for '{s.language}' under {s.data_dir / 'tools'}: put its .pt or .onnx there, with its .json")
        return found

    # --- clips ---------------------------------------------------------------------------------------------------

    def speech(self, kind: str, count: int) -> Path:
        """Synthesized clips of one kind."""
        s = self.settings
        voice = self.piper()
        engines = usable_engines(s.language, s.engine)
        plan = SpeechPlan(kind, self.phrase, s.language, engines, count, s.seed, voice.key if voice else "")

        def make(out: Path) -> None:
            said = replace(plan, rendered=str(out / "piper"))
            if voice:
                python = piper.environment(s.data_dir, voice)
                piper.render(python, voice, synthesis.piper_texts(plan), out / "piper", s.batch_size, s.seed)
            # speech engines remember what they said before (phases, random numbers): a fresh process a chunk, or a run that
            # was cut off would differ from one that was not
            self._build(synthesis.speak_chunk, said, count, synthesis.CHUNK, f"speaking ({kind})", out, fresh=True)
            shutil.rmtree(out / "piper", ignore_errors=True)

        self.folders[f"speak_{kind}"] = self.steps.run(f"speak_{kind}", make, {"plan": plan})
        return self.folders[f"speak_{kind}"]

    def sounds(self, kind: str, count: int) -> Path:
        """Generated rooms or noises: the same for all phrases."""
        plan = SoundPlan(kind, count, 1)
        make = partial(self._build, synthesis.sound_chunk, plan, count, synthesis.CHUNK, f"making sounds ({kind})")
        return self.steps.run(f"make_{kind}", make, {"plan": plan}, shared=True)

    def recordings(self, kind: str, folder: Path) -> Path:
        """The user's recordings as clips, with rejected.csv."""
        files = recordings.audio_files(folder)
        plan = FilesPlan(tuple(map(str, files)), whole=kind == "negative")

        def make(out: Path) -> None:
            self._build(recordings.read_chunk, plan, len(files), 1, f"reading ({kind})", out)
            rejected = self.workers.run(partial(recordings.reason_for, plan), range(len(files)), f"checking ({kind})")
            recordings.write_rejected(out / "rejected.csv", [r for r in rejected if r])

        out = self.steps.run(f"read_{kind}", make, {"files": fingerprint(folder)}, version=2)
        report_rejected(out, kind, len(files))
        return out

    # --- features --------------------------------------------------------------------------------------------------

    def features(self, name: str, kind: str, source: Path, count: int, around: Surroundings, **changes: Any) -> Path:
        """Augmented features of clips, heard in the surroundings given."""
        plan = FeaturePlan(kind, str(source), str(around.speech), str(around.rooms), tuple(map(str, around.noises)), count,
                           self.settings.seed, **changes)
        paths = ("clips", "speech", "rooms", "noises")
        told = {k: v for k, v in asdict(plan).items() if k not in paths}
        used = {"clips": source, "speech": around.speech, "rooms": around.rooms}
        used |= {f"noises_{i}": folder for i, folder in enumerate(around.noises)}
        make = partial(self._build, preparation.feature_chunk, plan, count, preparation.CHUNK, f"features ({name})")
        return self.steps.run(f"features_{name}", make, told, used, version=3)

    def _build(self, make: Any, plan: Any, count: int, size: int, label: str, out: Path, fresh: bool = False) -> None:
        clips.build(out, make, plan, -(-count // size), label, self.workers, fresh)


def report_rejected(folder: Path, kind: str, total: int) -> None:
    """Log how many recordings were set aside, with examples; an error when none is left."""
    lines = (folder / "rejected.csv").read_text().splitlines()[1:]
    if lines:
        log.warning("%s recordings: %d of %d set aside (%s)", kind, len(lines), total, folder / "rejected.csv")
        for line in lines[:5]:
            log.warning("  %s", line.replace(",", ": ", 1))
    if len(lines) == total:
        raise recordings.RecordingsError(f"{kind} recordings: none of {total} can be used; the reasons are above")


@dataclass(frozen=True)
class Surroundings:
    """Where clips are heard: rooms, noises, and other people's speech around them."""

    rooms: Path
    noises: tuple[Path, ...]
    speech: Path


def downloaded(data_dir: Path) -> dict[str, list[Path]]:
    """Stores of the training data sets that are ready, by kind (corpora.py)."""
    found: dict[str, list[Path]] = {"rooms": [], "noise": [], "negatives": []}
    for corpus in read_catalogue():
        home = data_dir / "training_datasets" / corpus.name
        if (home / "ready").exists():
            found[corpus.kind] += sorted((home / "frames").iterdir()) if corpus.kind == "negatives" else [home / "clips"]
    return found


def prepare(line: Line) -> dict[str, Path]:
    """All features of a run, by source name: real corpora where they are downloaded, the starter data where not."""
    s = line.settings
    real = downloaded(s.data_dir)
    generated = line.sounds("noise", 600)
    phrase = line.speech("phrase", s.samples)
    confusion = line.speech("confusion", max(200, s.samples // 2))
    speech = line.speech("speech", max(100, int(s.speech_hours * 3600 / SECONDS_PER_SENTENCE)))
    around = Surroundings((real["rooms"] or [line.sounds("room", 300)])[0], (generated, *real["noise"]), speech)
    negatives = int(s.speech_hours * 3600 / SECONDS_PER_NEGATIVE)
    found = {
        "phrase": line.features("phrase", "phrase", phrase, s.samples, around),
        "confusion": line.features("confusion", "speech", confusion, max(100, s.samples // 8), around),
        "speech": line.features("speech", "speech", speech, negatives, around),
        "broken": line.features("broken", "broken", phrase, max(100, s.samples // 16), around),
        "noise": line.features("noise", "noise", generated, max(60, negatives // 5), around),
    }
    for store in real["noise"]:
        name = f"noise_{store.parent.name}"
        found[name] = line.features(name, "noise", store, int(Clips(store).seconds / SECONDS_PER_NEGATIVE), around)
    for store in real["negatives"]:
        found[f"negatives_{store.name}"] = store
    if s.personal_samples:
        own = line.recordings("personal", s.personal_samples)
        many = len(Clips(own))
        found["personal"] = line.features("personal", "phrase", own, min(many * 500, max(4000, s.samples // 2)), around, varied=True)
        found["broken_personal"] = line.features("broken_personal", "broken", own, max(200, min(many * 20, 2000)), around)
    if s.negative_samples:
        own = line.recordings("negative", s.negative_samples)
        many = int(Clips(own).seconds / SECONDS_PER_NEGATIVE) + 1
        found["negative"] = line.features("negative", "speech", own, max(64, many * 2), around, chain=GENTLE)
    return found


GENTLE = Chain(room=0.2, noise=0.2, equalizer=0.3, distortion=0.02, pitch=0.05)
# share of a batch and label
SHARES = {
    "phrase": (0.3, 1.0), "personal": (0.2, 1.0), "confusion": (0.2, 0.0), "broken": (0.06, 0.0), "broken_personal": (0.1, 0.0),
    "speech": (0.27, 0.0), "noise": (0.1, 0.0), "negative": (0.2, 0.0), "negatives": (0.1, 0.0),
}


def sources_of(prepared: dict[str, Path]) -> tuple[list[Source], HeldOut]:
    """What is trained on, and what is held out of it."""
    sources: list[Source] = []
    ambient: list[Part] = []
    near_misses: list[Part] = []
    phrases: Part | None = None
    for name, folder in prepared.items():
        frames = Frames(folder)
        share, label = SHARES.get(name) or SHARES[name.split("_")[0]]
        if name == "phrase" and "personal" in prepared:
            share = 0.15
        number = frames.index["group"] if name == "phrase" else np.arange(len(frames))
        held = number % HELD_OUT == 0
        if name in ("personal", "broken_personal"):  # too few voices to spare any
            held[:] = False
        train, out = np.flatnonzero(~held), np.flatnonzero(held)
        if not len(train) or (name == "phrase" and not len(out)):
            train, out = np.arange(len(frames)), np.arange(0, len(frames), HELD_OUT)
        after = AFTER_MARK_FRAMES if label > 0 else None
        sources.append(Source(name, frames, train, share, label, after_mark=after))
        if name == "phrase":
            phrases = frames, out[:1500]
        elif len(out):
            (near_misses if name in ("confusion", "broken") else ambient).append((frames, out))
    assert phrases is not None
    return sources, HeldOut(phrases, ambient, near_misses)


def train(line: Line, prepared: dict[str, Path]) -> Path:
    """The trained weights (weights.npz)."""
    s = line.settings

    def make(out: Path) -> None:
        if s.keras_backend == "tensorflow":
            fit(s, prepared, out)
        else:  # a process has one backend, and exporting needs TensorFlow
            in_backend(s.keras_backend, fit, s, prepared, out)

    params = {"model": s.model, "spec": models.spec_of(s.model), "steps": s.training_steps, "batch": s.training_batch_size,
              "learning_rate": s.learning_rate, "weight_decay": s.weight_decay, "seed": s.seed, "backend": s.keras_backend}
    return line.steps.run("train", make, params, prepared, version=2)


def fit(s: WakeWordSettings, prepared: dict[str, Path], out: Path) -> None:
    """Train from the checkpoint in `out`, if any, to weights.npz there. Raises Stopped and TrainingError."""
    import keras

    from trainer.training import Loop, cosine_adamw
    from trainer.wakeword.learning import Learning

    spec = models.spec_of(s.model)
    keras.utils.set_random_seed(s.seed)
    if not s.resume:
        (out / "checkpoint.npz").unlink(missing_ok=True)
    sources, held_out = sources_of(prepared)
    model = models.build(spec)
    every = 500 if s.training_steps <= 10_000 else 1000
    learning = Learning(spec, sources, held_out, s.training_steps, every, s.seed, out)

    def batch(step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return draw_batch(sources, learning.hard, 0.5, s.training_batch_size, spec.frames, s.seed, step)

    optimizer = cosine_adamw(s.training_steps, s.learning_rate, s.weight_decay)
    Loop(model, batch, s.training_steps, 250, out, learning, optimizer, keras.losses.BinaryCrossentropy(from_logits=True)).run()
    np.savez(out / "weights.npz", *learning.best)
    (out / "checkpoint.npz").unlink()


def prove_export(line: Line) -> None:
    """An untrained model through the whole export, before hours are spent: converted, checked, run in TFLite Micro."""
    spec = models.spec_of(line.settings.model)

    def make(out: Path) -> None:
        from trainer.export import tflite

        sample = np.random.default_rng(0).integers(0, 256, (2, spec.frames, 40), dtype=np.uint8)
        data = tflite.streaming_tflite(models.build(spec, "stream"), sample, spec.stride)
        (out / "model.tflite").write_bytes(data)
        tflite.check(data)
        tflite.arena_bytes(out / "model.tflite")

    line.steps.run("prove_export", make, {"spec": spec, "model": line.settings.model}, version=2, shared=True)


def export(line: Line, prepared: dict[str, Path], trained: Path) -> Path:
    """model.tflite and export.json: converted, checked, measured, cutoff and window chosen on held-out clips."""
    s = line.settings
    spec = models.spec_of(s.model)

    def make(out: Path) -> None:
        from trainer.export import tflite
        from trainer.wakeword.operating_point import calibrate, choose

        model = load_weights(spec, trained)
        sources, held_out = sources_of(prepared)
        shift, scale = calibrate(in_form(model, spec, "scan"), spec, held_out, s.false_accepts_per_hour)
        head = model.get_layer("head")
        head.kernel.assign(head.kernel / scale)
        head.bias.assign((head.bias - shift) / scale)
        windows = draw_batch(sources, [], 0.0, 150, spec.frames, s.seed, 1 << 30)[0]
        data = tflite.streaming_tflite(in_form(model, spec, "stream"), windows, spec.stride)
        (out / "model.tflite").write_bytes(data)
        told = tflite.check(data)
        told["calibration"] = {"shift": shift, "scale": scale}
        told["arena_measured"], told["arena"] = tflite.arena_bytes(out / "model.tflite")
        told |= choose(data, spec, in_form(model, spec, "scan"), held_out, s.false_accepts_per_hour)
        if told["agreement"]["mean"] > AGREEMENT:
            raise tflite.ExportError(f"the exported model differs from Keras by {told['agreement']['mean']:.3f} on average; at most {AGREEMENT}")
        (out / "export.json").write_text(json.dumps(told, indent=1) + "\n")

    params = {"limit": s.false_accepts_per_hour, "model": s.model, "spec": spec, "seed": s.seed}
    return line.steps.run("export", make, params, {**prepared, "trained": trained}, version=3)


def load_weights(spec: Any, trained: Path) -> Any:
    """The trained model, in its `train` form."""
    model = models.build(spec)
    with np.load(trained / "weights.npz") as saved:
        for i, weight in enumerate(model.weights):
            weight.assign(saved[f"arr_{i}"])
    return model


def in_form(model: Any, spec: Any, form: str) -> Any:
    """The same weights in another form."""
    from trainer.models.layers import copy_weights

    other = models.build(spec, form)
    copy_weights(model, other)
    return other


def finish(line: Line, exported: Path, title: str) -> Path:
    """The user's files: <phrase>.tflite, its manifest, report data; proved in pymicro-wakeword."""
    s, name = line.settings, phrases.slug(line.phrase)

    def make(out: Path) -> None:
        from trainer.wakeword.client import wakes

        told = json.loads((exported / "export.json").read_text())
        shutil.copyfile(exported / "model.tflite", out / f"{name}.tflite")
        micro = manifest.Micro(
            probability_cutoff=told["cutoff"], sliding_window_size=told["window"], feature_step_size=10,
            tensor_arena_size=told["arena"], minimum_esphome_version=manifest.MINIMUM_ESPHOME,
        )
        manifest.write(out / f"{name}.json", manifest.Manifest(
            wake_word=title, author=s.author, model=f"{name}.tflite", trained_languages=[s.language.split("-")[0]], micro=micro))
        said, other = Clips(line.folders["speak_phrase"]), Clips(line.folders["speak_speech"])
        hits = wakes(out / f"{name}.json", [said[i] for i in range(0, min(len(said), 2000), 50)])
        false = wakes(out / f"{name}.json", [other[i] for i in range(0, min(len(other), 2000), 50)])
        proof = {"phrases": len(hits), "woke": sum(hits), "others": len(false), "woke_wrongly": sum(false)}
        if not any(hits):
            log.warning("in pymicro-wakeword the model wakes at none of %d clips of the phrase: train longer", len(hits))
        (out / "client.json").write_text(json.dumps(proof) + "\n")

    params = {"title": title, "author": s.author, "name": name, "language": s.language}
    return line.steps.run("finish", make, params, {"exported": exported})


@dataclass(frozen=True)
class Result:
    """Where the files are, and whether anything had to be made."""

    folder: Path
    model: Path
    manifest: Path
    made: bool


def train_wake_word(loaded: Loaded, phrase: str, title: str, steps: Steps, log_file: Path) -> Result:
    """The whole line. Raises the one-line errors of its parts, and Stopped."""
    s = loaded.settings
    name = phrases.slug(phrase)
    check_gpu(s.keras_backend)
    phrases.spoken(phrase, s.language)
    for folder in filter(None, (s.personal_samples, s.negative_samples)):
        recordings.audio_files(folder)  # a wrong path is told now, not after an hour
    with Workers(s.workers or cores()) as workers:
        line = Line(s, phrase, steps, workers)
        line.piper()
        prove_export(line)
        prepared = prepare(line)
        trained = train(line, prepared)
        exported = export(line, prepared, trained)
        finished = finish(line, exported, title)

    def files() -> dict[str, Path]:
        record = experiment.record(loaded, steps, phrase=phrase, title=title, export=json.loads((exported / "export.json").read_text()),
                                   client=json.loads((finished / "client.json").read_text()))
        experiment.write(finished / "experiment.json", record)
        wakeword_report.training_report(finished / "report.html", record, trained)
        found = {f: finished / f for f in (f"{name}.tflite", f"{name}.json", "report.html", "experiment.json")}
        return found | {"logs": trained / "logs", "training.log": log_file}

    folder, made = package.deliver(finished, s.data_dir / "output", f"{name}-{s.samples}-{s.training_steps}", files, proof=f"{name}.tflite")
    return Result(folder, folder / f"{name}.tflite", folder / f"{name}.json", made=made)
