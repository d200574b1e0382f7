"""`trainer check`, speech to text: a training step, the clients' libraries, KenLM."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from trainer.errors import UserError
from trainer.log import quiet
from trainer.machine import data_folder

PROGRAMS = ("lmplz", "build_binary", "filter")


def check() -> Iterator[str]:
    """Lines about the parts of this product; none outside its image. Raises UserError."""
    if not shutil.which("lmplz"):
        return
    with quiet():
        lines = list(_train_and_export())
    yield from lines
    if missing := [program for program in PROGRAMS if not shutil.which(program)]:
        raise UserError(f"KenLM's {', '.join(missing)} are not installed")
    yield f"KenLM: {', '.join(PROGRAMS)} are installed"


def _train_and_export() -> Iterator[str]:
    """One training step and one export of a tiny network, loaded in the clients' libraries."""
    from trainer.clients import LIBRARIES, fetch
    from trainer.models.speech import deepspeech
    from trainer.stt.evaluation import Client, transcribe
    from trainer.stt.export import write_all
    from trainer.stt.export.contract import Contract
    from trainer.text.alphabet import Alphabet
    from trainer.training.ctc import ctc
    from trainer.training.optimizers import averaged_adamw

    model = deepspeech.build(deepspeech.Spec(16, 4))
    model.compile(averaged_adamw(1e-3, 10, 0.0), ctc, jit_compile=False)
    targets = np.array([[40, 2, 0, 1, 2]] * 2, np.int32)
    loss = model.train_on_batch(np.zeros((2, 48, 26), np.float32), targets)
    yield f"Training step: works (loss {float(loss):.1f})"
    with tempfile.TemporaryDirectory() as name:
        out = Path(name)
        contract = Contract(Alphabet(tuple(" ab")), 16)
        write_all(deepspeech.weights_of(model), contract, "output_graph", out)
        libraries = fetch(data_folder() / "tools" / "clients")
        for client, library in libraries.items():
            one_second = [np.zeros(16000, np.int16)]
            transcribe(Client(library, out / LIBRARIES[client][1]), one_second)
            yield f"Export, run in {client}: works"
