"""What explains the phrases that a model misses: a regression of its scores over properties of the
recordings.

`python -m bench.misses MODEL.tflite FOLDER`: FOLDER holds recordings of the phrase. Prints the
range of each property and how much one standard deviation of it changes the score (log-odds; least
squares over all properties at once, with t), then the recordings with the lowest scores.
"""

import sys
from pathlib import Path

import numpy as np

from trainer.audio.io import SAMPLE_RATE_HZ, Audio, rms
from trainer.machine import cores
from trainer.wakeword.evaluation import evaluate
from trainer.wakeword.recordings import read_take
from trainer.workers import Workers

LOWEST = 12  # recordings that are listed
BANDS_HZ = {"low": (100, 300), "middle": (300, 3000), "high": (3000, 7000)}


def properties(speech: Audio, background: Audio) -> dict[str, float]:
    """Of one phrase and the sound around it."""
    power = np.abs(np.fft.rfft(speech * np.hanning(len(speech)))) ** 2
    hertz = np.fft.rfftfreq(len(speech), 1 / SAMPLE_RATE_HZ)
    band = {
        name: 10 * np.log10(power[(hertz >= low) & (hertz < high)].sum() + 1e-9)
        for name, (low, high) in BANDS_HZ.items()
    }
    frames = np.array([rms(part) for part in np.array_split(speech, len(speech) // 160)]) + 1e-7
    total = np.cumsum(np.square(frames)) / np.square(frames).sum()
    return {
        "seconds": len(speech) / SAMPLE_RATE_HZ,
        "level, dB": 20 * np.log10(rms(speech) + 1e-9),
        "speech over background, dB": 20
        * np.log10((rms(speech) + 1e-9) / (rms(background) + 1e-5)),
        "bass (100-300 Hz over middle), dB": band["low"] - band["middle"],
        "treble (3-7 kHz over middle), dB": band["high"] - band["middle"],
        "pitch, octaves over 100 Hz": np.log2(_pitch(speech) / 100),
        "half of the energy at, share": float(np.searchsorted(total, 0.5)) / len(total),
        "dynamics (loud over median), dB": 20
        * np.log10(np.percentile(frames, 95) / np.percentile(frames, 50)),
    }


def _pitch(speech: Audio) -> float:
    """Hz: the median of the best autocorrelation between 70 and 400 Hz in its loud frames."""
    found = []
    size = SAMPLE_RATE_HZ // 20
    shortest, longest = SAMPLE_RATE_HZ // 400, SAMPLE_RATE_HZ // 70
    loud = 0.5 * rms(speech)
    for at in range(0, max(1, len(speech) - size), size // 2):
        part = speech[at : at + size]
        if len(part) < size or rms(part) < loud:
            continue
        same = np.correlate(part, part, "full")[size - 1 :]
        found.append(SAMPLE_RATE_HZ / (shortest + int(np.argmax(same[shortest:longest]))))
    return float(np.median(found)) if found else 100.0


def main() -> None:
    """Print the regression."""
    model, folder = map(Path, sys.argv[1:3])
    with Workers(cores()) as workers:
        found = evaluate(model, folder, None, workers)
    rows, scores, names = [], [], []
    for one in found.positives:
        path = Path(one.path.split(" at ")[0])
        take = read_take(path)
        if len(take.phrases) != 1:
            continue
        phrase = take.phrases[0]
        around = np.concatenate([take.samples[: phrase.first], take.samples[phrase.last :]])
        rows.append(properties(take.samples[phrase.first : phrase.last], around))
        peak = float(np.clip(found.means(one).max(initial=0), 1 / 512, 511 / 512))
        scores.append(np.log(peak / (1 - peak)))
        names.append(path.name)
    x, y = np.array([list(row.values()) for row in rows]), np.array(scores)
    z = (x - x.mean(0)) / x.std(0)
    design = np.column_stack([np.ones(len(z)), z])
    weights, *_ = np.linalg.lstsq(design, y, rcond=None)
    rest = y - design @ weights
    spread = np.sqrt(
        np.diag(np.linalg.inv(design.T @ design)) * rest.var() * len(y) / (len(y) - design.shape[1])
    )
    print(f"{len(y)} phrases, explained variance {1 - rest.var() / y.var():.2f}")
    print(f"{'property':36} {'p10':>7} {'p50':>7} {'p90':>7} {'weight':>7} {'t':>6}")
    for i, name in enumerate(rows[0]):
        low, middle, high = np.percentile(x[:, i], (10, 50, 90))
        weight, t = weights[i + 1], weights[i + 1] / spread[i + 1]
        print(f"{name:36} {low:7.2f} {middle:7.2f} {high:7.2f} {weight:+7.2f} {t:+6.1f}")
    print("lowest scores (log-odds, then each property in standard deviations):")
    for i in np.argsort(y)[:LOWEST]:
        print(f"{names[i]:32} {y[i]:+5.1f}  " + " ".join(f"{v:+4.1f}" for v in z[i]))


if __name__ == "__main__":
    main()
