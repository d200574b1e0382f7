"""The drawings of the pages of wake words: SVG text."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from trainer.page import BLUE, GREY, INK, RED, axes, legend, svg


def det(
    curves: Mapping[str, tuple[np.ndarray, np.ndarray]], points: Sequence[tuple[float, float]]
) -> str:
    """Missed phrases against false accepts per hour, the chosen cutoffs marked. SVG.

    `curves`: name -> (recall, false accepts per hour); `points`: the same at the cutoffs.
    """
    figure, plot = axes("False accepts per hour", "Missed phrases (%)")
    colors, worst = (BLUE, INK, "#2a9d8f", "#e9a23b", "#7b5ea7", GREY), 1.0
    style: dict[str, Any] = {"color": RED, "markersize": 9, "clip_on": False, "zorder": 5}
    for i, ((name, (recall, rate)), at) in enumerate(zip(curves.items(), points, strict=True)):
        # from the highest cutoff down: recall and false accepts only grow
        false, missed = np.maximum.accumulate(rate[::-1]), 100 * (1 - recall[::-1])
        color = colors[i % len(colors)]
        plot.plot(false, missed, color=color, linewidth=2, drawstyle="steps-post", label=name)
        label = "" if i else "the manifest's cutoff"
        plot.plot(at[1], 100 * (1 - at[0]), "o", label=label, **style)
        worst = min(worst, float(recall[rate <= 50].min(initial=1.0)))
    plot.axvline(0.5, color=GREY, linestyle=":", linewidth=1)
    plot.set_xscale("symlog", linthresh=0.5)
    plot.set_xlim(0, 50)
    plot.set_ylim(0, min(100.0, max(10.0, 110 * (1 - worst))))
    plot.set_xticks([0, 0.5, 1, 2, 5, 10, 20, 50], ["0", "0.5", "1", "2", "5", "10", "20", "50"])
    legend(plot)
    return svg(figure)


def cutoff(
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


def peaks(positives: np.ndarray, negatives: np.ndarray, cutoff: float) -> str:
    """Highest sliding mean of each phrase clip and of each stretch of other audio. SVG."""
    figure, plot = axes("Highest sliding mean", "Share of clips (%)")
    bins = np.linspace(0, 1, 41)
    for values, color, name in ((negatives, RED, "other audio"), (positives, BLUE, "the phrase")):
        if len(values):
            weights = np.full(len(values), 100 / len(values))
            plot.hist(values, bins, weights=weights, color=color, alpha=0.6, label=name)
    plot.axvline(cutoff, color=INK, linestyle="--", linewidth=1, label="cutoff")
    legend(plot)
    return svg(figure)


def training(metrics: list[dict[str, float]]) -> str:
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
