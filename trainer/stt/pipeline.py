"""The line from recordings to a speech-to-text model: each property is a stage.

Sources are the corpora of a language (`MODEL_LANGUAGE`) or files with transcripts (`TRAIN_FILES`).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from trainer import package, page
from trainer.clients import LIBRARIES, fetch
from trainer.corpora.utterance import Utterance
from trainer.errors import UserError
from trainer.log import log
from trainer.models.speech import deepspeech
from trainer.record import record_of
from trainer.run import Run
from trainer.steps import write_record
from trainer.store import build
from trainer.stt import card, checkpoints, copies, export, preparation, report, testing
from trainer.stt.augmentation import parse
from trainer.stt.evaluation import Client, network_scores, transcribe
from trainer.stt.export.contract import Contract
from trainer.stt.forms import contract_of, spec_of
from trainer.stt.gathering import NOTHING, gather
from trainer.stt.language_model import PACKAGE
from trainer.stt.material import Material, Sets, report_sets, utterance_key, with_clips
from trainer.stt.preparation import ImportPlan
from trainer.stt.scorers import Scorers
from trainer.stt.settings import SpeechSettings
from trainer.text import language as languages
from trainer.text.alphabet import Alphabet
from trainer.text.language import Language
from trainer.workers import in_backend

STAGES = {  # command -> what it makes
    "import": "imported_folder",
    "alphabet": "alphabet_file",
    "lm": "packed",
    "train": "delivered",
    "tune": "tuned",
    "export": "exported",
    "test": "tested",
    "package": "delivered",
}
# settings that shape no model
NOT_SHOWN = "workers redo data_dir download checkpoint_dir save_checkpoint_dir test_output_file"


@dataclass(frozen=True)
class Result:
    """The finished folder, the figures of the test, and whether anything had to be made."""

    folder: Path
    figures: Mapping[str, Any]
    made: bool


@dataclass(frozen=True)
class Pipeline:
    """One model. Raises UserError and Stopped from any property."""

    run: Run[SpeechSettings]

    # --- what there is

    @cached_property
    def start(self) -> checkpoints.Start | None:
        """The starting weights, if any."""
        s = self.run.settings
        if folder := s.load_checkpoint_dir or copies.own_checkpoint(s):
            return checkpoints.read_start(folder, s.n_hidden, s.alphabet_config_path)
        if s.epochs == 0 or s.drop_source_layers:
            raise UserError(
                "EPOCHS=0 and DROP_SOURCE_LAYERS need starting weights: give LOAD_CHECKPOINT_DIR"
            )
        return None

    @cached_property
    def material(self) -> Material:
        """Alphabet, split utterances and texts, after a check of what could fail later."""
        s = self.run.settings
        if s.scorer_path and not s.scorer_path.is_file():
            raise UserError(f"SCORER_PATH: {s.scorer_path}: no such file")
        self._overlay_key  # noqa: B018  (checks AUGMENT)
        language: Language | None = None
        if s.model_language:
            language = languages.read(s.model_language, s.data_dir)
        known = self.start.alphabet if self.start else None
        found = gather(self.run, language, known)
        Scorers(self.run, found).check_finished()
        return found

    @cached_property
    def _overlay_key(self) -> str:
        """A hash of the clips that AUGMENT overlays."""
        s = self.run.settings
        overlays = parse(s.augmentations(s.feature_win_step), s.features).sources()
        return utterance_key(overlays) if overlays else ""

    @property
    def _alphabet(self) -> Alphabet:
        return self.material.alphabet

    @property
    def _has_clips(self) -> bool:
        """Whether there are recordings: scorers of texts and exports of checkpoints need none."""
        return bool(self.material.split.of("train"))

    @cached_property
    def alphabet_file(self) -> Path:
        """alphabet.txt."""
        alphabet = self._alphabet

        def make(out: Path, _: SpeechSettings) -> None:
            alphabet.write(out / "alphabet.txt")

        folder = self.run.step("alphabet", make, params={"labels": alphabet.labels})
        return folder / "alphabet.txt"

    @cached_property
    def imported(self) -> Sets:
        """Stored log mels and transcripts, by use and corpus. Raises UserError without clips."""
        if not self._has_clips:
            raise UserError(NOTHING)
        step_ms = self.run.settings.feature_win_step
        found = {
            use: {name: self._import(use, name, given) for name, given in by_name.items()}
            for use, by_name in self.material.split.sets.items()
            if by_name
        }
        report_sets(self.material, found, step_ms, self.run.steps.folder / "rejected.csv")
        return found

    @property
    def imported_folder(self) -> Path:
        """Where the sets and rejected.csv are."""
        self.imported  # noqa: B018
        return self.run.steps.folder

    def _import(self, use: str, name: str, utterances: Sequence[Utterance]) -> Path:
        alphabet = self._alphabet

        def make(out: Path, s: SpeechSettings) -> None:
            chunks = -(-preparation.write_lists(out, utterances) // preparation.CHUNK)
            plan = ImportPlan(str(out), alphabet, s.max_seconds, s.features)
            label = f"importing {name} ({use})"
            build(out, preparation.import_chunk, plan, chunks, label, self.run.workers)
            preparation.finish_lists(out)

        params = {"utterances": utterance_key(utterances), "labels": alphabet.labels}
        return self.run.step("import", make, {}, params, version=7, part=f"{use}_{name}")

    # --- the language model

    @cached_property
    def scorers(self) -> Scorers:
        """Text, n-grams and scorers."""
        return Scorers(self.run, self.material)

    @cached_property
    def packed(self) -> Path:
        """kenlm.scorer with the weights that were given. Raises UserError if none can be made."""
        if (why := self.scorers.why_none) and not self.run.settings.scorer_alphabet:
            raise UserError(why)
        if self._has_clips:
            self.imported  # noqa: B018  (what is rejected is reported first)
        return self.scorers.untuned

    @cached_property
    def scorer(self) -> Path | None:
        """kenlm.scorer with the best weights, or with those that were given; None without text."""
        self.trained  # noqa: B018  (proof and import come first)
        return self.scorers.best(self._dev_scores, asked=False)

    @cached_property
    def tuned(self) -> Path:
        """kenlm.scorer with tuned weights (SCORER_PATH too); without one, the trained weights."""
        if (why := self.scorers.why_none) and not self.run.settings.scorer_path:
            raise UserError(why)
        return self.scorers.best(self._dev_scores, asked=True) or self.trained

    def _dev_scores(self) -> list[tuple[Path, Path]]:
        """(network's scores, stored set) of every dev set."""
        size = self.run.settings.dev_batch_size
        sets = self.imported["dev"].items()
        return [(self._scores(f"dev_{name}", folder, size), folder) for name, folder in sets]

    # --- the model

    @cached_property
    def _spec(self) -> deepspeech.Spec:
        return spec_of(self.run.settings, self._alphabet)

    @cached_property
    def _contract(self) -> Contract:
        return contract_of(self.run.settings, self._alphabet)

    @cached_property
    def proved(self) -> Path:
        """An untrained model through the export and into the clients' libraries."""
        spec, contract = self._spec, self._contract

        def make(out: Path, s: SpeechSettings) -> None:
            weights = deepspeech.weights_of(deepspeech.build(spec))
            export.write_all(weights, contract, "output_graph", out)
            for name, library in fetch(s.data_dir / "tools" / "clients").items():
                transcribe(Client(library, out / LIBRARIES[name][1]), [])
            for path in out.glob("output_graph*"):
                path.unlink()

        params = {"contract": contract}
        return self.run.step("prove_export", make, {}, params, version=2, shared=True)

    @cached_property
    def trained(self) -> Path:
        """The trained weights (weights.npz), by the names of the original checkpoints."""
        self.proved  # noqa: B018  (before hours are spent)
        alphabet, spec, start = self._alphabet, self._spec, self.start
        sets = self.imported if self._has_clips or self.run.settings.epochs else {}
        if self.scorers.why_none:
            log.info("no scorer is made: %s", self.scorers.why_none)
        elif sets:
            self.packed  # noqa: B018  (the same)

        def make(out: Path, s: SpeechSettings) -> None:
            from trainer.stt import learning

            folders = {use: list(sets[use].values()) for use in sets if use != "test"}
            given = s, alphabet, folders, spec, start, out
            in_backend(s.keras_backend, learning.train, *given)

        params = {"spec": spec, "overlays": self._overlay_key}
        params |= {"start": start.key} if start else {}
        inputs = {
            f"{use}_{name}": folder
            for use in ("train", "dev", "metrics")
            for name, folder in sets.get(use, {}).items()
        }
        return self.run.step("train", make, inputs, params, version=9)

    @cached_property
    def exported(self) -> Path:
        """.pb, .pbmm, .tflite (int8) and _float.tflite, alphabet.txt, checkpoint/."""
        trained, contract = self.trained, self._contract

        def make(out: Path, s: SpeechSettings) -> None:
            with np.load(trained / "weights.npz") as saved:
                weights = dict(saved)
            export.write_all(weights, contract, s.export_file_name, out)
            checkpoints.write(weights, contract.alphabet, out / "checkpoint")

        params = {"contract": contract}
        return self.run.step("export", make, {"trained": trained}, params, version=2)

    def _scores(self, name: str, stored: Path, batch_size: int) -> Path:
        """Log probabilities of the network over a set, for the decoder."""
        trained, spec = self.trained, self._spec

        def make(out: Path, _: SpeechSettings) -> None:
            network_scores(trained / "weights.npz", spec, stored, batch_size, out)

        inputs = {"trained": trained, "set": stored}
        return self.run.step("scores", make, inputs, {"spec": spec}, part=name)

    @cached_property
    def tested(self) -> Path:
        """figures.json: error rates on every test set (dev sets where there is none)."""
        s, sets, scorer = self.run.settings, self.imported, self.scorer
        use = "test" if with_clips(sets, "test") else "dev"
        size = s.test_batch_size if use == "test" else s.dev_batch_size
        stored = with_clips(sets, use)
        scores = {n: self._scores(f"{use}_{n}", folder, size) for n, folder in stored.items()}
        exported = self.exported
        plan = testing.TestPlan(use, stored, scores, scorer, exported, self._alphabet)

        def make(out: Path, s: SpeechSettings) -> None:
            testing.write_figures(plan, s, self.run.workers, out / "figures.json")

        inputs = {"exported": exported, **{f"scores_{n}": path for n, path in scores.items()}}
        inputs |= {"scorer": scorer} if scorer else {}
        return self.run.step("test", make, inputs, version=6)

    @cached_property
    def figures(self) -> dict[str, Any]:
        """What the test measured."""
        return dict(json.loads((self.tested / "figures.json").read_text(encoding="utf-8")))

    # --- what the user gets

    @cached_property
    def carded(self) -> Path:
        """Model card, report.html, rejected.csv, and the zip if asked for."""
        shown, sets, folders = self._shown(), self.imported, self._folders()
        model = report.Model(self.run.settings, shown, self.material, sets, self.figures, **folders)

        def make(out: Path, s: SpeechSettings) -> None:
            written = card.write_card(model, out)
            page.write(report.page(model), out / "report.html")
            report.write_rejected(model, out)
            if s.export_zip:
                card.write_zip(model, written)

        inputs = {name: folder for name, folder in folders.items() if folder}
        inputs |= {f"{use}_{n}": path for use, found in sets.items() for n, path in found.items()}
        params = {"settings": shown, "rejected": self.material.rejected_key()}
        return self.run.step("card", make, {**inputs, "tested": self.tested}, params, version=3)

    def _folders(self) -> dict[str, Any]:
        text = None if self.scorers.why_none else self.scorers.text
        made = {"trained": self.trained, "exported": self.exported}
        return {**made, "scorer": self.scorer, "text": text}

    def _shown(self) -> dict[str, Any]:
        """Settings that shape the model; alpha and beta as they are in the scorer."""
        s = self.run.settings
        found = {name: getattr(s, name) for name in s.names() if name not in NOT_SHOWN.split()}
        found = {name: value for name, value in found.items() if value not in (None, "")}
        if self.scorer:
            found["lm_alpha"], found["lm_beta"] = self.scorers.weights_of(self.scorer)
        return {name: value for name, value in found.items() if not name.startswith("export_")}

    @cached_property
    def delivered(self) -> Result:
        """The user's folder."""
        s, carded = self.run.settings, self.carded

        def files() -> dict[str, Path]:
            record = record_of(self.run, figures=self.figures)
            write_record(carded / "experiment.json", record)
            own = ("step.json", "used", package.DELIVERED)
            places = (self.exported, carded)
            found = {p.name: p for place in places for p in place.iterdir() if p.name not in own}
            if (self.trained / "logs").exists():
                found["logs"] = self.trained / "logs"
            if self.scorer:
                found[PACKAGE] = self.scorer / PACKAGE
            tested = {"test.json": self.tested / "figures.json"}
            tested["test_clips.json"] = self.tested / testing.CLIPS
            return found | tested | {"training.log": self.run.log_file}

        kind = s.export_language or s.model_language or "model"
        name = f"stt-{kind}-{s.n_hidden}-{s.epochs}"
        folder, made = package.deliver(carded, s.data_dir / "output", name, files)
        return Result(folder, self.figures, made)
