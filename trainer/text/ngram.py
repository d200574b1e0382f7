"""N-gram language models by KenLM's programs: vocabulary, lmplz, filter, build_binary."""

import bz2
import gzip
import io
import lzma
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from trainer.errors import UserError
from trainer.log import log, progress
from trainer.programs import ProgramError, run

BINARY, VOCABULARY = "lm.binary", "vocabulary.txt"
STAGES = "=== (.*) ==="  # as lmplz prints them


@dataclass(frozen=True)
class NgramPlan:
    """Parameters of KenLM; names and defaults of DeepSpeech's `generate_lm.py`."""

    top_k: int
    order: int
    prune: str
    memory: str
    pointer_bits: int
    quantization_bits: int


def build(text: Path, plan: NgramPlan, out: Path) -> None:
    """lm.binary and vocabulary.txt in `out` from `text`, one normalised sentence a line.

    Raises ProgramError, UserError.
    """
    words = vocabulary(text_lines(text), plan.top_k)
    if not words:
        raise UserError(f"{text}: the text of the language model is empty")
    listed, arpa, filtered = out / VOCABULARY, out / "lm.arpa", out / "lm_filtered.arpa"
    listed.write_text(" ".join(words) + "\n", encoding="utf-8")
    estimate(text, plan.order, plan.prune, plan.memory, arpa)
    run(["filter", "single", f"model:{arpa}", str(filtered)], stdin=listed)
    # -v: without the words' strings, behind which clients would not find the automaton
    bits = ["-a", str(plan.pointer_bits), "-q", str(plan.quantization_bits)]
    run(["build_binary", *bits, "-v", "trie", str(filtered), str(out / BINARY)])
    arpa.unlink()
    filtered.unlink()


def estimate(text: Path, order: int, prune: str, memory: str, arpa: Path) -> None:
    """An ARPA file from `text`, one sentence a line; `prune`: counts by order, as lmplz has them.

    A small text has too few n-grams for Kneser-Ney's discounts: lmplz then runs again with
    --discount_fallback. Raises ProgramError.
    """
    command = ["lmplz", "--order", str(order), "--temp_prefix", f"{arpa.parent}/"]
    command += ["--memory", memory, "--text", str(text), "--arpa", str(arpa)]
    if prune.split():
        command += ["--prune", *prune.split()[:order]]
    try:
        run(command, stages=STAGES)
    except ProgramError as error:
        if "discount" not in str(error).lower():
            raise
        log.warning(
            "too few different n-grams for Kneser-Ney: fixed discounts are used "
            "(--discount_fallback)"
        )
        run([*command, "--discount_fallback"], stages=STAGES)


def vocabulary(text: Iterable[str], top_k: int) -> list[str]:
    """The `top_k` most frequent words, most frequent first (ties in alphabetical order)."""
    counts = Counter(word for line in text for word in line.split())
    return [
        word for word, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:top_k]
    ]


def text_lines(path: Path) -> Iterator[str]:
    """Lines of a text, of a compressed one, or of all texts in a folder, with progress.

    Raises UserError.
    """
    if path.is_dir():
        for inner in sorted(p for p in path.rglob("*") if p.is_file() and ".txt" in p.name):
            yield from text_lines(inner)
        return
    opener = {".xz": lzma.open, ".gz": gzip.open, ".bz2": bz2.open}.get(
        path.suffix, lambda raw: raw
    )
    size = max(1, path.stat().st_size)
    try:
        with path.open("rb") as raw, progress(f"reading {path.name}", size, unit="B") as bar:
            seen = 0
            stream = opener(raw)  # type: ignore[operator]  # kinds of open
            for number, line in enumerate(io.TextIOWrapper(stream, encoding="utf-8-sig")):
                yield line
                if number % 1000 == 0:
                    bar.update(raw.tell() - seen)
                    seen = raw.tell()
    except (OSError, EOFError, lzma.LZMAError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read as text ({error})") from error
