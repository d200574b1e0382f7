"""The stages of the scorer: text, n-grams, weights; or a finished scorer with other weights."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from trainer.errors import UserError
from trainer.log import log
from trainer.run import Run
from trainer.steps import write_record
from trainer.stt import language_model, preparation, tuning
from trainer.stt.language_model import PACKAGE, TextPlan
from trainer.stt.material import Material
from trainer.stt.settings import SpeechSettings
from trainer.stt.sources import checksum, checksums
from trainer.text import ngram, scorer
from trainer.text.alphabet import SPACE, read_alphabet
from trainer.text.decoder import Scorer, Search


@dataclass(frozen=True)
class Scorers:
    """The stages from texts to scorers with any weights."""

    run: Run[SpeechSettings]
    material: Material

    def check_finished(self) -> None:
        """Raises UserError for a SCORER_PATH that does not fit the alphabet."""
        s = self.run.settings
        if s.scorer_alphabet and not s.scorer_path:
            raise UserError("SCORER_ALPHABET has no effect without SCORER_PATH")
        if s.scorer_path:
            Scorer(self.finished or s.scorer_path, self.material.alphabet)

    @cached_property
    def finished(self) -> Path | None:
        """SCORER_PATH, spelled anew if it was made for another alphabet."""
        s = self.run.settings
        if not (s.scorer_path and s.scorer_alphabet):
            return s.scorer_path
        given, old, new = s.scorer_path, read_alphabet(s.scorer_alphabet), self.material.alphabet

        def make(out: Path, _: SpeechSettings) -> None:
            left_out = scorer.respelled(given, old, new, out / PACKAGE)
            if left_out:
                log.warning(
                    f"{given}: {len(left_out)} words have characters outside the new alphabet and "
                    f"are left out, such as {', '.join(left_out[:5])}"
                )

        key = checksum(given, checksums(self.run.steps))
        params = {"given": key, "old": old.labels, "labels": new.labels}
        return self.run.step("scorer", make, {}, params, part="respelled") / PACKAGE

    @cached_property
    def why_none(self) -> str:
        """Why no scorer is made from texts; empty if one is."""
        s = self.run.settings
        if s.scorer_path:
            return "SCORER_PATH is given"
        if not self.material.texts:
            return "LM_TEXT is empty: give a text, or `transcripts`"
        if not s.bytes_output_mode:
            return ""
        split = self.material.split
        transcripts = [u.transcript for use in ("train", "dev", "test") for u in split.of(use)]
        spaced = sum(SPACE in transcript for transcript in transcripts)
        text = (
            "with BYTES_OUTPUT_MODE the scorer consists of characters, without the space, and "
            f"{spaced} of {len(transcripts)} transcripts have spaces"
        )
        if spaced * 2 > len(transcripts):
            return (
                f'{text} (put " " = "▁" under [replace] in the file VALIDATE_RULES: clients then '
                "write ▁ for spaces)"
            )
        if spaced:
            log.warning("scorer: %s; clients will leave them out", text)
        return ""

    @cached_property
    def text(self) -> Path:
        """text.txt for the language model, and text.json with the counts of its sources."""
        s, material = self.run.settings, self.material
        trained_on = material.split.of("train")
        others = [u.transcript for use in ("dev", "test") for u in material.split.of(use)]
        if s.bytes_output_mode:
            texts = map(language_model.unspaced, others)
            held_out = frozenset(text for text in texts if len(text) > 6)
        else:
            held_out = frozenset(t for t in others if not language_model.is_common(t))
        plan = TextPlan(
            material.texts,
            material.rules,
            held_out,
            s.bytes_output_mode,
            material.classes,
            s.random_seed,
        )

        def make(out: Path, _: SpeechSettings) -> None:
            counts = language_model.write_text(plan, trained_on, out / language_model.TEXT)
            write_record(out / language_model.COUNTS, counts)

        params = {
            "texts": [[text.keys, text.times] for text in material.texts],
            "rules": material.rules,
            "held_out": hashlib.sha256("\n".join(sorted(held_out)).encode()).hexdigest()[:16],
            "classes": material.classes,
            "variants": language_model.VARIANTS,
        }
        return self.run.step("lm_text", make, {}, params)

    @cached_property
    def ngrams(self) -> Path:
        """lm.binary and vocabulary.txt."""
        text = self.text

        def make(out: Path, s: SpeechSettings) -> None:
            bits = s.lm_pointer_bits, s.lm_quantization_bits
            plan = ngram.NgramPlan(s.lm_top_k, s.lm_order, s.lm_prune, s.lm_memory, *bits)
            ngram.build(text / language_model.TEXT, plan, out)

        return self.run.step("language_model", make, {"text": text}, version=4)

    @cached_property
    def _given(self) -> list[str]:
        return [name for name in ("lm_alpha", "lm_beta") if self.run.given(name)]

    @cached_property
    def _first_weights(self) -> tuple[float, float]:
        """(alpha, beta): given ones; else those in the finished scorer, or the defaults."""
        s = self.run.settings
        if not s.scorer_path:
            return s.lm_alpha, s.lm_beta
        alpha, beta, _ = scorer.read(self.finished or s.scorer_path, self.material.alphabet)
        if "lm_alpha" in self._given:
            alpha = s.lm_alpha
        return alpha, s.lm_beta if "lm_beta" in self._given else beta

    @cached_property
    def untuned(self) -> Path:
        """kenlm.scorer with the weights to begin with."""
        return self._with_weights(*self._first_weights)

    def _with_weights(self, alpha: float, beta: float) -> Path:
        finished, alphabet = self.finished, self.material.alphabet
        params = {"alpha": alpha, "beta": beta}
        if finished:
            key = checksum(finished, checksums(self.run.steps))

            def weigh(out: Path, _: SpeechSettings) -> None:
                package = scorer.weighed(finished.read_bytes(), alpha, beta)
                (out / PACKAGE).write_bytes(package)

            return self.run.step("scorer", weigh, {}, {**params, "given": key})
        built = self.ngrams

        def pack(out: Path, _: SpeechSettings) -> None:
            language_model.pack(built, alphabet, alpha, beta, out)

        labels = {"labels": alphabet.labels}
        return self.run.step("scorer", pack, {"language_model": built}, {**params, **labels})

    def best(self, dev_scores: Callable[[], list[tuple[Path, Path]]], asked: bool) -> Path | None:
        """kenlm.scorer with given weights, or with those that are best on dev clips.

        A finished scorer keeps its own weights, unless others are given or searched for: `asked`,
        or by LM_EVALUATE_RANGE. None if there is neither a finished scorer nor text.
        """
        s = self.run.settings
        if self.why_none and not s.scorer_path:
            return None
        start = self.untuned
        if self._given:
            log.info("%s given: not tuned", " and ".join(self._given).upper())
        keeps_own = s.scorer_path and not asked and not self.run.given("lm_evaluate_range")
        if self._given or not s.lm_evaluate_range or keeps_own:
            return start
        sets = dev_scores()
        alpha_max, beta_max, trials = s.lm_evaluate_range.split(",")
        ranges = float(alpha_max), float(beta_max), int(trials)
        alphabet, weights = self.material.alphabet, self._first_weights

        def make(out: Path, s: SpeechSettings) -> None:
            beam = min(s.export_beam_width, tuning.BEAM_WIDTH)
            search = Search(beam, s.cutoff_top_n, s.cutoff_prob)
            by = "cer" if s.bytes_output_mode else "wer"
            plan = tuning.Plan(*ranges, *weights, search, s.random_seed, by)
            clips = [(folder, preparation.transcripts(stored)) for folder, stored in sets]
            tuning.run(plan, clips, start / PACKAGE, alphabet, self.run.workers, out)

        inputs = {"scorer": start, **{folder.parent.name: folder for folder, _ in sets}}
        params = {"ranges": ranges, "weights": weights}
        found = self.run.step("tune", make, inputs, params, version=3)
        best = json.loads((found / "best.json").read_text())
        return self._with_weights(best["alpha"], best["beta"])

    def weights_of(self, folder: Path) -> tuple[float, float]:
        """(alpha, beta) in a scorer."""
        alpha, beta, _ = scorer.read(folder / PACKAGE, self.material.alphabet)
        return alpha, beta
