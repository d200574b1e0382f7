"""The line from a phrase to a model: each property is a stage, made from the ones it uses."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from trainer import models, package, page, rejected
from trainer.audio.augment import Chain
from trainer.models.streaming import StreamingSpec
from trainer.record import record_of
from trainer.run import Run
from trainer.steps import write_record
from trainer.store import Clips, build
from trainer.wakeword import amounts, inventory, phrases, preparation, report
from trainer.wakeword.clips import ClipSteps
from trainer.wakeword.datasets import groups_that_say
from trainer.wakeword.export import esphome
from trainer.wakeword.given import Given
from trainer.wakeword.preparation import FeaturePlan
from trainer.wakeword.settings import WakeWordSettings
from trainer.workers import in_backend

GENTLE = Chain(room=0.2, noise=0.2, equalizer=0.3, distortion=0.02, pitch=0.05)
STAGES = {  # command -> what it makes
    "synthesize": "synthesized",
    "features": "features",
    "export": "exported",
    "train": "delivered",
}


@dataclass(frozen=True)
class Result:
    """The finished files, the figures behind them, and whether anything had to be made."""

    folder: Path
    model: Path
    manifest: Path
    figures: Mapping[str, Any]
    made: bool


@dataclass(frozen=True)
class Pipeline:
    """One phrase. Raises UserError and Stopped from any property."""

    run: Run[WakeWordSettings]
    phrase: str
    title: str

    @property
    def name(self) -> str:
        """File name of the phrase."""
        return phrases.slug(self.phrase, self.run.settings.language)

    @cached_property
    def given(self) -> Given:
        """Phrases, words, engines and recordings to begin with."""
        return Given(self.run.settings, self.phrase)

    @cached_property
    def clips(self) -> ClipSteps:
        """Synthesized, recorded and generated clips."""
        return ClipSteps(self.run, self.given)

    @property
    def synthesized(self) -> dict[str, Path]:
        """Synthesized clips by kind."""
        return self.clips.synthesized

    # --- features

    @cached_property
    def features(self) -> dict[str, Path]:
        """Augmented features by source: of downloaded corpora, or of generated sounds."""
        around = self.clips.surroundings
        clips = {**self.synthesized, "noise": self.clips.noise}
        found = {
            one.name: self._features(one.name, one.kind, clips[one.clips], one.many, **one.changes)
            for one in amounts.features(self.run.settings)
            if one.clips in clips
        }
        for store in around.noises[1:]:
            count = int(Clips(store).seconds / amounts.SECONDS_PER_NEGATIVE)
            part = store.parent.name
            found[f"noise_{part}"] = self._features("noise", "noise", store, count, part)
        for store in self.clips.downloaded["speech"]:
            count = int(Clips(store).seconds / amounts.SECONDS_PER_NEGATIVE)
            part = store.parent.name
            usable = {"without": groups_that_say(store, self.given.phrases), "split": "train"}
            found[f"real_{part}"] = self._features(
                "real", "speech", store, count, part, chain=GENTLE, **usable
            )
            minutes = max(1, int(Clips(store).seconds / 60 / preparation.HELD_OUT))
            found[f"ambient_{part}"] = self._features(
                "ambient", "plain", store, minutes, part, **usable | {"split": "held out"}
            )
        for store in self.clips.downloaded["negatives"]:
            found[f"negatives_{store.name}"] = store
        return found | self._own_features()

    def _own_features(self) -> dict[str, Path]:
        """Features of the user's own recordings."""
        s, found = self.run.settings, {}
        if self.given.files["personal"]:
            own = self.clips.own["personal"]
            many = len(Clips(own))
            count = min(many * 500, amounts.of_few_speakers(s))
            broken = max(200, min(many * 20, 2000))
            found["personal"] = self._features("personal", "phrase", own, count, varied=True)
            found["broken_personal"] = self._features("broken_personal", "broken", own, broken)
        if self.given.files["negative"]:
            own = self.clips.own["negative"]
            count = max(64, 2 * (int(Clips(own).seconds / amounts.SECONDS_PER_NEGATIVE) + 1))
            found["negative"] = self._features("negative", "speech", own, count, chain=GENTLE)
        return found

    def _features(
        self, name: str, kind: str, source: Path, count: int, part: str = "", **changes: Any
    ) -> Path:
        """Augmented features of clips: see preparation.FeaturePlan."""
        around, seed = self.clips.surroundings, self.run.settings.seed
        folders = str(source), str(around.speech), str(around.rooms)
        noises = tuple(map(str, around.noises))
        plan = FeaturePlan(kind, *folders, noises, count, seed, **changes)

        def make(out: Path, _: WakeWordSettings) -> None:
            chunks, label = -(-count // preparation.CHUNK), f"features ({name})"
            build(out, preparation.feature_chunk, plan, chunks, label, self.run.workers)

        paths = ("clips", "speech", "rooms", "noises")
        params = {k: v for k, v in asdict(plan).items() if k not in paths}
        inputs = {"clips": source, "speech": around.speech, "rooms": around.rooms}
        inputs |= {f"noises_{i}": folder for i, folder in enumerate(around.noises)}
        return self.run.step(f"features_{name}", make, inputs, params, version=5, part=part)

    # --- model

    @cached_property
    def _spec(self) -> StreamingSpec:
        return models.spec_of(self.run.settings.model)

    @cached_property
    def proved(self) -> Path:
        """An untrained model through the whole export, before hours are spent."""

        def make(out: Path, s: WakeWordSettings) -> None:
            from trainer.wakeword import exporting

            exporting.prove(s, out)

        return self.run.step("prove_export", make, {}, {"spec": self._spec}, version=2, shared=True)

    @cached_property
    def trained(self) -> Path:
        """The trained weights (weights.npz)."""
        self.proved  # noqa: B018  (before hours are spent)
        prepared = self.features

        def make(out: Path, s: WakeWordSettings) -> None:
            from trainer.wakeword import learning

            in_backend(s.keras_backend, learning.fit, s, prepared, out)

        return self.run.step("train", make, prepared, {"spec": self._spec}, version=2)

    @cached_property
    def exported(self) -> Path:
        """model.tflite and export.json: converted, checked, measured, with cutoff and window."""
        prepared, trained = self.features, self.trained

        def make(out: Path, s: WakeWordSettings) -> None:
            from trainer.wakeword import exporting

            exporting.export(s, prepared, trained, out)

        inputs = {**prepared, "trained": trained}
        return self.run.step("export", make, inputs, {"spec": self._spec}, version=5)

    @cached_property
    def packaged(self) -> Path:
        """<phrase>.tflite and its manifest, run in pymicro-wakeword (client.json)."""
        exported, clips = self.exported, self.synthesized

        def make(out: Path, s: WakeWordSettings) -> None:
            from trainer.wakeword import exporting

            exporting.write_package(s, self.name, self.title, exported, clips, out)

        params = {"title": self.title, "name": self.name}
        return self.run.step("package", make, {"exported": exported}, params)

    @cached_property
    def delivered(self) -> Result:
        """The user's folder."""
        s, name, packaged = self.run.settings, self.name, self.packaged
        export = json.loads((self.exported / "export.json").read_text(encoding="utf-8"))
        client = json.loads((packaged / "client.json").read_text(encoding="utf-8"))

        def files() -> dict[str, Path]:
            parts = {"phrase": self.phrase, "title": self.title, "export": export}
            parts |= {"phrases": self.given.phrases, "negative_phrases": self.given.negatives}
            parts["voices"] = self.given.voices
            parts["diversity"] = self.clips.diversity
            parts["recordings"] = inventory.summary(self.clips.own)
            record = record_of(self.run, **parts, client=client)
            write_record(packaged / "experiment.json", record)
            page.write(report.training_page(record, self.trained), packaged / "report.html")
            esphome.write(packaged / f"{name}.yaml", name)
            if self.clips.own:
                inventory.write_rejected(self.clips.own, packaged / rejected.FILE)
            names = (f"{name}.tflite", f"{name}.json", f"{name}.yaml", "report.html")
            optional = (rejected.FILE,) if self.clips.own else ()
            found = {file: packaged / file for file in (*names, "experiment.json", *optional)}
            return found | {"logs": self.trained / "logs", "training.log": self.run.log_file}

        target = f"{name}-{s.samples}-{s.training_steps}"
        folder, made = package.deliver(
            packaged, s.data_dir / "output", target, files, proof=f"{name}.tflite"
        )
        figures = {**export, "client": client}
        return Result(folder, folder / f"{name}.tflite", folder / f"{name}.json", figures, made)

    def summary_rows(self) -> list[tuple[str, float]]:
        """(what was done, seconds) for the table at the end of a run."""
        s, spent = self.run.settings, self.run.steps.seconds

        def total(*prefixes: str) -> float:
            return sum(seconds for name, seconds in spent.items() if name.startswith(prefixes))

        synthesis_seconds = total("synthesize", "sounds", "read")
        return [
            (f"Generate {s.samples} samples, {s.batch_size}/batch", synthesis_seconds),
            (f"Augment {s.samples} samples", total("features")),
            (f"{s.training_steps} training steps", total("train")),
            ("Export and proof", total("prove_export", "export", "package")),
        ]
