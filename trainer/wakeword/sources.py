"""What a wake word is trained on, and what is held out: prepared features by name, with shares."""

from pathlib import Path

import numpy as np

from trainer.wakeword.batches import HeldOut, Part, Source
from trainer.wakeword.frames import Frames
from trainer.wakeword.preparation import AFTER_MARK_FRAMES

HELD_OUT = 10  # one voice, or clip, in ten is held out for the choice of weights and cutoff
POSITIVE = ("phrase", "personal")
SHARES = {"phrase": 0.3, "personal": 0.2, "confusable": 0.2, "broken": 0.06, "broken_personal": 0.1}
SHARES |= {"speech": 0.27, "noise": 0.1, "negative": 0.2, "negatives": 0.1}  # of a batch


def sources_of(prepared: dict[str, Path]) -> tuple[list[Source], HeldOut]:
    """(sources of training windows, what is held out of them)."""
    sources: list[Source] = []
    ambient: list[Part] = []
    confusables: list[Part] = []
    phrases: Part | None = None
    for name, folder in prepared.items():
        frames = Frames(folder)
        share = SHARES.get(name) or SHARES[name.split("_")[0]]
        label = float(name in POSITIVE)
        if name == "phrase" and "personal" in prepared:
            share = 0.15
        number = frames.index["group"] if name == "phrase" else np.arange(len(frames))
        held = number % HELD_OUT == 0
        if name in ("personal", "broken_personal"):  # too few voices to spare any
            held[:] = False
        train, out = np.flatnonzero(~held), np.flatnonzero(held)
        if not len(train) or (name == "phrase" and not len(out)):
            train, out = np.arange(len(frames)), np.arange(0, len(frames), HELD_OUT)
        after = AFTER_MARK_FRAMES if label > 0 else None
        sources.append(Source(name, frames, train, share, label, after_mark=after))
        if name == "phrase":
            phrases = frames, out[:1500]
        elif len(out):
            (confusables if name in ("confusable", "broken") else ambient).append((frames, out))
    if phrases is None:
        raise KeyError("no features of the phrase")
    return sources, HeldOut(phrases, ambient, confusables)
