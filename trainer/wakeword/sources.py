"""What a wake word is trained on, and what is held out: prepared features by name, with shares."""

from pathlib import Path

import numpy as np

from trainer.wakeword.batches import HeldOut, Part, Source
from trainer.wakeword.frames import Frames
from trainer.wakeword.preparation import AFTER_MARK_FRAMES, BEFORE_MARK_FRAMES

HELD_OUT = 10  # one voice, or clip, in ten is held out for the choice of weights and cutoff
REAL = ("ambient", "negatives")  # held-out recordings of people and places, as they are
POSITIVE = ("phrase", "neural_phrase", "personal")
# of a batch, by name or its first word; what is there is scaled to a sum of 1
SHARES = {"phrase": 0.3, "personal": 0.2, "confusable": 0.2, "broken": 0.06, "broken_personal": 0.1}
SHARES |= {"neural_phrase": 0.2, "neural_confusable": 0.2, "neural_broken": 0.06}
SHARES |= {"neural_speech": 0.15}
SHARES |= {"real": 0.25, "speech": 0.27, "noise": 0.1, "negative": 0.2, "negatives": 0.1}
FEWER = 0.5  # of the share of synthesized phrases, for each better source of phrases
EARLY = 0.2  # of a positive source's share: windows that end before the phrase does


def sources_of(prepared: dict[str, Path]) -> tuple[list[Source], HeldOut]:
    """(sources of training windows, what is held out of them)."""
    sources: list[Source] = []
    ambient: list[Part] = []
    confusables: list[Part] = []
    phrases: list[Part] = []
    real: list[Part] = []
    better = sum(name in prepared for name in POSITIVE[1:])
    for name, folder in prepared.items():
        frames = Frames(folder)
        if name.startswith("ambient"):  # held out as a whole
            whole = frames, np.arange(len(frames))
            ambient.append(whole)
            real.append(whole)
            continue
        share = SHARES.get(name) or SHARES[name.split("_")[0]]
        label = float(name in POSITIVE)
        if name == "phrase":
            share *= FEWER**better
        voices = name in ("phrase", "neural_phrase")
        number = frames.index["group"] if voices else np.arange(len(frames))
        held = number % HELD_OUT == 0
        if name in ("personal", "broken_personal"):  # too few voices to spare any
            held[:] = False
        train, out = np.flatnonzero(~held), np.flatnonzero(held)
        if not len(train) or (voices and not len(out)):
            train, out = np.arange(len(frames)), np.arange(0, len(frames), HELD_OUT)
        after = AFTER_MARK_FRAMES if label > 0 else None
        sources.append(Source(name, frames, train, share, label, after_mark=after))
        if label:
            before = f"before_{name}", frames, train, EARLY * share, 0.0
            sources.append(Source(*before, after_mark=BEFORE_MARK_FRAMES))
        if voices:
            phrases.append((frames, out[:1500]))
        elif len(out):
            similar = name.endswith(("confusable", "broken"))
            (confusables if similar else ambient).append((frames, out))
            if name.startswith(REAL):
                real.append((frames, out))
    if not phrases:
        raise KeyError("no features of the phrase")
    return sources, HeldOut(phrases, ambient, confusables, real)
