"""Alpha and beta of a scorer, searched on dev clips (Optuna's TPE; the search of the original `lm_optimizer`, which took test clips)."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from trainer.metrics import edit_counts, error_rate, standard_error
from trainer.stt.decoder import Search
from trainer.stt.evaluation import search_clips
from trainer.stt.splits import share
from trainer.text import Alphabet
from trainer.workers import Workers, progress

log = logging.getLogger("trainer")
CLIPS = 240  # of the dev sets, drawn by what is said in them
BEAM_WIDTH = 128
PARTS = 8


@dataclass(frozen=True)
class Plan:
    """Where and how long to search. `alpha` and `beta`: the first trial. `by`: what is to fall, "wer", or "cer" where characters are the words."""

    alpha_max: float
    beta_max: float
    trials: int
    alpha: float
    beta: float
    search: Search
    seed: int
    by: str = "wer"


def run(plan: Plan, sets: Sequence[tuple[Path, list[str]]], scorer: Path, alphabet: Alphabet, workers: Workers, out: Path) -> None:
    """best.json and trials.jsonl in `out`. Every trial is a function of those before it, so that a killed search goes on as it would have."""
    every = ((folder, i, text) for folder, said in sets for i, text in enumerate(said))
    clips = sorted(every, key=lambda clip: share(f"{clip[2]} {clip[1]}"))[:CLIPS]
    parts = [clips[k::PARTS] for k in range(PARTS)]
    said = [text for part in parts for _, _, text in part]

    def trial(alpha: float, beta: float) -> dict[str, float]:
        search = replace(plan.search, alpha=alpha, beta=beta)
        heard = workers.map(partial(search_clips, alphabet, search, scorer), [[(folder, i) for folder, i, _ in part] for part in parts])
        words, characters = edit_counts(said, [text for found in heard for text in found])
        error = standard_error(characters if plan.by == "cer" else words)
        return {"alpha": alpha, "beta": beta, "wer": error_rate(words), "cer": error_rate(characters), "error": error}

    lines = out / "trials.jsonl"
    done = [json.loads(line) for line in lines.read_text().splitlines() if line.endswith("}")] if lines.exists() else []
    lines.write_text("".join(json.dumps(d) + "\n" for d in done))
    with progress("tuning", max(plan.trials, 1), len(done), "trial") as bar:
        while len(done) < max(plan.trials, 1):
            done.append(trial(*suggest(plan, done)))
            with lines.open("a") as file:
                file.write(json.dumps(done[-1]) + "\n")
            best = _best(done, plan.by)
            bar.update(1, **{name: best[name] for name in (plan.by, "alpha", "beta")})
    chosen = choose(done, trial, plan.by)
    (out / "best.json").write_text(json.dumps(chosen | {"clips": len(clips)}, indent=1) + "\n")
    log.info("tuned on %d dev clips: alpha %.3f, beta %.3f: %s %.1f %% (%.1f %% with %.3f, %.3f)", len(clips), chosen["alpha"], chosen["beta"],
             plan.by.upper(), 100 * chosen[plan.by], 100 * done[0][plan.by], done[0]["alpha"], done[0]["beta"])


def choose(done: Sequence[dict[str, float]], trial: Callable[[float, float], dict[str, float]], by: str = "wer") -> dict[str, float]:
    """The middle of the trials that are within a standard error of the best (Breiman et al. 1984): of a few dozen clips the best alone is chance."""
    best = _best(done, by)
    alike = [d for d in done if d[by] <= best[by] + best["error"]]
    middle = trial(*(round(float(np.mean([d[name] for d in alike])), 4) for name in ("alpha", "beta")))
    return middle if middle[by] <= best[by] + best["error"] else best


def _best(done: Sequence[dict[str, float]], by: str) -> dict[str, float]:
    return min(done, key=lambda trial: (trial[by], trial["cer"]))


def suggest(plan: Plan, done: Sequence[dict[str, float]]) -> tuple[float, float]:
    """Alpha and beta of the next trial."""
    if not done:
        return plan.alpha, plan.beta
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    ranges = {"alpha": optuna.distributions.FloatDistribution(0, plan.alpha_max), "beta": optuna.distributions.FloatDistribution(0, plan.beta_max)}
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=plan.seed + len(done), n_startup_trials=8))
    for trial in done:
        params = {name: float(np.clip(trial[name], 0, space.high)) for name, space in ranges.items()}
        study.add_trial(optuna.trial.create_trial(params=params, distributions=dict(ranges), value=trial[plan.by] + 1e-3 * trial["cer"]))
    found = study.ask(dict(ranges)).params
    return round(found["alpha"], 4), round(found["beta"], 4)
