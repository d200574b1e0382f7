"""The line with MODEL=conformer: corpora, rules and splits as for DeepSpeech, then an experiment
that trains, and files for sherpa-onnx."""

import os
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from trainer import Experiment, Optimizer, Splice, Trainer, callbacks, data, metrics, rejected
from trainer.corpora.utterance import Utterance
from trainer.data import manifest
from trainer.data.manifest import Row
from trainer.errors import UserError
from trainer.models import zoo
from trainer.run import Run
from trainer.stt.gathering import NOTHING
from trainer.stt.material import Material, utterance_key
from trainer.stt.pipeline import Result
from trainer.stt.settings import SpeechSettings
from trainer.workers import in_backend

SHORTEST_SECONDS = 0.1
BATCH_SECONDS = 60.0
AUGMENT = data.Microphone(), data.VocalTract(), data.Tempo(0.12), data.SpecAugment()
FEATURES = data.AudioProcessor("log_mel_80", augment=AUGMENT)
OPTIMIZER = {"optimizer": "kind", "learning_rate_schedule": "schedule"}  # setting -> field


@dataclass(frozen=True)
class ConformerLine:
    """One model. Raises UserError and Stopped from any property."""

    run: Run[SpeechSettings]
    material: Material

    @cached_property
    def tables(self) -> Path:
        """train.csv, dev.csv and a table of each test set, test-<corpus>.csv."""
        sets = self.material.split.sets
        if not any(sets["train"].values()):
            raise UserError(NOTHING)
        found = {use: self.material.split.of(use) for use in ("train", "dev")}
        found |= {f"test-{name}": given for name, given in sets["test"].items() if given}

        def make(out: Path, _: SpeechSettings) -> None:
            for name, utterances in found.items():
                manifest.write(out / f"{name}.csv", map(_row, utterances))

        key = {name: utterance_key(utterances) for name, utterances in found.items()}
        return self.run.step("tables", make, {}, {"utterances": key})

    @cached_property
    def delivered(self) -> Result:
        """The run's folder, with its page and the files for sherpa-onnx."""
        s, tables = self.run.settings, self.tables
        os.environ["DATA_DIR"] = str(s.data_dir)  # where decoded audio is kept
        given = frozenset(name for name in s.names() if self.run.given(name))
        experiment, trainer = _experiment(s, given, tables, self.material.alphabet.labels)
        for loader in (trainer.data, trainer.validation):
            loader.dataset.decode(self.run.workers, tuple(self.run.steps.redo))
        made, start = experiment.finished(trainer) is None, time.monotonic()
        if made:
            in_backend(s.keras_backend, _train, s, given, tables, self.material.alphabet.labels)
            experiment.finished(trainer)
            self.run.steps.seconds["train"] = time.monotonic() - start
        folder = experiment.last
        assert folder is not None
        figures = experiment.figures()
        for table in sorted(tables.glob("test-*.csv")):
            if table.stem not in figures:
                experiment.evaluate(table)
        if not (folder / "sherpa" / "README.md").exists():
            experiment.export()
        rejected.write(folder / "rejected.csv", self.material.rejected_early())
        return Result(folder, {n: {"greedy": f} for n, f in experiment.figures().items()}, made)


def _row(u: Utterance) -> Row:
    return Row(u.path, u.transcript, 0.0, u.speaker, u.split, "", u.start, u.end, u.channel)


def _train(s: SpeechSettings, given: frozenset[str], tables: Path, labels: tuple[str, ...]) -> None:
    """In a process whose Keras runs on KERAS_BACKEND."""
    experiment, trainer = _experiment(s, given, tables, labels)
    experiment.run(trainer)


def _experiment(
    s: SpeechSettings, given: frozenset[str], tables: Path, labels: tuple[str, ...]
) -> tuple[Experiment, Trainer]:
    """As the settings say; what is not `given` is the conformer's own default."""
    train, dev = (
        data.AudioDataset(
            tables / f"{use}.csv", FEATURES, labels=labels, lowercase=False,
            seconds=(SHORTEST_SECONDS, s.max_seconds),
        )
        for use in ("train", "dev")
    )  # fmt: skip
    own = [name for name in ("learning_rate", "weight_decay", *OPTIMIZER) if name in given]
    optimizer = Optimizer(**{OPTIMIZER.get(name, name): getattr(s, name) for name in own})
    used = [callbacks.TextComparison(8), callbacks.EpochEstimate()]
    if s.splice:
        used.append(Splice(s.splice))
    if s.early_stop:
        used.append(callbacks.EarlyStopping("val_loss", s.es_epochs, s.es_min_delta))
    trainer = Trainer(
        zoo.network(s.model, labels, FEATURES.bands, s.network),
        train.loader(s.batch_seconds or BATCH_SECONDS),
        dev.loader(),
        [metrics.WordErrorRate(), metrics.CharacterErrorRate()],
        used,
        epochs=s.epochs,
        optimizer=optimizer,
        average_best=s.average_best,
        mixed_precision=s.automatic_mixed_precision,
    )
    name = f"stt-{s.export_language or s.model_language or 'model'}-conformer"
    return Experiment(name, s.random_seed, s.data_dir / "output"), trainer
