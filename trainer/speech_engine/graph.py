"""The decoding graph of CTC letters: T o min(det(L o G)), as Kaldi's FSTs.

L is a trie of letters in which each word ends with the space: no word is then the beginning of
another, so that #0 of back-off is the only disambiguation symbol. Labels of the input are the
network's outputs + 1, the blank's first (Miao et al. 2015).
"""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trainer.errors import UserError
from trainer.log import log
from trainer.speech_engine.ngrams import HINT

GRAPH, WORDS = "TLG.fst", "words.txt"
SPACE = " "
BLANK = 1  # label of the input


def write(words: Sequence[str], arpa: Path, units: Sequence[str], out: Path) -> None:
    """TLG.fst and words.txt in `out`. `units`: letters and the space, in the order of the
    network's outputs after the blank. Raises UserError."""
    import kaldifst

    g = grammar(words, arpa, out)
    log.info("graph: G has %d states", g.num_states)
    lexicon = kaldifst.compile(_trie(words, units, numbers(words)))
    kaldifst.arcsort(lexicon, "olabel")
    lg = kaldifst.compose(lexicon, g)
    del lexicon, g
    kaldifst.determinize_star(lg)
    log.info("graph: LG has %d states, determinized", lg.num_states)
    kaldifst.minimize_encoded(lg)
    kaldifst.arcsort(lg, "ilabel")
    tokens = kaldifst.compile(_tokens(len(units)))
    kaldifst.arcsort(tokens, "olabel")
    tlg = kaldifst.compose(tokens, lg)
    tlg.write(str(out / GRAPH))
    size = (out / GRAPH).stat().st_size >> 20
    log.info("graph: TLG has %d states, %d MB", tlg.num_states, size)


def grammar(words: Sequence[str], arpa: Path, out: Path) -> Any:
    """G of a language model, sorted by input; words.txt in `out`. Raises UserError."""
    try:
        import kaldifst
        import kaldilm
    except ModuleNotFoundError as error:
        raise UserError(f"{error.name} is not installed here: the train image has it") from error
    listed = "".join(f"{word} {i}\n" for word, i in numbers(words).items())
    (out / WORDS).write_text(listed, encoding="utf-8")
    plain, made = out / "plain.arpa", out / "G.fst"
    _without_hints(arpa, plain)
    kaldilm.arpa2fst(
        str(plain),
        output_fst=str(made),
        disambig_symbol="#0",
        read_symbol_table=str(out / WORDS),
        max_arpa_warnings=0,
    )
    found = kaldifst.StdVectorFst.read(str(made))
    kaldifst.arcsort(found, "ilabel")
    for path in (plain, made):
        path.unlink()
    return found


def numbers(words: Sequence[str]) -> dict[str, int]:
    """words.txt: word -> label."""
    names = ["<eps>", *words, "#0", "<s>", "</s>"]
    return {name: i for i, name in enumerate(names)}


def _without_hints(arpa: Path, out: Path) -> None:
    """A static graph cannot take words in; n-grams with their class are left out of it."""
    counts: dict[int, int] = {}
    order, body = 0, out.with_suffix(".body")
    with arpa.open(encoding="utf-8") as given, body.open("w", encoding="utf-8") as kept:
        for line in given:
            if line.startswith("\\") and line.endswith("-grams:\n"):
                order = int(line[1 : line.index("-")])
                counts[order] = 0
            if not order:
                continue
            if "\t" in line:
                if HINT in line.split("\t")[1].split():
                    continue
                counts[order] += 1
            kept.write(line)
    with out.open("w", encoding="utf-8") as whole, body.open(encoding="utf-8") as kept:
        whole.write("\\data\\\n" + "".join(f"ngram {n}={k}\n" for n, k in counts.items()) + "\n")
        shutil.copyfileobj(kept, whole)
    body.unlink()


def _trie(words: Sequence[str], units: Sequence[str], known: dict[str, int]) -> str:
    """L: letters in, a word out with its first letter."""
    label = {unit: i + 2 for i, unit in enumerate(units)}
    arcs, states = [], 1
    for word in words:
        state = 0
        for i, letter in enumerate(word):
            arcs.append(f"{state} {states} {label[letter]} {known[word] if i == 0 else 0}")
            state, states = states, states + 1
        arcs.append(f"{state} 0 {label[SPACE]} 0")
    return "\n".join([*arcs, f"0 0 {len(units) + 2} {known['#0']}", "0"])


def _tokens(units: int) -> str:
    """T: the network's outputs in, repeated ones and blanks dropped."""
    labels = range(2, units + 2)
    arcs = [f"0 0 {BLANK} 0"]
    for u in labels:
        arcs += [f"0 {u - 1} {u} {u}", f"{u - 1} {u - 1} {u} 0", f"{u - 1} 0 {BLANK} 0"]
        arcs += [f"{u - 1} {v - 1} {v} {v}" for v in labels if v != u]
    states = range(units + 1)
    arcs += [f"{s} {s} 0 {units + 2}" for s in states]
    return "\n".join([*arcs, *map(str, states)])
