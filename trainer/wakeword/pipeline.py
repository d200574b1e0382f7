"""The line from a phrase to a model: each property is a stage, made from the ones it uses."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from trainer import experiment, models, package, page, rejected
from trainer.audio.augment import Chain
from trainer.errors import UserError
from trainer.log import log
from trainer.models.streaming import StreamingSpec
from trainer.run import Run
from trainer.steps import fingerprint, write_record
from trainer.store import Clips, build
from trainer.wakeword import amounts, inventory, phrases, preparation, recordings, report, synthesis
from trainer.wakeword.datasets import downloaded, fetch_starter, groups_that_say
from trainer.wakeword.engines import kokoro, usable_engines
from trainer.wakeword.export import esphome
from trainer.wakeword.given import Given
from trainer.wakeword.preparation import FeaturePlan
from trainer.wakeword.recordings import FilesPlan
from trainer.wakeword.settings import WakeWordSettings
from trainer.wakeword.synthesis import SoundPlan, SpeechPlan
from trainer.workers import in_backend

NOISES, ROOMS = 600, 300  # generated ones
NEURAL_CHUNK = 10  # clips, ten seconds of a processor
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
class Surroundings:
    """What clips are mixed with: rooms, noises, and other people's speech."""

    rooms: Path
    noises: tuple[Path, ...]
    speech: Path


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

    # --- clips

    @cached_property
    def synthesized(self) -> dict[str, Path]:
        """Synthesized clips by kind: the phrase, confusable phrases, other speech."""
        counts = amounts.synthesized(self.run.settings)
        found = {kind: self._synthesize(kind, count) for kind, count in counts.items()}
        return found | self._by_neural_voices()

    def _by_neural_voices(self) -> dict[str, Path]:
        """Clips of neural voices by kind; empty where there are none."""
        s, folder = self.run.settings, self.given.neural
        if folder is None:
            return {}
        texts, negatives = (self.given.phrases, self.given.words), self.given.negatives
        found = {}
        for kind, count in amounts.neural(s).items():
            plan = SpeechPlan(kind, *texts, (), count, s.seed, negatives, chunk=NEURAL_CHUNK)

            def make(out: Path, s: WakeWordSettings, plan: SpeechPlan = plan) -> None:
                plan = replace(plan, neural=str(folder))
                synthesis.build(plan, None, s.data_dir, s.batch_size, self.run.workers, out)

            params = {"plan": plan, "voices": kokoro.key()}
            found[f"neural_{kind}"] = self.run.step(
                "synthesize_neural", make, {}, params, part=kind
            )
        return found

    def _synthesize(self, kind: str, count: int) -> Path:
        s, voice = self.run.settings, self.given.piper
        engines = self.given.engines if kind == "phrase" else usable_engines(s.language, s.engine)
        key = voice.key if voice else ""
        texts = self.given.phrases, self.given.words
        plan = SpeechPlan(kind, *texts, engines, count, s.seed, self.given.negatives, key)

        def make(out: Path, s: WakeWordSettings) -> None:
            synthesis.build(plan, voice, s.data_dir, s.batch_size, self.run.workers, out)

        params = {"plan": plan, **({"batch_size": s.batch_size} if voice else {})}
        if s.speech_text:
            params["speech_text"] = fingerprint([s.speech_text])
        return self.run.step(f"synthesize_{kind}", make, params=params)

    def _sounds(self, kind: str, count: int) -> Path:
        """Generated rooms or noises: the same for all phrases."""
        plan = SoundPlan(kind, count, 1)

        def make(out: Path, _: WakeWordSettings) -> None:
            chunks = -(-count // synthesis.CHUNK)
            label = f"generating ({kind})"
            build(out, synthesis.sound_chunk, plan, chunks, label, self.run.workers)

        return self.run.step("sounds", make, params={"plan": plan}, part=kind, shared=True)

    def _recordings(self, kind: str) -> Path:
        """The user's recordings as clips; those that cannot be used are listed in rejected.csv."""
        files = self.given.files[kind]
        plan = FilesPlan(tuple(map(str, files)), whole=kind == "negative")

        def make(out: Path, _: WakeWordSettings) -> None:
            label, workers = f"reading ({kind})", self.run.workers
            build(out, recordings.read_chunk, plan, len(files), label, workers)
            if kind == "personal":
                inventory.write_qualities(files, workers, out)

        params = {"files": fingerprint(files)}
        out = self.run.step("read", make, params=params, version=4, part=kind)
        refused = rejected.read(out / rejected.FILE)
        rejected.report(refused, len(files), f"{kind} recordings", out / rejected.FILE)
        if not len(Clips(out)):
            raise UserError(
                f"{kind} recordings: none of {len(files)} can be used; the reasons are above"
            )
        used = len(set(Clips(out).index["group"]))
        clips = (
            f"{len(Clips(out))} phrases" if kind == "personal" else f"{Clips(out).seconds:.0f} s"
        )
        log.info(f"{kind} recordings: {used} of {len(files)} files used, {clips}")
        if kind == "personal":
            inventory.report_qualities(out)
        return out

    # --- features

    @cached_property
    def features(self) -> dict[str, Path]:
        """Augmented features by source: of downloaded corpora, or of generated sounds."""
        around = self._surroundings
        clips = {**self.synthesized, "noise": self._generated_noise}
        found = {
            one.name: self._features(one.name, one.kind, clips[one.clips], one.many, **one.changes)
            for one in amounts.features(self.run.settings)
            if one.clips in clips
        }
        for store in around.noises[1:]:
            count = int(Clips(store).seconds / amounts.SECONDS_PER_NEGATIVE)
            part = store.parent.name
            found[f"noise_{part}"] = self._features("noise", "noise", store, count, part)
        for store in self._downloaded["speech"]:
            count = int(Clips(store).seconds / amounts.SECONDS_PER_NEGATIVE)
            part, without = store.parent.name, groups_that_say(store, self.given.phrases)
            found[f"real_{part}"] = self._features(
                "real", "speech", store, count, part, chain=GENTLE, without=without
            )
        for store in self._downloaded["negatives"]:
            found[f"negatives_{store.name}"] = store
        return found | self._own_features()

    def _own_features(self) -> dict[str, Path]:
        """Features of the user's own recordings."""
        s, found = self.run.settings, {}
        if self.given.files["personal"]:
            own = self.own["personal"]
            many = len(Clips(own))
            count = min(many * 500, amounts.of_few_speakers(s))
            broken = max(200, min(many * 20, 2000))
            found["personal"] = self._features("personal", "phrase", own, count, varied=True)
            found["broken_personal"] = self._features("broken_personal", "broken", own, broken)
        if self.given.files["negative"]:
            own = self.own["negative"]
            count = max(64, 2 * (int(Clips(own).seconds / amounts.SECONDS_PER_NEGATIVE) + 1))
            found["negative"] = self._features("negative", "speech", own, count, chain=GENTLE)
        return found

    @cached_property
    def own(self) -> dict[str, Path]:
        """The user's recordings as clips, by kind."""
        return {kind: self._recordings(kind) for kind, files in self.given.files.items() if files}

    @cached_property
    def _downloaded(self) -> dict[str, list[Path]]:
        s = self.run.settings
        if s.starter and not s.quick:
            try:
                fetch_starter(s.data_dir, self.run.workers)
            except UserError as error:
                log.warning(f"the run goes on without the starter sets: {error}")
        return downloaded(s.data_dir)

    @cached_property
    def _generated_noise(self) -> Path:
        return self._sounds("noise", NOISES)

    @cached_property
    def _surroundings(self) -> Surroundings:
        noises = (self._generated_noise, *self._downloaded["noise"])
        rooms = (self._downloaded["rooms"] or [self._sounds("room", ROOMS)])[0]
        return Surroundings(rooms, noises, self.synthesized["speech"])

    def _features(
        self, name: str, kind: str, source: Path, count: int, part: str = "", **changes: Any
    ) -> Path:
        """Augmented features of clips: see preparation.FeaturePlan."""
        around, seed = self._surroundings, self.run.settings.seed
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
        return self.run.step(f"features_{name}", make, inputs, params, version=3, part=part)

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

            if s.keras_backend == "tensorflow":
                learning.fit(s, prepared, out)
            else:  # a process has one backend, and exporting needs TensorFlow
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
        return self.run.step("export", make, inputs, {"spec": self._spec}, version=4)

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
            parts["recordings"] = inventory.summary(self.own)
            record = experiment.record(self.run, **parts, client=client)
            write_record(packaged / "experiment.json", record)
            page.write(report.training_page(record, self.trained), packaged / "report.html")
            esphome.write(packaged / f"{name}.yaml", name)
            if self.own:
                inventory.write_rejected(self.own, packaged / rejected.FILE)
            names = (f"{name}.tflite", f"{name}.json", f"{name}.yaml", "report.html")
            optional = (rejected.FILE,) if self.own else ()
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
