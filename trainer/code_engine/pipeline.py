"""The line from source code to a code engine: each property is a stage."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from trainer import package, page, rejected
from trainer.code_engine import prepared, report
from trainer.code_engine.settings import CodeEngineSettings
from trainer.errors import UserError
from trainer.record import record_of
from trainer.run import Run
from trainer.spoken_code import gathering, languages, parallel
from trainer.spoken_code.pairs import PARSER
from trainer.steps import write_record
from trainer.workers import in_backend

STAGES = {  # command -> what it makes
    "generate": "prepared",
    "train": "trained",
    "export": "engine",
    "evaluate": "evaluated",
    "package": "delivered",
}
FIGURES = "figures.json"


@dataclass(frozen=True)
class Result:
    """The finished folder, its figures, and whether anything had to be made."""

    folder: Path
    figures: Mapping[str, Any]
    made: bool


@dataclass(frozen=True)
class Pipeline:
    """One model. Raises UserError and Stopped from any property."""

    run: Run[CodeEngineSettings]

    @cached_property
    def languages(self) -> tuple[languages.Language, ...]:
        """The programming languages; one, but for the transcript parser."""
        s = self.run.settings
        found = languages.named(s.language)
        if len(found) > 1 and s.model != PARSER:
            raise UserError(
                f"LANGUAGE={s.language}: {s.model} is of one language; run it for each, or train "
                f"--model {PARSER} on several"
            )
        return found

    @cached_property
    def gathered(self) -> Path:
        """Texts of the source files, and what is known of their repositories."""
        wanted, places = self.languages, gathering.places(self.run)

        def make(out: Path, s: CodeEngineSettings) -> None:
            gathering.fill(out, places, wanted, s.licences, self.run.workers)

        return self.run.step("gather", make, {}, gathering.params(places, wanted))

    @cached_property
    def corpus(self) -> Path:
        """Parallel files: train.input, train.output, and the same of dev and test."""
        gathered = self.gathered

        def make(out: Path, s: CodeEngineSettings) -> None:
            plan = parallel.PairsPlan(str(gathered), s.model, s.corpus_epochs, s.seed)
            parallel.write_pairs(out, plan, s.corpus_pairs, self.run.workers)

        return self.run.step("corpus", make, {"gathered": gathered})

    @cached_property
    def prepared(self) -> Path:
        """The vocabulary, and the pairs as numbers."""
        corpus = self.corpus

        def make(out: Path, s: CodeEngineSettings) -> None:
            prepared.prepare(corpus, s.model, s.lexicon or s.base.lexicon, s.seed, out)

        return self.run.step("prepare", make, {"corpus": corpus})

    # --- the engine

    @cached_property
    def proved(self) -> Path:
        """An untrained model of the same kind through the whole export, before training."""
        ready, names = self.prepared, self._names

        def make(out: Path, s: CodeEngineSettings) -> None:
            from trainer.code_engine import exporting

            exporting.write(s, names, ready, None, out)

        return self.run.step("prove", make, {"prepared": ready}, {"languages": names})

    @cached_property
    def trained(self) -> Path:
        """weights.npz."""
        ready = self.prepared
        self.proved  # noqa: B018

        def make(out: Path, s: CodeEngineSettings) -> None:
            from trainer.code_engine import learning

            spec = learning.spec_of(s, len(prepared.coder_in(ready, s.model).names))
            in_backend(s.keras_backend, learning.train, s, spec, ready, out)

        params = {"profile": self.run.settings.resolved()}
        return self.run.step("train", make, {"prepared": ready}, params)

    @cached_property
    def engine(self) -> Path:
        """The folder that runtimes load."""
        ready, names, trained = self.prepared, self._names, self.trained

        def make(out: Path, s: CodeEngineSettings) -> None:
            from trainer.code_engine import exporting

            exporting.write(s, names, ready, trained, out)

        inputs = {"prepared": ready, "trained": trained}
        return self.run.step("export", make, inputs, {"languages": names})

    @property
    def _names(self) -> list[str]:
        return [one.name for one in self.languages]

    @cached_property
    def evaluated(self) -> Path:
        """figures.json: of held-out pairs."""
        folder, corpus, gathered = self.engine, self.corpus, self.gathered

        def make(out: Path, s: CodeEngineSettings) -> None:
            from trainer.code_engine import evaluation
            from trainer.code_engine.engine import Engine

            found = evaluation.queries(corpus, gathered, s.evaluation_pairs, s.seed)
            write_record(out / FIGURES, evaluation.evaluate(Engine(folder), found, corpus, s.beam))

        inputs = {"engine": folder, "corpus": corpus, "gathered": gathered}
        return self.run.step("evaluate", make, inputs, version=3)

    @cached_property
    def figures(self) -> dict[str, Any]:
        """What was measured."""
        return dict(json.loads((self.evaluated / FIGURES).read_text(encoding="utf-8")))

    # --- what the user gets

    @cached_property
    def carded(self) -> Path:
        """Model card, report.html and the tarball."""
        model = report.Model(
            self.run.settings, self.figures, self.engine, self.gathered, self.corpus
        )

        def make(out: Path, s: CodeEngineSettings) -> None:
            report.write_card(model, out)
            page.write(report.page(model), out / "report.html")

        inputs = {"engine": self.engine, "evaluated": self.evaluated, "gathered": self.gathered}
        return self.run.step("card", make, inputs)

    @cached_property
    def delivered(self) -> Result:
        """The user's folder."""
        s, carded, figures = self.run.settings, self.carded, self.figures

        def files() -> dict[str, Path]:
            write_record(carded / "experiment.json", record_of(self.run, figures=figures["groups"]))
            own = ("step.json", "used", package.DELIVERED)
            places = (self.engine, carded)
            found = {p.name: p for place in places for p in place.iterdir() if p.name not in own}
            found |= {
                FIGURES: self.evaluated / FIGURES,
                "metrics.jsonl": self.trained / "metrics.jsonl",
            }
            found[rejected.FILE] = self.gathered / rejected.FILE
            return found | {"training.log": self.run.log_file}

        kinds = "-".join(one.name for one in self.languages)
        kinds = kinds if len(self.languages) < len(languages.table()) else "all"
        name = f"code-engine-{kinds}-{s.model}"
        folder, made = package.deliver(carded, s.data_dir / "output", name, files)
        return Result(folder, figures, made)
