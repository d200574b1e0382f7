"""What the pages of a trained model and of an evaluation say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from trainer import report
from trainer.metrics import CUTOFFS, wilson
from trainer.report import percent
from trainer.wakeword.evaluation import Evaluation


def training_report(path: Path, record: dict[str, Any], trained: Path) -> None:
    """report.html of a training run, from its experiment record and metrics.jsonl."""
    told, held = record["export"], record["export"]["held_out"]
    recall, false = np.array(held["curve"]["recall"]), np.array(held["curve"]["false_accepts_per_hour"])
    low, high = wilson(round(held["recall"] * held["positives"]), held["positives"])
    metrics = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    settings = record["settings"]
    cards = [
        (percent(held["recall"]), f"recall on {held['positives']} held-out clips in rooms, in noise as loud as the voice "
                                  f"(95 %: {percent(low)} to {percent(high)})"),
        (f"{held['false_accepts_per_hour']:.1f} / h", f"false accepts in {held['hours']:.2f} h of held-out speech and noise"),
        (f"{held['near_misses_taken']} of {held['near_misses']}", "stretches of 6 s full of near misses of the phrase wake it"),
        (f"{told['cutoff']:.2f} x {told['window']}", "cutoff and sliding window in the manifest"),
        (f"{told['bytes'] / 1000:.0f} kB", f"model; arena {told['arena']} bytes ({told['arena_measured']} measured)"),
        (f"{record['client']['woke']} of {record['client']['phrases']}", "clean clips of the phrase wake pymicro-wakeword"),
        (f"{record['client']['woke_wrongly']} of {record['client']['others']}", "other sentences wake it"),
    ]
    plots = [
        (report.det_plot(recall, false, (held["recall"], held["false_accepts_per_hour"]), "held-out clips"),
         "Detection error trade-off: down and left is better. Each point of the line is a cutoff."),
        (report.peaks_plot(np.array(held["peaks"]), np.array(held["ambient_peaks"]), told["cutoff"]),
         "How sure the model was: the two heaps should lie apart, with the cutoff between them."),
        (report.cutoff_plot(CUTOFFS, recall, false, told["cutoff"]), "What another cutoff would give."),
        (report.training_plot(metrics), "Training: loss, and the score by which the weights were chosen."),
    ]
    tables: list[tuple[str, list[str], list[list[str]]]] = [
        ("Settings", ["setting", "value", "from"], [[k.upper(), str(v["value"]), v["from"]] for k, v in settings.items()]),
        ("Steps", ["step", "seconds", "key"], [[k, str(v["seconds"]), v["key"]] for k, v in record["steps"].items()]),
        ("Operations", ["operation", "count"], [[k, str(v)] for k, v in told["ops"].items()]),
        ("Versions", [], [[k, v] for k, v in record["versions"].items()]),
    ]
    notes = ["These figures come from held-out clips, synthetic ones unless real ones were given: they compare runs. What counts "
             "is your room: record the phrase and some hours of ordinary sound, and run `trainer wakeword evaluate`."]
    if settings["quick"]["value"]:
        notes.insert(0, "A --quick run: fewer voices, less other speech and fewer steps than a full one. Expect more false accepts.")
    agreement = told["agreement"]
    subtitle = (f"Wake word model of {record['finished']}. The exported int8 file and Keras differ by {agreement['mean']:.4f} on average, "
                f"{agreement['max']:.3f} at most.")
    report.write(path, record["title"], subtitle, cards, plots, tables, notes)


def evaluation_report(path: Path, evaluation: Evaluation, figures: dict[str, Any], title: str) -> None:
    """Page of `trainer wakeword evaluate`."""
    cards, plots = [], []
    if "recall" in figures:
        low, high = figures["recall_interval"]
        cards.append((percent(figures["recall"]), f"recall on {figures['positives']} clips (95 %: {percent(low)} to {percent(high)})"))
    if "false_accepts_per_hour" in figures:
        low, high = figures["false_accepts_per_hour_interval"]
        cards.append((f"{figures['false_accepts_per_hour']:.2f} / h",
                      f"false accepts: {figures['false_accepts']} in {figures['hours']:.2f} h (95 %: {low:.2f} to {high:.2f})"))
    if "latency_seconds" in figures:
        cards.append((f"{figures['latency_seconds']['median']:.2f} s", "median delay after the end of the phrase"))
    cards.append((f"{evaluation.cutoff:.2f} x {evaluation.window}", "cutoff and sliding window"))
    if evaluation.positives and evaluation.ambient:
        curve = evaluation.curve()
        point = figures["recall"], figures["false_accepts_per_hour"]
        peaks = np.array([evaluation.means(o).max(initial=0) for o in evaluation.positives])
        loud = np.array([evaluation.means(o).max(initial=0) for o in evaluation.ambient])
        plots = [
            (report.det_plot(curve.recall, curve.false_accepts_per_hour, point, title), "Detection error trade-off: down and left is better."),
            (report.peaks_plot(peaks, loud, evaluation.cutoff), "Highest sliding mean of each clip and of each ambient file."),
            (report.cutoff_plot(curve.cutoffs, curve.recall, curve.false_accepts_per_hour, evaluation.cutoff), "What another cutoff would give."),
        ]
    report.write(path, title, "Evaluation of the exported model, streamed as on the device.", cards, plots,
                 report.evaluation_tables(figures), [])
