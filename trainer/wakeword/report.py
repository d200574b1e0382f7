"""The pages of a trained wake word and of an evaluation, as data."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from trainer.metrics.bootstrap import wilson
from trainer.metrics.detection import CUTOFFS
from trainer.page import BLUE, GREY, INK, RED, Card, Page, Table, axes, percent, svg
from trainer.steps import Record
from trainer.wakeword.evaluation import Evaluation

Figures = Mapping[str, Any]  # JSON
DET_CAPTION = "Detection error trade-off: down and left is better. Each point is a cutoff."
PEAKS_CAPTION = "Highest scores of the phrase and of other audio, with the cutoff between them."
CUTOFF_CAPTION = "Recall and false accepts at other cutoffs."


def training_page(record: Record, trained: Path) -> Page:
    """report.html of a training run, from its experiment record and metrics.jsonl."""
    export, held = record["export"], record["export"]["held_out"]
    recall = np.array(held["curve"]["recall"])
    false = np.array(held["curve"]["false_accepts_per_hour"])
    metrics = [json.loads(line) for line in (trained / "metrics.jsonl").read_text().splitlines()]
    point = held["recall"], held["false_accepts_per_hour"]
    peaks, loud = np.array(held["peaks"]), np.array(held["ambient_peaks"])
    page = Page(
        record["title"],
        f"Wake word model of {record['finished']}. Probabilities of the exported int8 file and of "
        f"Keras differ by {export['agreement']['mean']:.4f} on average, "
        f"{export['agreement']['max']:.3f} at most.",
        _training_cards(record),
        tables=_training_tables(record),
        notes=_notes(record),
    )
    page.plot(_det_plot(recall, false, point, "held-out clips"), DET_CAPTION)
    page.plot(_peaks_plot(peaks, loud, export["cutoff"]), PEAKS_CAPTION)
    page.plot(_cutoff_plot(CUTOFFS, recall, false, export["cutoff"]), CUTOFF_CAPTION)
    page.plot(_training_plot(metrics), "Training loss, and the score by which weights are chosen.")
    return page


def _training_cards(record: Record) -> list[Card]:
    export, held, client = record["export"], record["export"]["held_out"], record["client"]
    low, high = wilson(round(held["recall"] * held["positives"]), held["positives"])
    clips = f"{held['positives']} held-out clips in rooms, in noise as loud as the voice"
    hours = f"{held['hours']:.2f} h of held-out speech and noise"
    accepted = f"{held['confusables_accepted']} of {held['confusables']}"
    arena = f"model; arena {export['arena']} bytes ({export['arena_measured']} measured)"
    cards = (
        (percent(held["recall"]), f"recall on {clips} (95 %: {percent(low)} to {percent(high)})"),
        (f"{held['false_accepts_per_hour']:.1f} / h", f"false accepts in {hours}"),
        (accepted, "false accepts in clips of 6 s full of confusable phrases"),
        (f"{export['cutoff']:.2f} x {export['window']}", "cutoff and sliding window"),
        (f"{export['bytes'] / 1000:.0f} kB", arena),
        (f"{client['woke']} of {client['phrases']}", "clean clips wake pymicro-wakeword"),
        (f"{client['woke_wrongly']} of {client['others']}", "other sentences wake it"),
    )
    return [Card(value, label) for value, label in cards]


def _training_tables(record: Record) -> list[Table]:
    settings = [[k.upper(), str(v["value"]), v["from"]] for k, v in record["settings"].items()]
    steps = [[k, str(v["seconds"]), v["key"]] for k, v in record["steps"].items()]
    operations = [[k, str(v)] for k, v in record["export"]["ops"].items()]
    return [
        Table("Settings", ["setting", "value", "from"], settings),
        Table("Steps", ["step", "seconds", "key"], steps),
        Table("Operations", ["operation", "count"], operations),
        Table("Versions", [], [[k, v] for k, v in record["versions"].items()]),
    ]


def _notes(record: Record) -> list[str]:
    notes = [
        "These figures come from held-out clips, which are synthetic unless real ones were given: "
        "use them to compare runs. To know how the model does in your room, record the phrase and "
        "some hours of ordinary sound, and run `trainer wakeword evaluate`."
    ]
    if record["settings"]["quick"]["value"]:
        notes.insert(
            0,
            "A --quick run: fewer voices, less other speech and fewer steps than a full run. "
            "Expect more false accepts.",
        )
    return notes


def evaluation_page(evaluation: Evaluation, figures: Figures, title: str) -> Page:
    """The page of `trainer wakeword evaluate`."""
    page = Page(
        title,
        "Evaluation of the exported model, streamed as on the device.",
        _evaluation_cards(figures),
        tables=_evaluation_tables(figures),
    )
    if evaluation.positives and evaluation.ambient:
        det, cutoff = evaluation.curve(), evaluation.cutoff
        recall, false = det.recall, det.false_accepts_per_hour
        point = figures["recall"], figures["false_accepts_per_hour"]
        peaks = np.array([evaluation.means(o).max(initial=0) for o in evaluation.positives])
        loud = np.array([evaluation.means(o).max(initial=0) for o in evaluation.ambient])
        page.plot(_det_plot(recall, false, point, title), DET_CAPTION)
        page.plot(_peaks_plot(peaks, loud, cutoff), PEAKS_CAPTION)
        page.plot(_cutoff_plot(det.cutoffs, recall, false, cutoff), CUTOFF_CAPTION)
    return page


def _evaluation_cards(figures: Figures) -> list[Card]:
    cards = []
    if "recall" in figures:
        interval = " to ".join(map(percent, figures["recall_interval"]))
        label = f"recall on {figures['positives']} clips (95 %: {interval})"
        cards.append(Card(percent(figures["recall"]), label))
    if "false_accepts_per_hour" in figures:
        low, high = figures["false_accepts_per_hour_interval"]
        found = f"{figures['false_accepts']} in {figures['hours']:.2f} h"
        label = f"false accepts: {found} (95 %: {low:.2f} to {high:.2f})"
        cards.append(Card(f"{figures['false_accepts_per_hour']:.2f} / h", label))
    if "latency_seconds" in figures:
        median = f"{figures['latency_seconds']['median']:.2f} s"
        cards.append(Card(median, "median delay after the end of the phrase"))
    point = f"{figures['cutoff']:.2f} x {figures['sliding_window_size']}"
    return [*cards, Card(point, "cutoff and sliding window")]


def _evaluation_tables(figures: Figures) -> list[Table]:
    limits = [
        [f"{r['false_accepts_per_hour']:g}", f"{r['cutoff']:.3f}", percent(r["recall"])]
        for r in figures.get("at_limits", [])
    ]
    false = [[Path(p).name, f"{s:.1f} s"] for p, s in figures.get("false_accepts_at", [])[:50]]
    missed = [[Path(p).name] for p in figures.get("missed", [])[:50]]
    refused = [[r["path"], r["reason"]] for r in figures["rejected"][:100]]
    return [
        Table("Recall at a limit of false accepts", ["per hour", "cutoff", "recall"], limits),
        Table("False accepts", ["file", "at"], false),
        Table("Missed phrases", ["file"], missed),
        Table("Rejected files", ["file", "reason"], refused),
    ]


def evaluation_lines(figures: Figures) -> list[str]:
    """The figures of an evaluation as text."""
    lines = [f"cutoff {figures['cutoff']:.3f}, sliding window {figures['sliding_window_size']}"]
    if "recall" in figures:
        low, high = figures["recall_interval"]
        lines.append(
            f"recall                  {figures['recall']:.3f}  "
            f"(95 %: {low:.3f} ... {high:.3f}; {figures['positives']} clips)"
        )
    if "false_accepts_per_hour" in figures:
        low, high = figures["false_accepts_per_hour_interval"]
        lines.append(
            f"false accepts per hour  {figures['false_accepts_per_hour']:.2f}   "
            f"(95 %: {low:.2f} ... {high:.2f}; {figures['false_accepts']} in "
            f"{figures['hours']:.2f} h)"
        )
    if "latency_seconds" in figures:
        delay = figures["latency_seconds"]
        lines.append(
            f"latency                 {delay['median']:.2f} s median, {delay['p90']:.2f} s "
            "90th percentile (after the end of the phrase)"
        )
    if "at_limits" in figures:
        lines.append("DET curve: at most ... false accepts/h -> cutoff, recall")
        lines += [
            f"  {row['false_accepts_per_hour']:4g} /h   {row['cutoff']:.3f}   {row['recall']:.3f}"
            for row in figures["at_limits"]
        ]
    for path, seconds in figures.get("false_accepts_at", [])[:10]:
        lines.append(f"  false accept at {seconds:.1f} s of {path}")
    if refused := figures["rejected"]:
        lines.append(f"{len(refused)} files rejected:")
        lines += [f"  {row['path']}: {row['reason']}" for row in refused[:10]]
    return lines


def _det_plot(
    recall: np.ndarray, false_accepts_per_hour: np.ndarray, at: tuple[float, float], name: str
) -> str:
    """Missed phrases against false accepts per hour, the chosen cutoff marked. SVG."""
    figure, plot = axes("False accepts per hour", "Missed phrases (%)")
    # from the highest cutoff down: recall and false accepts only grow
    false = np.maximum.accumulate(false_accepts_per_hour[::-1])
    missed = 100 * (1 - recall[::-1])
    plot.plot(false, missed, color=BLUE, linewidth=2, drawstyle="steps-post", label=name)
    style: dict[str, Any] = {"color": RED, "markersize": 9, "clip_on": False, "zorder": 5}
    plot.plot(at[1], 100 * (1 - at[0]), "o", label="the manifest's cutoff", **style)
    plot.axvline(0.5, color=GREY, linestyle=":", linewidth=1)
    plot.set_xscale("symlog", linthresh=0.5)
    plot.set_xlim(0, 50)
    worst = float(recall[false_accepts_per_hour <= 50].min(initial=1.0))
    plot.set_ylim(0, min(100.0, max(10.0, 110 * (1 - worst))))
    plot.set_xticks([0, 0.5, 1, 2, 5, 10, 20, 50], ["0", "0.5", "1", "2", "5", "10", "20", "50"])
    plot.legend(frameon=False)
    return svg(figure)


def _cutoff_plot(
    cutoffs: np.ndarray, recall: np.ndarray, false_accepts_per_hour: np.ndarray, cutoff: float
) -> str:
    """Recall and false accepts per hour against the cutoff. SVG."""
    figure, plot = axes("Cutoff", "Recall (%)")
    plot.plot(cutoffs, 100 * recall, color=BLUE, linewidth=2)
    plot.set_ylim(0, 102)
    right = plot.twinx()
    right.plot(cutoffs, false_accepts_per_hour, color=RED, linewidth=2)
    right.set_yscale("symlog", linthresh=0.5)
    right.set_ylim(bottom=0)
    right.set_ylabel("False accepts per hour", color=RED)
    plot.axvline(cutoff, color=GREY, linestyle="--", linewidth=1)
    return svg(figure)


def _peaks_plot(positives: np.ndarray, negatives: np.ndarray, cutoff: float) -> str:
    """Highest sliding mean of each phrase clip and of each stretch of other audio. SVG."""
    figure, plot = axes("Highest sliding mean", "Share of clips (%)")
    bins = np.linspace(0, 1, 41)
    for values, color, name in ((negatives, RED, "other audio"), (positives, BLUE, "the phrase")):
        if len(values):
            weights = np.full(len(values), 100 / len(values))
            plot.hist(values, bins, weights=weights, color=color, alpha=0.6, label=name)
    plot.axvline(cutoff, color=INK, linestyle="--", linewidth=1, label="cutoff")
    plot.legend(frameon=False)
    return svg(figure)


def _training_plot(metrics: list[dict[str, float]]) -> str:
    """Loss and held-out score along the steps. SVG."""
    figure, plot = axes("Training step", "Loss")
    plot.plot([m["step"] for m in metrics], [m["loss"] for m in metrics], color=GREY, linewidth=2)
    plot.set_yscale("log")
    scored = [m for m in metrics if "score" in m]
    steps, scores = [m["step"] for m in scored], [100 * m["score"] for m in scored]
    right = plot.twinx()
    right.plot(steps, scores, color=BLUE, linewidth=2, marker="o", markersize=4)
    right.set_ylabel("Recall at the limits (%)", color=BLUE)
    return svg(figure)
