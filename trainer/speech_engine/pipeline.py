"""The line from source code to a speech engine: each property is a stage."""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from trainer import package, page, rejected
from trainer.corpora.readers import named, reader
from trainer.corpora.utterance import Utterance
from trainer.errors import UserError
from trainer.log import log
from trainer.record import record_of
from trainer.run import Run
from trainer.speech_engine import alike, engine, lexicon, measuring, ngrams, report, spoken
from trainer.speech_engine.acoustics import Acoustics, find
from trainer.speech_engine.settings import SpeechEngineSettings
from trainer.spoken_code import gathering, languages, material
from trainer.steps import fingerprint, write_record
from trainer.store import build
from trainer.text import g2p

STAGES = {  # command -> what it makes
    "corpus": "corpus",
    "lexicon": "lexicon",
    "language-model": "ngrams",
    "graph": "graph",
    "evaluate": "evaluated",
    "export": "engine",
    "package": "delivered",
}
FIGURES, CLIPS = "figures.json", "clips.json"
HINT_COMMANDS = 0.25  # of the commands that are measured on


@dataclass(frozen=True)
class Result:
    """The finished folder, its figures, and whether anything had to be made."""

    folder: Path
    figures: Mapping[str, Any]
    made: bool


@dataclass(frozen=True)
class Pipeline:
    """One engine. Raises UserError and Stopped from any property."""

    run: Run[SpeechEngineSettings]

    # --- what there is

    @cached_property
    def languages(self) -> tuple[languages.Language, ...]:
        """The programming languages."""
        s = self.run.settings
        if s.quick and not s.sources and not self.run.given("languages"):
            return languages.named("python")
        return languages.named(s.languages)

    @cached_property
    def places(self) -> list[Path]:
        """Folders and archives of source code."""
        return gathering.places(self.run)

    @cached_property
    def acoustics(self) -> Acoustics:
        """The acoustic model."""
        return find(self.run.settings.acoustic_model)

    @cached_property
    def recorded(self) -> list[Utterance]:
        """The user's recordings to measure on."""
        found: list[Utterance] = []
        for name in filter(None, (one.strip() for one in self.run.settings.test_files.split(","))):
            kind, place, options = named(name)
            if not place.exists():
                raise UserError(f"TEST_FILES: {name}: no such file")
            found += reader(kind).read(place, **options)
        if gone := [one.path for one in found if not Path(one.path).is_file()]:
            raise UserError(f"TEST_FILES: {gone[0]}: no such file ({len(gone)} are missing)")
        return found

    @cached_property
    def _corrections(self) -> dict[str, tuple[str, ...]]:
        return lexicon.corrections(self.run.settings.data_dir / "lexicon")

    def _check(self) -> None:
        """What could fail after the corpus, before it is made."""
        self.acoustics, self.recorded, self._own_texts, self._corrections  # noqa: B018

    @cached_property
    def _own_texts(self) -> list[Path]:
        given = (one.strip() for one in self.run.settings.lm_text.split(","))
        paths = [Path(one) for one in given if one]
        if missing := [path for path in paths if not path.exists()]:
            raise UserError(f"LM_TEXT: {missing[0]}: no such file")
        return paths

    # --- text

    @cached_property
    def gathered(self) -> Path:
        """Texts of the source files, and what is known of their repositories."""
        self._check()
        places, wanted = self.places, self.languages

        def make(out: Path, s: SpeechEngineSettings) -> None:
            gathering.fill(out, places, wanted, s.licences, self.run.workers)

        return self.run.step("gather", make, {}, gathering.params(places, wanted))

    @cached_property
    def corpus(self) -> Path:
        """train.txt, dev.txt and test.txt: spoken commands."""
        gathered = self.gathered

        def make(out: Path, s: SpeechEngineSettings) -> None:
            plan = material.CorpusPlan(str(gathered), s.corpus_epochs, s.seed)
            material.write_corpus(out, plan, s.corpus_lines, self.run.workers)

        return self.run.step("corpus", make, {"gathered": gathered})

    @cached_property
    def g2p(self) -> Path | None:
        """The grapheme-to-phoneme model of the acoustic model's dictionary; None for letters."""
        acoustics = self.acoustics
        if acoustics.spells:
            return None

        def make(out: Path, s: SpeechEngineSettings) -> None:
            chosen = lexicon.frequent(acoustics.dictionary, s.g2p_words)
            log.info("g2p: learning from %d words", len(chosen))
            g2p.train(chosen, out / "model.fst")

        return self.run.step("g2p", make, {}, {"dictionary": acoustics.key}, shared=True)

    @cached_property
    def lexicon(self) -> Path:
        """lexicon.txt, lexicon.csv, review.csv."""
        acoustics, corpus, model = self.acoustics, self.corpus, self.g2p
        texts, own = self._own_texts, self._corrections

        def make(out: Path, s: SpeechEngineSettings) -> None:
            counts = ngrams.count_words(corpus / "train.txt")
            own_words = Counter(w for line in ngrams.own_lines(texts) for w in line.split())
            words = lexicon.vocabulary(counts, s.lm_words, s.lm_least_count, own_words)
            if model is None:
                found = lexicon.spelled_entries(words, counts, acoustics.units)
            else:
                ours = lexicon.programming_words()
                pronouncer = lexicon.Pronouncer(acoustics.dictionary, acoustics.units, own, ours)
                fst = model / "model.fst"
                found = lexicon.entries(words, counts, pronouncer, lambda w: g2p.predict(fst, w))
            lexicon.write(found, out, s.review_confidence)

        inputs = {"corpus": corpus} | ({"g2p": model} if model else {})
        params = {"acoustics": acoustics.key, "corrections": own if model else {}}
        params |= {"own": fingerprint(texts)} if texts else {}
        return self.run.step("lexicon", make, inputs, params)

    @cached_property
    def ngrams(self) -> Path:
        """The two language models, and their perplexity on held-out commands."""
        corpus, words, own = self.corpus, self.lexicon, self._own_texts

        def make(out: Path, s: SpeechEngineSettings) -> None:
            known = set(lexicon.read(words / "lexicon.txt"))
            plan = ngrams.NgramsPlan(
                own,
                (s.lm_order, s.rescore_order),
                (s.lm_prune, s.rescore_prune),
                s.empty_share,
                s.lm_memory,
            )
            ngrams.write(corpus, known, plan, out)
            found = {
                name: ngrams.perplexity(out / name, corpus / "test.txt", known)
                for name in (ngrams.SEARCH, ngrams.RESCORE)
            }
            write_record(out / FIGURES, found)

        params = {"own": fingerprint(own)} if own else {}
        inputs = {"corpus": corpus, "lexicon": words}
        return self.run.step("ngrams", make, inputs, params)

    # --- the engine

    @cached_property
    def graph(self) -> Path | None:
        """The decoding graph; None for PocketSphinx, which builds its own as it loads."""
        acoustics, words, models = self.acoustics, self.lexicon, self.ngrams
        if acoustics.kind == "pocketsphinx":
            log.info("graph: PocketSphinx builds its graph in memory when it loads")
            return None

        def make(out: Path, _: SpeechEngineSettings) -> None:
            from trainer.speech_engine import graph
            from trainer.speech_engine.acoustics import kaldi

            known, arpa = lexicon.read(words / "lexicon.txt"), models / ngrams.SEARCH
            if acoustics.kind == "kaldi":
                kaldi.write_graph(known, arpa, acoustics, out)
            else:
                graph.write(sorted(known), arpa, acoustics.units, out)

        inputs = {"lexicon": words, "ngrams": models}
        return self.run.step("graph", make, inputs, {"acoustics": acoustics.key})

    @cached_property
    def engine(self) -> Path:
        """The folder that runtimes load."""
        acoustics = self.acoustics
        parts = engine.Parts(self.lexicon, self.ngrams, self.g2p, self.graph)
        names = [one.name for one in self.languages]

        def make(out: Path, s: SpeechEngineSettings) -> None:
            engine.write(parts, acoustics, names, s.hint_cost, out)

        inputs = {name: folder for name, folder in asdict(parts).items() if folder}
        params = {"languages": names, "acoustics": acoustics.key}
        return self.run.step("engine", make, inputs, params)

    @cached_property
    def spoken(self) -> Path:
        """Held-out commands, synthesized: commands.json and a store of clips."""
        corpus, words = self.corpus, self.lexicon

        def make(out: Path, s: SpeechEngineSettings) -> None:
            known = set(lexicon.read(words / "lexicon.txt"))
            drawn = spoken.drawn(corpus / "test.txt", s.evaluation_commands, s.seed)
            unknown = spoken.with_unknown(
                corpus / "test.txt", known, round(s.evaluation_commands * HINT_COMMANDS), s.seed
            )
            plan = spoken.SpeakPlan((*drawn, *(command for command, _ in unknown)), s.seed)
            build(out, spoken.speak_chunk, plan, spoken.chunks(plan), "speaking", self.run.workers)
            commands = [asdict(one) for one in plan.commands]
            found = {"commands": commands, "unknown": [word for _, word in unknown]}
            write_record(out / spoken.COMMANDS, found)

        params = {"voices": spoken.voices()}
        return self.run.step("spoken", make, {"corpus": corpus, "lexicon": words}, params)

    @cached_property
    def evaluated(self) -> Path:
        """figures.json and clips.json."""
        acoustics, folder, made = self.acoustics, self.engine, self.spoken
        recorded = self.recorded

        def make(out: Path, s: SpeechEngineSettings) -> None:
            kind, hinted = acoustics.kind, acoustics.takes_hints
            plan = measuring.Plan(folder, kind, hinted, s.hint_cost, made, recorded)
            found, clips = measuring.measure(plan, self.run.workers)
            if not acoustics.spells:
                found["alike"] = alike.pairs(lexicon.read(folder / engine.LEXICON))
            write_record(out / FIGURES, found)
            write_record(out / CLIPS, {"clips": clips})

        paths = [Path(u.path) for u in recorded]
        params = {"recorded": fingerprint(paths) if paths else "", "n": len(paths)}
        params |= {"transcripts": [u.transcript for u in recorded]}
        return self.run.step("evaluate", make, {"engine": folder, "spoken": made}, params)

    @cached_property
    def figures(self) -> dict[str, Any]:
        """What was measured, and the perplexity."""
        found = json.loads((self.evaluated / FIGURES).read_text(encoding="utf-8"))
        models = json.loads((self.ngrams / FIGURES).read_text(encoding="utf-8"))
        return {**found, "language_models": models}

    # --- what the user gets

    @cached_property
    def carded(self) -> Path:
        """Model card, report.html, rejected.csv, and the tarball if asked for."""
        model = report.Model(
            self.run.settings, self.figures, self.engine, self.gathered, self.corpus,
            self.lexicon, self.acoustics,
        )  # fmt: skip

        def make(out: Path, s: SpeechEngineSettings) -> None:
            report.write_card(model, out)
            page.write(report.page(model), out / "report.html")
            if s.export_zip:
                engine.pack(model.engine, out / engine.ARCHIVE)

        inputs = {"engine": self.engine, "evaluated": self.evaluated, "gathered": self.gathered}
        return self.run.step("card", make, inputs, {"zip": self.run.settings.export_zip})

    @cached_property
    def delivered(self) -> Result:
        """The user's folder."""
        s, carded, figures = self.run.settings, self.carded, self.figures

        def files() -> dict[str, Path]:
            record = record_of(self.run, figures=figures)
            write_record(carded / "experiment.json", record)
            own = ("step.json", "used", package.DELIVERED)
            places = (self.engine, carded)
            found = {p.name: p for place in places for p in place.iterdir() if p.name not in own}
            found |= {name: self.lexicon / name for name in ("lexicon.csv", "review.csv")}
            found |= {name: self.evaluated / name for name in (FIGURES, CLIPS)}
            found[rejected.FILE] = self.gathered / rejected.FILE
            return found | {"training.log": self.run.log_file}

        kinds = "-".join(one.name for one in self.languages)
        kinds = kinds if len(self.languages) < len(languages.table()) else "all"
        name = f"speech-engine-{kinds}"
        folder, made = package.deliver(carded, s.data_dir / "output", name, files)
        return Result(folder, figures, made)
