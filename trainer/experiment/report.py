"""The page of a run, and of several beside each other."""

import base64
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from trainer import page
from trainer.audio.io import SAMPLE_RATE_HZ
from trainer.errors import UserError
from trainer.experiment import evaluation
from trainer.experiment.evaluation import Evaluation
from trainer.experiment.folders import parameters_of, read_record
from trainer.page import Card, Page, Sound, Table, percent

MOST = 20  # runs
LONGEST_SECONDS = 6.0  # of sound in the page
SHOWN = 8  # texts
COLOURS = ("#1f6feb", "#d1495b", "#2e933c", "#e98a15", "#7b4fa3", "#14919b", "#8a5a44", "#616e7c")


def of_runs(folders: Sequence[Path]) -> Page:
    """Settings that differ, curves, rates with intervals, paired differences, texts with audio.

    Raises UserError for more than MOST runs.
    """
    if len(folders) > MOST:
        raise UserError(f"{len(folders)} runs: a page shows at most {MOST}")
    names = _short([folder.name for folder in folders])
    records = [read_record(folder) for folder in folders]
    found = [evaluation.of_run(folder) for folder in folders]
    title = names[0] if len(folders) == 1 else f"{len(folders)} runs"
    made = Page(title, ", ".join(folder.name for folder in folders))
    made.cards += _cards(names, found)
    for figure, caption in (
        ("loss", "Training loss"), ("val_loss", "Validation loss"),
        ("val_wer", "Validation word error rate"),
    ):  # fmt: skip
        if drawing := _curves(folders, names, figure):
            made.plot(drawing, caption)
    if len(folders) == 1 and (drawing := _gradients(folders[0])):
        made.plot(drawing, "Norm of the gradient of each layer")
    made.tables.append(_rates(names, found))
    if len(folders) > 1:
        made.tables.append(_differences(names, found))
    made.tables.append(_settings(names, folders))
    made.tables.append(_runs(names, records))
    if len(folders) == 1:
        made.tables += _groups(found[0])
    made.sounds += _texts(names, folders)
    return made


def _short(names: Sequence[str]) -> list[str]:
    """Without the time, where that still tells them apart."""
    short = [name[20:] for name in names]
    return [s if s and short.count(s) == 1 else n for s, n in zip(short, names, strict=True)]


def _cards(names: Sequence[str], found: Sequence[dict[str, Evaluation]]) -> list[Card]:
    return [
        Card(percent(one["validation"].wer), f"{name}: WER of the validation set")
        for name, one in zip(names, found, strict=True)
        if "validation" in one
    ]


def _metrics(folder: Path) -> list[dict[str, float]]:
    path = folder / "metrics.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return [json.loads(line) for line in lines]


def _curves(folders: Sequence[Path], names: Sequence[str], figure: str) -> str:
    drawing, plot = page.axes("step", figure)
    drawn = False
    for number, (folder, name) in enumerate(zip(folders, names, strict=True)):
        rows = [row for row in _metrics(folder) if figure in row]
        if rows:
            steps, values = zip(*((row["step"], row[figure]) for row in rows), strict=True)
            style = "-" if number < len(COLOURS) else "--"
            plot.plot(steps, values, style, color=COLOURS[number % len(COLOURS)], label=name)
            drawn = True
    if drawn and len(folders) > 1:
        page.legend(plot)
    text = page.svg(drawing)
    return text if drawn else ""


def _gradients(folder: Path) -> str:
    path = folder / "gradients.jsonl"
    if not path.exists():
        return ""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    drawing, plot = page.axes("step", "norm")
    for name in [key for key in rows[0] if key != "step"]:
        plot.semilogy([row["step"] for row in rows], [row[name] for row in rows], label=name)
    return page.svg(drawing)


def _interval(pair: Sequence[float]) -> str:
    return f"{100 * pair[0]:.1f} to {100 * pair[1]:.1f}"


def _rates(names: Sequence[str], found: Sequence[dict[str, Evaluation]]) -> Table:
    rows = []
    for name, evaluations in zip(names, found, strict=True):
        for one in evaluations.values():
            figures = one.figures()
            rows.append((
                name, one.name, str(figures["clips"]), percent(figures["wer"]),
                _interval(figures["wer_interval"]), percent(figures["cer"]),
                percent(figures["mean_wer"]), percent(figures["exact"]),
            ))  # fmt: skip
    head = ("run", "set", "clips", "WER", "95 %", "CER", "mean WER of clips", "without error")
    return Table("Error rates", head, rows)


def _differences(names: Sequence[str], found: Sequence[dict[str, Evaluation]]) -> Table:
    """Each pair of runs on each set that both have."""
    rows = []
    for i, one in enumerate(found):
        for j in range(i + 1, len(found)):
            for name in sorted(set(one) & set(found[j])):
                if (d := evaluation.difference(one[name], found[j][name])) is None:
                    continue
                better = names[i] if d.difference < 0 else names[j]
                rows.append((
                    f"{names[i]} - {names[j]}", name, str(d.clips), f"{100 * d.difference:+.2f}",
                    _interval((d.low, d.high)),
                    f"{d.p_value:.4f}" if d.p_value >= 1e-4 else "< 0.0001",
                    better if d.p_value < 0.05 else "no significant difference",
                ))  # fmt: skip
    head = ("runs", "set", "clips", "WER points", "95 %", "p-value", "better")
    return Table("Paired differences (bootstrap, 10,000 draws)", head, rows)


def _settings(names: Sequence[str], folders: Sequence[Path]) -> Table:
    """Of one run all settings, of several those that differ."""
    every = [parameters_of(folder) for folder in folders]
    keys = dict.fromkeys(key for one in every for key in one)
    if len(every) > 1:
        keys = dict.fromkeys(key for key in keys if len({one.get(key) for one in every}) > 1)

    def as_in_training(key: str) -> bool:
        first, _, rest = key.partition(".")
        return first == "validation" and all(
            one.get(key) == one.get(f"data.{rest}") for one in every
        )

    keys = dict.fromkeys(sorted(key for key in keys if not as_in_training(key)))
    rows = [(key, *(one.get(key, "") for one in every)) for key in keys]
    name = "Settings" if len(every) == 1 else "Settings that differ"
    return Table(name, ("setting", *names), rows)


def _runs(names: Sequence[str], records: Sequence[dict[str, Any]]) -> Table:
    keys = ("status", "started", "epochs", "sessions", "seconds", "parameters", "seed", "backend",
            "voicekiln", "command")  # fmt: skip

    def shown(value: Any) -> str:
        return " ".join(value) if isinstance(value, list) else str(value)

    rows = [(key, *(shown(record.get(key, "")) for record in records)) for key in keys]
    for part in ("train", "validation"):
        cells = []
        for record in records:
            data = record.get("data", {}).get(part)
            cells.append(f"{data['clips']} clips, {data['sha256'][:12]}" if data else "")
        rows.append((part, *cells))
    return Table("Runs", ("", *names), rows)


def _groups(found: dict[str, Evaluation]) -> list[Table]:
    tables = []
    for name, one in found.items():
        figures = one.figures()
        for key, text in (("by_length", "length"), ("by_speaker", "speaker")):
            rows = [
                (group, str(int(values["clips"])), percent(values["wer"]))
                for group, values in sorted(
                    figures[key].items(), key=lambda pair: -pair[1]["wer"] * (key == "by_speaker")
                )
            ]
            tables.append(Table(f"{name} by {text}", (text, "clips", "WER"), rows[:40]))
    return tables


def _texts(names: Sequence[str], folders: Sequence[Path]) -> list[Sound]:
    """The same clips of all runs, with what each recognised last."""
    texts: dict[str, dict[str, str]] = {}
    references: dict[str, str] = {}
    places: dict[str, Path] = {}
    for name, folder in zip(names, folders, strict=True):
        path = folder / "samples.jsonl"
        if not path.exists():
            continue
        last = json.loads(path.read_text(encoding="utf-8").splitlines()[-1])
        for row in last["texts"]:
            key = f"{row['audio']} {row['reference']}"
            references[key], places[key] = row["reference"], folder / "samples" / row["audio"]
            texts.setdefault(key, {})[name] = row["hypothesis"]
    return [
        Sound(_encoded(places[key]), [("reference", references[key]), *texts[key].items()])
        for key in list(texts)[:SHOWN]
        if places[key].exists()
    ]


def _encoded(path: Path) -> str:
    """Ogg Vorbis of a clip's begin, base64."""
    samples, rate = soundfile.read(path, dtype="float32")
    buffer = io.BytesIO()
    short = samples[: int(LONGEST_SECONDS * rate)]
    soundfile.write(buffer, np.asarray(short), SAMPLE_RATE_HZ, format="OGG", subtype="VORBIS")
    return base64.b64encode(buffer.getvalue()).decode("ascii")
