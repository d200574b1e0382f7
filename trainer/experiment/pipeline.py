"""Settings -> trainer -> run, and the evaluation that ends it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from trainer import page
from trainer.data.dataset import AudioDataset
from trainer.data.processor import (
    AudioProcessor,
    Augmentation,
    Microphone,
    SpecAugment,
    Tempo,
    VocalTract,
    Waveforms,
)
from trainer.errors import UserError
from trainer.experiment import callbacks, evaluation, experiment, report, trackers
from trainer.experiment.experiment import Experiment, load
from trainer.experiment.folders import find, parameters_of, read_record, runs, weights_of
from trainer.experiment.settings import TRACKERS, ExperimentSettings
from trainer.experiment.splicing import Splice
from trainer.experiment.trainer import Optimizer, Trainer
from trainer.log import log
from trainer.machine import check_gpu, cores
from trainer.models import zoo
from trainer.models.speech.base import Decoding
from trainer.settings import Loaded
from trainer.workers import Workers

FEATURES = {"deepspeech": "mfcc_26"}
OTHERS = "log_mel_80"
REPORT = "report.html"  # what is written last
WITH_DEFINITION = (
    "definition", "script", "name", "random_seed", "test_files", "beam_width", "keras_backend",
    "data_dir", "workers", "redo",
)  # fmt: skip
WAYS_OUT = (
    "-e KERAS_BACKEND=jax uses it, in an image built with ACCELERATOR=jax-cuda; "
    "-e CUDA_VISIBLE_DEVICES=-1 trains on the processor"
)


def run(loaded: Loaded[ExperimentSettings]) -> Path:
    """Train as the settings say, evaluate, and write the report. Raises UserError and Stopped."""
    s = loaded.settings
    check_gpu(s.keras_backend, WAYS_OUT)
    if s.definition is None:
        trainer = trainer_of(s)
    else:
        _check_alone(loaded)
        trainer = experiment.trainer_in(s.definition, s.script and s.script.absolute())
    redo = tuple(step.strip() for step in s.redo.split(",") if step.strip())
    with Workers(s.workers or cores()) as workers:
        for dataset in experiment.datasets(trainer).values():
            dataset.decode(workers, redo)
    made = Experiment(s.name or s.model, s.random_seed, s.data_dir / "output", s.script)
    trained = made.finished(trainer)
    if trained and not (trained / REPORT).exists():  # killed when it was evaluated
        log.info("%s: trained already; evaluating it", trained)
        folder = trained
    else:
        folder = made.run(trainer)
    return finish(folder, trainer, s.test_files, s.beam_width)


def _check_alone(loaded: Loaded[ExperimentSettings]) -> None:
    """Raises UserError for options that a definition leaves without effect."""
    options = [name for name, source in loaded.sources.items() if source == "flag"]
    if lost := sorted(set(options) - set(WITH_DEFINITION)):
        raise UserError(
            f"would have no effect with DEFINITION, which holds all of these: "
            f"{', '.join(name.upper() for name in lost)}"
        )


def trainer_of(s: ExperimentSettings) -> Trainer:
    """The trainer that the settings describe. Raises UserError."""
    if not s.train_files:
        raise UserError("nothing to train on: give TRAIN_FILES, a table of clips (CSV)")
    features = s.features or FEATURES.get(s.model, OTHERS)
    step_ms = s.step_ms or (20 if features.startswith("mfcc") else 10)
    plain = AudioProcessor(features, s.normalize, step_ms=step_ms)
    processor = replace(plain, augment=_augmentations(s, plain))
    split = "" if s.dev_files else "train"
    train = AudioDataset(Path(s.train_files), processor, split)
    dev = AudioDataset(
        Path(s.dev_files or s.train_files), processor, "" if s.dev_files else "dev", train.labels
    )
    return Trainer(
        zoo.network(s.model, train.labels, processor.bands, s.network),
        train.loader(s.batch_seconds),
        dev.loader(),
        callbacks=_callbacks(s),
        epochs=s.epochs,
        optimizer=Optimizer(s.optimizer, s.learning_rate, s.schedule, weight_decay=s.weight_decay),
        validate_steps=s.validate_steps,
        average_best=s.average_best,
        mixed_precision=s.automatic_mixed_precision,
        gpus=s.gpus,
    )


def _augmentations(s: ExperimentSettings, plain: AudioProcessor) -> tuple[Augmentation, ...]:
    found: list[Augmentation] = []
    if s.noises or s.rooms:
        found.append(Waveforms(s.rooms, s.noises))
    if s.voices:
        found.append(Microphone(8 * s.voices, 0.4 * s.voices))
    if s.voices and "mel" in plain.features:
        found.append(VocalTract(0.16 * s.voices))
    if s.tempo:
        found.append(Tempo(s.tempo))
    if s.masks:
        found.append(SpecAugment(s.masks, band_masks=s.masks, bands=plain.bands // 5))
    return tuple(found)


def _callbacks(s: ExperimentSettings) -> list[callbacks.Callback]:
    found: list[callbacks.Callback] = [callbacks.TextComparison(8), callbacks.EpochEstimate()]
    if s.splice:
        found.append(Splice(s.splice))
    if s.patience:
        found.append(callbacks.EarlyStopping(patience=s.patience))
    for name in filter(None, map(str.strip, s.track.split(","))):
        found.append(getattr(trackers, TRACKERS[name])())
    return found


def finish(folder: Path, trainer: Trainer, test_files: str = "", beam: int = 1) -> Path:
    """Evaluate the result on a test set, if there is one; write report.html."""
    if test_files:
        network = trainer.loaded(weights_of(folder))
        dataset = evaluation.dataset_for(trainer, Path(test_files))
        for width in sorted({1, beam}):
            way = Decoding(width)
            found = evaluation.evaluate(trainer, network, dataset.loader(), f"test{way.name}", way)
            evaluation.write(folder, found)
    for found in evaluation.of_run(folder).values():
        _log(found)
    page.write(report.of_runs([folder]), folder / REPORT)
    log.info("Run: %s", folder)
    return folder


def _log(found: evaluation.Evaluation) -> None:
    figures = found.figures()
    low, high = figures["wer_interval"]
    log.info(
        f"{found.name}: WER {100 * figures['wer']:.1f} % ({100 * low:.1f} to {100 * high:.1f}), "
        f"CER {100 * figures['cer']:.1f} %, {figures['clips']} clips"
    )


def go_on(
    name: str,
    output: Path,
    epochs: int | None,
    moved: Mapping[str, str],
    roots: Mapping[str, str],
    changed_data: bool,
) -> Path:
    """Continue a run, and evaluate it."""
    folder = find(name, output)
    experiment.continue_run(folder, epochs, moved, roots, changed_data)
    return finish(folder, load(folder, moved, roots))


def evaluate(
    name: str, output: Path, table: Path, decoding: Decoding, split: str, roots: Mapping[str, str]
) -> Path:
    """Evaluate a run on a table of clips; returns the file with the figures."""
    folder = find(name, output)
    trainer = load(folder, roots=roots)
    network = trainer.loaded(weights_of(folder))
    dataset = evaluation.dataset_for(trainer, table, split)
    part = f"-{split}" if split else ""
    found = evaluation.evaluate(
        trainer, network, dataset.loader(), f"{table.stem}{part}{decoding.name}", decoding
    )
    _log(found)
    written = evaluation.write(folder, found)
    page.write(report.of_runs([folder]), folder / REPORT)
    return written


def export(name: str, output: Path, target: Path | None, roots: Mapping[str, str]) -> Path:
    """A run's network for sherpa-onnx in `target` (default: sherpa/ in its folder)."""
    from trainer.experiment.export import export as write

    folder = find(name, output)
    trainer = load(folder, roots=roots)
    out = target or folder / "sherpa"
    write(trainer, trainer.loaded(weights_of(folder)), out, read_record(folder)["name"])
    return out


def compare(names: list[str], output: Path, target: Path) -> Path:
    """The page that shows runs side by side. Raises UserError for more than report.MOST."""
    folders = [find(name, output) for name in names]
    page.write(report.of_runs(folders), target)
    return target


def listed(output: Path) -> list[str]:
    """A line a run."""
    lines = []
    for folder in runs(output):
        try:
            record = read_record(folder)
        except UserError as error:
            lines.append(f"{folder.name:44} {error}")
            continue
        wer = record.get("last", {}).get("val_wer")
        figure = "" if wer is None else f"val_wer {100 * wer:5.1f} %"
        lines.append(
            f"{folder.name:44} {record['status']:9} {record.get('epochs', 0):4} epochs  {figure}"
        )
    return lines or [f"no runs in {output}"]


def shown(name: str, output: Path) -> list[str]:
    """Lines about one run: what made it, its data, its figures."""
    folder = find(name, output)
    record = read_record(folder)
    lines = [f"{folder}", f"status: {record['status']}  {record.get('error', '')}".rstrip()]
    for key in ("started", "finished", "voicekiln", "backend", "seed", "epochs", "sessions",
                "seconds", "parameters"):  # fmt: skip
        if key in record:
            lines.append(f"{key}: {record[key]}")
    lines.append(f"command: {' '.join(record.get('command', []))}")
    for part, found in record.get("data", {}).items():
        lines.append(
            f"{part}: {found['clips']} clips, {found['hours']} h, {found['rejected']} rejected, "
            f"{found['path']} (SHA-256 {found['sha256'][:12]})"
        )
    lines += [f"{key} = {value}" for key, value in parameters_of(folder).items()]
    for one in evaluation.of_run(folder).values():
        lines.append(f"{one.name}: WER {100 * one.wer:.2f} %, {len(one.paths)} clips")
    return lines
