"""The pages of a trained wake word and of an evaluation, as data."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from trainer.metrics.bootstrap import wilson
from trainer.metrics.detection import CUTOFFS
from trainer.page import Card, Page, Table, percent
from trainer.steps import Record
from trainer.wakeword import plots
from trainer.wakeword.evaluation import Evaluation

Figures = Mapping[str, Any]  # JSON
COMPARED = ("model", "cutoff", "recall", "false accepts/h", "recall at 0.5/h", "latency")
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
    page.plot(plots.det({"held-out clips": (recall, false)}, [point]), DET_CAPTION)
    page.plot(plots.peaks(peaks, loud, export["cutoff"]), PEAKS_CAPTION)
    page.plot(plots.cutoff(CUTOFFS, recall, false, export["cutoff"]), CUTOFF_CAPTION)
    page.plot(plots.training(metrics), "Training loss, and the score by which weights are chosen.")
    return page


def _training_cards(record: Record) -> list[Card]:
    export, held, client = record["export"], record["export"]["held_out"], record["client"]
    low, high = wilson(round(held["recall"] * held["positives"]), held["positives"])
    clips = f"{held['positives']} held-out clips in rooms, in noise as loud as the voice"
    kind = "recordings" if held["real"] else "synthetic speech and noise"
    hours = f"{held['hours']:.2f} h of held-out {kind}"
    limit = record["settings"]["false_accepts_per_hour"]["value"]
    promise = f"{held['expected_per_hour']:.2g} / h", _promise(held, limit)
    accepted = f"{held['confusables_accepted']} of {held['confusables']}"
    measured = f"{export['arena_measured']} measured" if export["arena_measured"] else "a guess: "
    measured += "" if export["arena_measured"] else "TFLite Micro is not there for this processor"
    arena = f"model; arena {export['arena']} bytes ({measured})"
    cards = (
        (percent(held["recall"]), f"recall on {clips} (95 %: {percent(low)} to {percent(high)})"),
        (f"{held['false_accepts_per_hour']:.1f} / h", f"false accepts in {hours}"),
        promise,
        (accepted, "false accepts in clips of 6 s full of confusable phrases"),
        (f"{export['cutoff']:.2f} x {export['window']}", "cutoff and sliding window"),
        (f"{export['bytes'] / 1000:.0f} kB", arena),
        (f"{client['woke']} of {client['phrases']}", "clean clips wake pymicro-wakeword"),
        (f"{client['woke_wrongly']} of {client['others']}", "other sentences wake it"),
    )
    more = [*_diversity_cards(record), *_recordings_cards(record)]
    return [Card(value, label) for value, label in (*cards, *more)]


def _promise(held: Mapping[str, Any], limit: float) -> str:
    """What the cutoff promises, and what such a promise was worth on other audio."""
    if not held["real"]:
        return "false accepts to expect, by synthetic audio: take it as a hint"
    ratio = held["other_half_per_hour"] / limit
    return (
        f"false accepts to expect, by {held['hours']:.1f} h of recordings; counted in the half of "
        f"them that did not choose the cutoff: {ratio:.1f} times the limit of {limit:g} an hour"
    )


def _diversity_cards(record: Record) -> list[tuple[str, str]]:
    """How different the synthesized voices are."""
    found = record["diversity"]
    if not found:
        return []
    label = (
        f"different voices in {found['clips']} synthesized clips of the phrase (Vendi score; "
        f"{found['real']})"
    )
    return [(f"{found['vendi_score']:.1f}", label)]


def _recordings_cards(record: Record) -> list[tuple[str, str]]:
    """How many of the user's recordings were used."""
    found = []
    for kind, own in record["recordings"].items():
        total = own["files"] + len({one["path"] for one in own["rejected"] if not one["detail"]})
        what = f"{own['clips']} phrases" if kind == "personal" else f"{own['seconds']:.0f} s"
        found.append((f"{own['files']} of {total}", f"{kind} recordings used ({what})"))
    return found


def _recordings_tables(record: Record) -> list[Table]:
    """What was rejected, and what is remarkable in recordings that are used."""
    refused = [
        [one["path"], one["reason"], one["detail"]]
        for own in record["recordings"].values()
        for one in own["rejected"]
    ]
    judged = [
        [row["path"], row["phrases"], f"{row['level_db']} dB", row["remarks"]]
        for own in record["recordings"].values()
        for row in own["judged"]
    ]
    return [
        Table("Rejected recordings", ["file", "reason", "where"], refused),
        Table("Recordings of the phrase", ["file", "phrases", "level", "remarks"], judged),
    ]


def _training_tables(record: Record) -> list[Table]:
    settings = [[k.upper(), str(v["value"]), v["from"]] for k, v in record["settings"].items()]
    steps = [[k, str(v["seconds"]), v["key"]] for k, v in record["steps"].items()]
    operations = [[k, str(v)] for k, v in record["export"]["ops"].items()]
    return [
        Table("Settings", ["setting", "value", "from"], settings),
        Table("Steps", ["step", "seconds", "key"], steps),
        Table("Operations", ["operation", "count"], operations),
        Table("Voices", ["who speaks", "licence"], record["voices"]),
        Table("Versions", [], [[k, v] for k, v in record["versions"].items()]),
        *_recordings_tables(record),
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
    if record["diversity"] and record["diversity"]["vendi_score"] < record["diversity"]["floor"]:
        notes.append(
            "The synthesized voices are alike. Recordings of several people saying the phrase "
            "(--personal-samples), or voices that `setup_voices` fetches, help most."
        )
    return notes


def names_of(models: Sequence[Path]) -> list[str]:
    """A name a model: its file's, with the folder where names are equal."""
    stems = [m.stem for m in models]
    return [m.stem if stems.count(m.stem) == 1 else f"{m.parent.name}/{m.stem}" for m in models]


def evaluation_page(found: Mapping[str, Evaluation], figures: Sequence[Figures]) -> Page:
    """The page of `trainer wakeword evaluate`: models by name, and their figures."""
    several = len(found) > 1
    page = Page(
        " / ".join(found),
        "Evaluation of the exported models, streamed as on the device."
        if several
        else "Evaluation of the exported model, streamed as on the device.",
        [] if several else _evaluation_cards(figures[0]),
    )
    if several:
        page.tables.append(Table("Models", COMPARED, _compared(found, figures)))
    for name, one in zip(found, figures, strict=True):
        tables = _evaluation_tables(one)
        page.tables += [replace(t, name=f"{name}: {t.name}") for t in tables] if several else tables
    first = next(iter(found.values()))
    if not (first.positives and first.ambient):
        return page
    curves = {
        name: (one.curve().recall, one.curve().false_accepts_per_hour)
        for name, one in found.items()
    }
    points = [(f["recall"], f["false_accepts_per_hour"]) for f in figures]
    page.plot(plots.det(curves, points), DET_CAPTION)
    if not several:
        det, (recall, false) = first.curve(), next(iter(curves.values()))
        peaks = np.array([first.means(o).max(initial=0) for o in first.positives])
        loud = np.array([first.means(o).max(initial=0) for o in first.ambient])
        page.plot(plots.peaks(peaks, loud, first.cutoff), PEAKS_CAPTION)
        page.plot(plots.cutoff(det.cutoffs, recall, false, first.cutoff), CUTOFF_CAPTION)
    return page


def _compared(found: Mapping[str, Evaluation], figures: Sequence[Figures]) -> list[list[str]]:
    """A row a model; what was not measured is a dash."""
    rows = []
    for name, one in zip(found, figures, strict=True):
        at_half = [r for r in one.get("at_limits", []) if r["false_accepts_per_hour"] == 0.5]
        latency = one.get("latency_seconds", {}).get("median")
        rows.append(
            [
                name,
                f"{one['cutoff']:.2f} x {one['sliding_window_size']}",
                f"{one['recall']:.3f}" if "recall" in one else "-",
                f"{one['false_accepts_per_hour']:.2f}" if "false_accepts_per_hour" in one else "-",
                f"{at_half[0]['recall']:.3f}" if at_half else "-",
                f"{latency:+.2f} s" if latency is not None else "-",
            ]
        )
    return rows


def comparison_lines(found: Mapping[str, Evaluation], figures: Sequence[Figures]) -> list[str]:
    """The models side by side, as text."""
    rows = [list(COMPARED), *_compared(found, figures)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(COMPARED))]
    lines = ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)) for row in rows]
    return ["", *(line.rstrip() for line in lines)]


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
