"""Alpha and beta of a scorer, searched on dev clips by Optuna's TPE.

The original `lm_optimizer` searched on test clips.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from trainer.corpora.splits import share
from trainer.log import log, progress
from trainer.metrics.bootstrap import standard_error
from trainer.metrics.error_rate import edit_counts, error_rate
from trainer.stt.evaluation import search_clips
from trainer.text.alphabet import Alphabet
from trainer.text.decoder import Search
from trainer.workers import Workers

CLIPS = 240  # of the dev sets, chosen by their transcripts
BEAM_WIDTH = 128
PARTS = 8
Trial = dict[str, float]


@dataclass(frozen=True)
class Plan:
    """Where and how long to search. `alpha` and `beta`: the first trial; `by`: what is minimised,
    "wer", or "cer" where characters are the words."""

    alpha_max: float
    beta_max: float
    trials: int
    alpha: float
    beta: float
    search: Search
    seed: int
    by: str = "wer"


def run(
    plan: Plan,
    sets: Sequence[tuple[Path, list[str]]],
    scorer: Path,
    alphabet: Alphabet,
    workers: Workers,
    out: Path,
) -> None:
    """best.json and trials.jsonl in `out`. `sets`: (scores, references) of each dev set.

    Each trial is a function of those before it: a killed search resumes as it would have gone on.
    """
    every = ((folder, i, text) for folder, texts in sets for i, text in enumerate(texts))
    clips = sorted(every, key=lambda clip: share(f"{clip[2]} {clip[1]}"))[:CLIPS]
    parts = [clips[k::PARTS] for k in range(PARTS)]
    places = [[(folder, i) for folder, i, _ in part] for part in parts]
    references = [text for part in parts for _, _, text in part]

    def trial(alpha: float, beta: float) -> Trial:
        search = replace(plan.search, alpha=alpha, beta=beta)
        found = workers.map(partial(search_clips, alphabet, search, scorer), places)
        words, characters = edit_counts(references, [text for part in found for text in part])
        return {
            "alpha": alpha,
            "beta": beta,
            "wer": error_rate(words),
            "cer": error_rate(characters),
            "error": standard_error(characters if plan.by == "cer" else words),
        }

    lines = out / "trials.jsonl"
    old = lines.read_text().splitlines() if lines.exists() else []
    done: list[Trial] = [json.loads(line) for line in old if line.endswith("}")]
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
    first = done[0]
    log.info(
        f"tuned on {len(clips)} dev clips: alpha {chosen['alpha']:.3f}, beta {chosen['beta']:.3f}: "
        f"{plan.by.upper()} {100 * chosen[plan.by]:.1f} % (untuned {100 * first[plan.by]:.1f} % "
        f"with alpha {first['alpha']:.3f}, beta {first['beta']:.3f})"
    )


def choose(done: Sequence[Trial], trial: Callable[[float, float], Trial], by: str = "wer") -> Trial:
    """The mean of the trials within a standard error of the best (Breiman et al. 1984): on a few
    dozen clips the best alone is chance."""
    best = _best(done, by)
    alike = [d for d in done if d[by] <= best[by] + best["error"]]
    means = (float(np.mean([d[name] for d in alike])) for name in ("alpha", "beta"))
    middle = trial(*(round(mean, 4) for mean in means))
    return middle if middle[by] <= best[by] + best["error"] else best


def _best(done: Sequence[Trial], by: str) -> Trial:
    return min(done, key=lambda trial: (trial[by], trial["cer"]))


def suggest(plan: Plan, done: Sequence[Trial]) -> tuple[float, float]:
    """Alpha and beta of the next trial."""
    if not done:
        return plan.alpha, plan.beta
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    uniform = optuna.distributions.FloatDistribution
    ranges = {"alpha": uniform(0, plan.alpha_max), "beta": uniform(0, plan.beta_max)}
    seed = plan.seed + len(done)
    sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=8)
    study = optuna.create_study(sampler=sampler)
    for trial in done:
        params = {
            name: float(np.clip(trial[name], 0, space.high)) for name, space in ranges.items()
        }
        value = trial[plan.by] + 1e-3 * trial["cer"]
        study.add_trial(
            optuna.trial.create_trial(params=params, distributions=dict(ranges), value=value)
        )
    found = study.ask(dict(ranges)).params
    return round(found["alpha"], 4), round(found["beta"], 4)
