"""HCLG for Kaldi's decoders: words of a language model down to transition ids.

L has optional silence and disambiguation symbols, C the tree's context, H the phones' models with
self-loops after the forward transition (Kaldi's --reorder=true; Mohri, Pereira and Riley 2002).
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainer.errors import UserError
from trainer.log import log
from trainer.speech_engine import graph
from trainer.speech_engine.kaldi.files import NO_PDF, Transitions, Tree
from trainer.speech_engine.kaldi.phones import Phones

GRAPH = "HCLG.fst"
HALF = -math.log(0.5)  # silence after a word or not
START, LOOP, PAUSE, PAUSED = 0, 1, 2, 3  # states of L


def write(
    lexicon: Mapping[str, Sequence[str]],
    arpa: Path,
    phones: Phones,
    tree: Tree,
    transitions: Transitions,
    out: Path,
) -> None:
    """HCLG.fst and words.txt in `out`. Raises UserError."""
    import kaldifst

    words = graph.numbers(sorted(lexicon))
    grammar = graph.grammar(sorted(lexicon), arpa, out)
    back_off = max(phones.numbers.values()) + 1
    text, symbols = _lexicon(lexicon, phones, words, back_off)
    lex = kaldifst.compile(text)
    kaldifst.arcsort(lex, "olabel")
    lg = kaldifst.compose(lex, grammar)
    kaldifst.determinize_star(lg)
    kaldifst.minimize_encoded(lg)
    kaldifst.arcsort(lg, "ilabel")
    log.info("graph: LG has %d states", lg.num_states)
    clg, windows = kaldifst.compose_context(symbols, tree.width, tree.central, lg)
    kaldifst.arcsort(clg, "ilabel")
    log.info("graph: CLG has %d states, %d phones in context", clg.num_states, len(windows))
    models = kaldifst.compile(_models(windows, tree, transitions))
    kaldifst.arcsort(models, "olabel")
    found: Any = kaldifst.compose(models, clg)
    found.write(str(out / GRAPH))
    log.info("graph: HCLG has %d states", found.num_states)


def _lexicon(
    lexicon: Mapping[str, Sequence[str]], phones: Phones, words: Mapping[str, int], back_off: int
) -> tuple[str, list[int]]:
    """(L as text, its disambiguation symbols): `back_off` is #0, then that of pauses; #1 ..."""
    rows = [(word, phones.of(one)) for word in sorted(lexicon) for one in lexicon[word]]
    counts = Counter(tuple(one) for _, one in rows)
    beginnings = {tuple(one[:i]) for _, one in rows for i in range(1, len(one))}
    seen: Counter[tuple[int, ...]] = Counter()
    arcs = [
        f"{START} {LOOP} 0 0 {HALF:.6f}",
        f"{START} {PAUSED} {phones.silence} 0 {HALF:.6f}",
        f"{PAUSE} {PAUSED} {phones.silence} 0",
        f"{PAUSED} {LOOP} {back_off + 1} 0",
        f"{LOOP} {LOOP} {back_off} {words['#0']}",
    ]
    states, most = PAUSED + 1, 0
    for word, one in rows:
        key = tuple(one)
        labels = list(one)
        if counts[key] > 1 or key in beginnings:
            seen[key] += 1
            labels.append(back_off + 1 + seen[key])
            most = max(most, seen[key])
        state = LOOP
        for i, label in enumerate(labels):
            said = words[word] if i == 0 else 0
            if i < len(labels) - 1:
                arcs.append(f"{state} {states} {label} {said}")
                state, states = states, states + 1
                continue
            arcs.append(f"{state} {LOOP} {label} {said} {HALF:.6f}")
            arcs.append(f"{state} {PAUSE} {label} {said} {HALF:.6f}")
    symbols = list(range(back_off, back_off + 2 + most))
    return "\n".join([*arcs, f"{LOOP}"]), symbols


def _models(windows: Sequence[Sequence[int]], tree: Tree, transitions: Transitions) -> str:
    """H as text: transition ids in, phones in context (numbers of `windows`) out."""
    arcs: list[str] = []
    states = 1
    for label, window in enumerate(windows):
        if not window:
            continue
        if window[0] <= 0 and len(window) == 1:  # a disambiguation symbol
            arcs.append(f"0 0 0 {label}")
            continue
        states = _phone(arcs, states, label, list(window), tree, transitions)
    return "\n".join([*arcs, "0"])


def _phone(
    arcs: list[str],
    states: int,
    label: int,
    window: list[int],
    tree: Tree,
    transitions: Transitions,
) -> int:
    """Append the model of one phone in context; returns the next free state."""
    phone = window[tree.central]
    model = transitions.states.get(phone)
    if model is None:
        raise UserError(f"ACOUSTIC_MODEL: phone {phone} of phones.txt is not in final.mdl")
    entered = {i: states + i for i in range(len(model))}
    states += len(model)
    arcs.append(f"0 {entered[0]} 0 {label}")
    for number, state in enumerate(model):
        if state.forward == NO_PDF:
            if not state.transitions:  # the end
                arcs.append(f"{entered[number]} 0 0 0")
            for target, probability in state.transitions:
                cost = -math.log(max(probability, 1e-10))
                arcs.append(f"{entered[number]} {entered[target]} 0 0 {cost:.6f}")
            continue
        try:
            pdfs = tree.pdf(window, state.forward), tree.pdf(window, state.loop)
            first = transitions.first[phone, number, *pdfs]
        except KeyError as error:
            raise UserError(
                f"ACOUSTIC_MODEL: phone {phone}: tree and final.mdl do not belong together"
            ) from error
        ids = {target: first + k for k, (target, _) in enumerate(state.transitions)}
        for target, one in ids.items():
            if target == number:
                continue
            left, states = states, states + 1
            arcs.append(f"{entered[number]} {left} {one} 0 {transitions.costs[one]:.6f}")
            if number in ids:
                loop = ids[number]
                arcs.append(f"{left} {left} {loop} 0 {transitions.costs[loop]:.6f}")
            arcs.append(f"{left} {entered[target]} 0 0")
    return states
