"""An n-gram language model as a `.scorer`: KenLM's lmplz, filter and build_binary, and the packer."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.export import scorer
from trainer.programs import ProgramError, run
from trainer.text import Alphabet

log = logging.getLogger("trainer")
HOUR = 3600.0
BINARY, VOCABULARY = "lm.binary", "vocabulary.txt"


@dataclass(frozen=True)
class LanguageModelPlan:
    """What KenLM is told; names and defaults of the original `generate_lm.py`."""

    top_k: int = 500_000
    order: int = 5
    prune: str = "0 0 1"
    memory: str = "1G"
    pointer_bits: int = 255
    quantization_bits: int = 8


def build(text: Path, plan: LanguageModelPlan, out: Path) -> None:
    """lm.binary and vocabulary.txt in `out` from `text`, one normalised sentence a line. Raises ProgramError.

    A small text has too few n-grams for Kneser-Ney's discounts: lmplz is then run again with --discount_fallback.
    """
    with text.open(encoding="utf-8") as lines:
        words = scorer.vocabulary(lines, plan.top_k)
    if not words:
        raise ProgramError(f"{text}: the text of the language model is empty")
    listed, arpa, filtered = out / VOCABULARY, out / "lm.arpa", out / "lm_filtered.arpa"
    listed.write_text(" ".join(words) + "\n", encoding="utf-8")
    command = ["lmplz", "--order", str(plan.order), "--temp_prefix", f"{out}/", "--memory", plan.memory, "--text", str(text), "--arpa", str(arpa)]
    if plan.prune.split():
        command += ["--prune", *plan.prune.split()[: plan.order]]
    try:
        run(command, HOUR)
    except ProgramError as error:
        if "discount" not in str(error).lower():
            raise
        log.warning("the text is small (%d different words): fixed discounts are used (--discount_fallback)", len(words))
        run([*command, "--discount_fallback"], HOUR)
    run(["sh", "-c", 'exec filter single model:"$1" "$2" <"$0"', str(listed), str(arpa), str(filtered)], HOUR)
    # -v: without the words' strings, behind which clients would not find the automaton
    run(["build_binary", "-a", str(plan.pointer_bits), "-q", str(plan.quantization_bits), "-v", "trie", str(filtered), str(out / BINARY)], HOUR)
    arpa.unlink()
    filtered.unlink()


def pack(folder: Path, alphabet: Alphabet, alpha: float, beta: float, out: Path) -> Path:
    """kenlm.scorer in `out` from what `build` left in `folder`. Raises TextError."""
    words = (folder / VOCABULARY).read_text(encoding="utf-8").split()
    package = out / "kenlm.scorer"
    left_out = scorer.write(folder / BINARY, words, alphabet, alpha, beta, package)
    if left_out:
        log.warning("%d of %d words have characters outside the alphabet and are left out: %s", len(left_out), len(words), _some(left_out))
    return package


def _some(words: Sequence[str]) -> str:
    return ", ".join(words[:5]) + (" ..." if len(words) > 5 else "")
