"""Where somebody speaks in a recording: by short-time energy, against the background."""

from functools import cache
from itertools import pairwise

import numpy as np

from trainer.audio.io import SAMPLE_RATE_HZ, Audio

HOP = SAMPLE_RATE_HZ // 100
LOWEST_HZ = 120.0  # below: offsets and hum, which are not speech
FAR = 30  # frames (0.3 s): a sound further away may be something else
CLICK = 3  # frames: shorter sounds are clicks, ...
CLICK_FAR = 10  # ... and something else already at this distance
KEPT, KEPT_TIME = 0.9, 0.8  # shares of the sound and of its time that trimming must keep
Runs = list[tuple[int, int]]  # first and end sample of stretches of speech


@cache
def _high_pass() -> np.ndarray:
    from scipy import signal

    return np.asarray(signal.butter(4, LOWEST_HZ, "highpass", fs=SAMPLE_RATE_HZ, output="sos"))


def without_rumble(samples: Audio) -> Audio:
    """Without offset and hum: a high-pass of fourth order at 120 Hz."""
    from scipy import signal

    if not len(samples):
        return samples
    sections = _high_pass()
    begin = signal.sosfilt_zi(sections) * samples[0]  # an offset is no step at the start
    return np.asarray(signal.sosfilt(sections, samples, zi=begin)[0], np.float32)


def loud_frames(samples: Audio) -> np.ndarray:
    """Whether each frame of 10 ms is speech: bool (frames,)."""
    return levels(samples)[1]


def levels(
    samples: Audio, floor_factor: float = 3.0, peak_share: float = 0.08
) -> tuple[np.ndarray, np.ndarray]:
    """(root mean square of each frame of 10 ms, whether it is speech).

    A frame of 20 ms counts as speech above `floor_factor` times the quietest tenth and above
    `peak_share` of the loudest frames.
    """
    if len(samples) < 4 * HOP:
        return np.zeros(0), np.zeros(0, bool)
    clear = without_rumble(samples)
    frames = np.lib.stride_tricks.sliding_window_view(clear, 2 * HOP)[::HOP]
    energy = np.sqrt(np.mean(np.square(frames), axis=1))
    peak = np.percentile(energy, 99)
    if peak < 1e-4:
        return energy, np.zeros(len(energy), bool)
    # padding with digital silence is not the background; and where speech fills the clip there is
    # no floor to measure: never require more than a quarter of the peak
    audible = energy[energy > peak * 1e-4]
    floor = min(np.percentile(audible, 10) * floor_factor, peak / 4)
    return energy, np.asarray(energy > max(floor, peak * peak_share))


def runs(loud: np.ndarray, join: int = 1) -> Runs:
    """(first, end) frames of stretches of True; gaps shorter than `join` frames are filled."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], loud.view(np.int8), [0]])))
    found: Runs = []
    for first, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if found and first - found[-1][1] < join:
            found[-1] = found[-1][0], end
        else:
            found.append((first, end))
    return found


def speech_bounds(samples: Audio) -> tuple[int, int] | None:
    """First and last sample of the speech; None if nothing stands out from the background.

    Sounds at the edges, far from the rest, are left out as long as nine tenths of the sound (sum of
    levels) and four fifths of its time are kept: a click or a breath is, a word of the phrase
    before a pause is not.
    """
    energy, loud = levels(samples)
    found = runs(loud, join=CLICK_FAR)
    if not found:
        return None
    time = sum(end - first for first, end in found) * (1 - KEPT_TIME)
    sound = float(energy[loud].sum()) * (1 - KEPT)
    while len(found) > 1:
        edges = [(found[0], found[1][0] - found[0][1]), (found[-1], found[-1][0] - found[-2][1])]
        droppable = [
            (float(energy[first:end].sum()), (first, end))
            for (first, end), gap in edges
            if gap >= (CLICK_FAR if end - first < CLICK else FAR)
        ]
        weight, run = min(droppable, default=(np.inf, (0, 0)))
        if weight > sound or run[1] - run[0] > time:
            break
        sound, time = sound - weight, time - (run[1] - run[0])
        found.remove(run)
    return found[0][0] * HOP, min((found[-1][1] + 1) * HOP, len(samples))


def phrases_in(samples: Audio, longest_seconds: float, shortest_pause: float = 0.2) -> Runs:
    """(first, end) samples of the repetitions of one phrase in a long take.

    The pause that separates repetitions is the one that makes them most alike in length: shorter
    ones are inside the phrase. Pieces longer than `longest_seconds` are returned too.
    """
    parts = runs(loud_frames(samples), join=round(shortest_pause * 100))
    gaps = sorted({b[0] - a[1] for a, b in pairwise(parts)}, reverse=True)
    best, best_score = parts, np.inf
    for gap in gaps:  # split at pauses of at least `gap`
        pieces = parts[:1]
        for part in parts[1:]:
            if part[0] - pieces[-1][1] < gap:
                pieces[-1] = pieces[-1][0], part[1]
            else:
                pieces.append(part)
        lengths = np.array([end - first for first, end in pieces], float)
        too_long = float(np.mean(lengths > longest_seconds * 100))
        score = float(np.std(np.log(lengths))) + 3 * too_long
        if score < best_score - 0.02:  # if equally good, the fewest splits
            best, best_score = pieces, score
    return [(first * HOP, min((end + 1) * HOP, len(samples))) for first, end in best]
