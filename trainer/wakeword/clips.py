"""The first steps of a wake word: clips that are synthesized, recorded, downloaded, generated."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from trainer import rejected
from trainer.errors import UserError
from trainer.log import log
from trainer.run import Run
from trainer.steps import fingerprint, read_record, write_record
from trainer.store import Clips, build
from trainer.wakeword import amounts, diversity, inventory, recordings, synthesis
from trainer.wakeword.datasets import downloaded, fetch_starter
from trainer.wakeword.engines import kokoro, usable_engines
from trainer.wakeword.given import Given
from trainer.wakeword.recordings import FilesPlan
from trainer.wakeword.settings import WakeWordSettings
from trainer.wakeword.synthesis import SoundPlan, SpeechPlan

NOISES, ROOMS = 600, 300  # generated ones
NEURAL_CHUNK = 10  # clips, ten seconds of a processor


@dataclass(frozen=True)
class Surroundings:
    """What clips are mixed with: rooms, noises, and other people's speech."""

    rooms: Path
    noises: tuple[Path, ...]
    speech: Path


@dataclass(frozen=True)
class ClipSteps:
    """Each property is a step, made from the ones it uses. Raises UserError and Stopped."""

    run: Run[WakeWordSettings]
    given: Given

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

    @cached_property
    def own(self) -> dict[str, Path]:
        """The user's recordings as clips, by kind."""
        return {kind: self._recordings(kind) for kind, files in self.given.files.items() if files}

    @cached_property
    def downloaded(self) -> dict[str, list[Path]]:
        """Stores of data sets by kind; the starter sets are fetched for a full run."""
        s = self.run.settings
        if s.starter and not s.quick:
            try:
                fetch_starter(s.data_dir, self.run.workers)
            except UserError as error:
                log.warning(f"the run goes on without the starter sets: {error}")
        return downloaded(s.data_dir)

    @cached_property
    def diversity(self) -> Mapping[str, Any]:
        """How different the synthesized voices are; empty where it cannot be measured."""
        encoder = self.given.encoder
        if encoder is None:
            return {}
        clips = {k: v for k, v in self.synthesized.items() if k.endswith("phrase")}

        def make(out: Path, _: WakeWordSettings) -> None:
            found = diversity.measure(clips, encoder)
            write_record(out / "diversity.json", found)

        return read_record(self.run.step("diversity", make, clips) / "diversity.json")

    @cached_property
    def noise(self) -> Path:
        """Generated noises."""
        return self._sounds("noise", NOISES)

    @cached_property
    def surroundings(self) -> Surroundings:
        """What clips are mixed with."""
        noises = (self.noise, *self.downloaded["noise"])
        rooms = (self.downloaded["rooms"] or [self._sounds("room", ROOMS)])[0]
        return Surroundings(rooms, noises, self.synthesized["speech"])
