"""An n-gram language model as a `.scorer`: KenLM's lmplz, filter and build_binary, and the packer."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trainer.export import scorer
from trainer.programs import ProgramError, run
from trainer.readers import Utterance
from trainer.stt import sources
from trainer.text import SPACE, Alphabet, Rules, TextError, normal

log = logging.getLogger("trainer")
HOUR = 3600.0
BINARY, VOCABULARY, PACKAGE = "lm.binary", "vocabulary.txt", "kenlm.scorer"


@dataclass(frozen=True)
class LanguageModelPlan:
    """What KenLM is told; names and defaults of the original `generate_lm.py`."""

    top_k: int
    order: int
    prune: str
    memory: str
    pointer_bits: int
    quantization_bits: int


def write_text(
    path: Path, texts: Sequence[Path | str], rules: Rules | None, held_out: set[str], trained_on: Sequence[Utterance],
    characters: bool = False,
) -> dict[str, dict[str, int]]:
    """All texts as one, a sentence a line, by the same rules as transcripts; sentences of the dev and test sets are left out of texts (of
    transcripts the splits took care). `characters`: they are the words, for a model of bytes.

    Returns the counts of lines by text: taken, refused by the rules, left out. Raises CorpusError, TextError when nothing is left.
    """
    counts = {}
    with path.open("w", encoding="utf-8") as out:
        for text in texts:
            taken = refused = left_out = 0
            lines = (u.transcript for u in trained_on) if isinstance(text, str) else sources.text_lines(text)
            own = isinstance(text, str)  # transcripts are labels already
            for line in lines:
                if not line.strip():
                    continue
                sentence = rules.labels(line) if rules and not own else normal(line)
                if sentence and characters:
                    sentence = unspaced(sentence)
                if sentence is None:
                    refused += 1
                elif not own and sentence in held_out:
                    left_out += 1
                else:
                    taken += 1
                    out.write(" ".join(sentence if characters else [sentence]) + "\n")
            name = text if isinstance(text, str) else text.name
            counts[name] = {"taken": taken, "refused": refused, "in dev or test": left_out}
            log.info("text %s: %d sentences, %d refused by the rules, %d left out: they are in the dev or test set", name, taken, refused, left_out)
    if not any(found["taken"] for found in counts.values()):
        raise TextError(f"the text of the language model is empty: {', '.join(counts)}")
    return counts


def unspaced(text: str) -> str:
    """As scorers of characters know it."""
    return text.replace(SPACE, "")


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
        log.warning("too few different n-grams for Kneser-Ney (of %d words): fixed discounts are used (--discount_fallback)", len(words))
        run([*command, "--discount_fallback"], HOUR)
    run(["sh", "-c", 'exec filter single model:"$1" "$2" <"$0"', str(listed), str(arpa), str(filtered)], HOUR)
    # -v: without the words' strings, behind which clients would not find the automaton
    run(["build_binary", "-a", str(plan.pointer_bits), "-q", str(plan.quantization_bits), "-v", "trie", str(filtered), str(out / BINARY)], HOUR)
    arpa.unlink()
    filtered.unlink()


def pack(folder: Path, alphabet: Alphabet, alpha: float, beta: float, out: Path) -> Path:
    """kenlm.scorer in `out` from what `build` left in `folder`. Raises TextError."""
    words = (folder / VOCABULARY).read_text(encoding="utf-8").split()
    package = out / PACKAGE
    left_out = scorer.write(folder / BINARY, words, alphabet, alpha, beta, package)
    if left_out:
        log.warning("%d of %d words have characters outside the alphabet and are left out: %s", len(left_out), len(words), _some(left_out))
    return package


def _some(words: Sequence[str]) -> str:
    return ", ".join(words[:5]) + (" ..." if len(words) > 5 else "")
