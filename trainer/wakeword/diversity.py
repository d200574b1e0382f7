"""How different the synthesized voices are, by a speaker encoder that is fetched once."""

import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from trainer.audio.io import SAMPLE_RATE_HZ
from trainer.audio.speakers import Encoder, read_weights
from trainer.downloads import fetch_wheels
from trainer.errors import UserError
from trainer.log import log
from trainer.metrics.diversity import vendi_score
from trainer.store import Clips

LOCK = Path(__file__).with_name("speakers.lock")
FILE = "encoder.npz"
CLIPS = 60  # of each kind of engine; the score grows with their number
LONGEST = int(3.2 * SAMPLE_RATE_HZ)  # samples of each
# of one word: 22 real people have 5.5, 39 have 7.3; 60 clips of espeak-ng and Flite 5.8
REAL = "39 real people have 7.3"
FLOOR = 6.0


def measure(clips: Mapping[str, Path], encoder: Encoder) -> dict[str, Any]:
    """Vendi score of clips of the phrase: of each store, and of all of them."""
    embedded = {}
    for name, folder in clips.items():
        store = Clips(folder)
        chosen = range(0, len(store), max(1, len(store) // CLIPS))[:CLIPS]
        embedded[name] = encoder.embed([store[i][:LONGEST] for i in chosen])
    scores = {name: vendi_score(rows) for name, rows in embedded.items()}
    joined = np.concatenate(list(embedded.values()))
    return {
        "vendi_score": vendi_score(joined),
        "clips": len(joined),
        "of_each": scores,
        "floor": FLOOR,
        "real": REAL,
    }


def find(tools: Path) -> Path | None:
    """The encoder's weights, if they are there."""
    path = tools / "speakers" / FILE
    return path if path.exists() else None


def fetch(tools: Path) -> Path:
    """The encoder's weights, fetched where they are missing. Raises UserError."""
    if found := find(tools):
        return found
    path = tools / "speakers" / FILE
    log.info("fetching a speaker encoder (once): Resemblyzer's, 16 MB, licence Apache-2.0")
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as temporary:
        (wheel,) = fetch_wheels(LOCK, Path(temporary))
        with zipfile.ZipFile(wheel) as archive:
            weights = read_weights(archive.read("resemblyzer/pretrained.pt"))
        partial = Path(temporary) / FILE
        np.savez(partial, allow_pickle=False, **weights)
        partial.rename(path)
    return path


def opened(path: Path) -> Encoder:
    """The encoder. Raises UserError for a damaged file, which is removed."""
    try:
        with np.load(path) as saved:
            return Encoder({name: saved[name] for name in saved.files})
    except (zipfile.BadZipFile, ValueError, EOFError, OSError) as error:
        path.unlink(missing_ok=True)
        raise UserError(
            f"{path}: damaged ({error}), removed; run the same command again"
        ) from error
