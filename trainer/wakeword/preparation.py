"""From clips to features: a scene around the clip, rooms, noise, then the micro front-end."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from trainer.audio import io as audio
from trainer.audio.augment import Augmenter, Chain
from trainer.audio.io import SAMPLE_RATE_HZ, Audio
from trainer.audio.micro_frontend import STEP_SAMPLES, WINDOW_SAMPLES, features
from trainer.audio.stretch import change_tempo
from trainer.store import Clips, Row
from trainer.wakeword.batches import COLD_SHARE

CHUNK = 64
# a second before the model's window, in which the noise estimate settles
PHRASE_SAMPLES = int(3.2 * SAMPLE_RATE_HZ)
EARLIEST_SAMPLES = int(0.9 * SAMPLE_RATE_HZ)  # devices ignore their first 0.74 s
NEGATIVE_SAMPLES = int(6.4 * SAMPLE_RATE_HZ)
PLAIN_SECONDS = 60
GAP_SAMPLES = SAMPLE_RATE_HZ // 2  # of faint noise between recordings that follow each other
DEFAULT_CHAIN = Chain()
AFTER_MARK_FRAMES = (2, 32)  # a positive window ends 20 ... 320 ms after the phrase
BEFORE_MARK_FRAMES = (-60, -16)  # the same clips without the end of the phrase must not wake
BABBLE = 0.35  # share of scenes in which others speak at the same time
BABBLE_DB = (-3.0, 25.0)  # of the phrase or the speech over them
BABBLE_VOICES = (1, 2, 4, 6)
HELD_OUT = 5  # one recording in five, where there is a split


@dataclass(frozen=True)
class FeaturePlan:
    """`count` augmented clips of one kind, made from `clips`.

    Kinds: "phrase": one clip near the end of 3.2 s, with silence, noise or speech around it;
    "speech": clips one after another for 6.4 s; "broken": recordings of the phrase cut, reversed
    and shuffled (voices and microphones without the phrase); "noise": noise, silence, sounds;
    "plain": clips one after another for a minute, as they were recorded.
    """

    kind: str
    clips: str
    speech: str
    rooms: str
    noises: tuple[str, ...]
    count: int
    seed: int
    chain: Chain = DEFAULT_CHAIN
    without: tuple[int, ...] = ()  # groups of clips that are not used
    split: str = ""  # of the groups: "train" or "held out"; all, if empty
    varied: bool = False  # recordings: also speaker perturbation, which synthesis does by itself


@cache
def _open(folder: str) -> Clips:
    return Clips(Path(folder))


@cache
def _augmenter(chain: Chain, rooms: str, noises: tuple[str, ...], total: int) -> Augmenter:
    return Augmenter(chain, _open(rooms), [_open(folder) for folder in noises], total)


def feature_chunk(plan: FeaturePlan, chunk: int) -> Iterator[Row]:
    """One chunk of a FeaturePlan: (uint8 frames, group, mark as frame or -1)."""
    kinds = {"phrase": 0, "speech": 1, "broken": 2, "noise": 3, "plain": 4}
    for number in range(chunk * CHUNK, min((chunk + 1) * CHUNK, plan.count)):
        rng = np.random.default_rng([plan.seed, 20 + kinds[plan.kind], number])
        yield _MAKERS[plan.kind](plan, number, rng)


def _usable(plan: FeaturePlan, clips: Clips) -> np.ndarray:
    """Numbers of the clips that the plan may use."""
    groups = clips.index["group"]
    usable = ~np.isin(groups, plan.without)
    if plan.split:
        wanted = usable & ((groups % HELD_OUT == 0) == (plan.split == "held out"))
        usable = wanted if wanted.any() else usable  # a set of a few recordings
    return np.flatnonzero(usable)


def mark_frame(sample: int) -> int:
    """The first frame whose window ends at or after `sample`."""
    return max(0, -(-(sample - WINDOW_SAMPLES) // STEP_SAMPLES)) + 1


def _phrase(plan: FeaturePlan, number: int, rng: np.random.Generator) -> Row:
    clips = _open(plan.clips)
    i = number % len(clips)
    word = vary(clips[i], rng) if plan.varied else clips[i]
    end = PHRASE_SAMPLES - int(rng.uniform(0.34, 0.7) * SAMPLE_RATE_HZ)
    if rng.random() < COLD_SHARE:  # soon after the start of the device
        end = min(
            end, max(EARLIEST_SAMPLES, len(word)) + int(rng.uniform(0.0, 1.0) * SAMPLE_RATE_HZ)
        )
    start = end - len(word)
    scene = np.zeros(PHRASE_SAMPLES, np.float32)
    scene[max(0, start) : end] = word[max(0, -start) :]
    draw, speech = rng.random(), _open(plan.speech)
    if draw < 0.3 and len(speech):  # somebody spoke before
        before = _like(speech[int(rng.integers(len(speech)))], word, rng)
        stop = start - int(rng.uniform(0.05, 0.6) * SAMPLE_RATE_HZ)
        if stop > 0:
            part = before[-stop:]
            scene[stop - len(part) : stop] += part
    if rng.random() < 0.25 and len(speech):  # ... or goes on with a command
        after = _like(speech[int(rng.integers(len(speech)))], word, rng)
        begin = end + int(rng.uniform(0.08, 0.3) * SAMPLE_RATE_HZ)
        part = after[: PHRASE_SAMPLES - begin]
        scene[begin : begin + len(part)] += part
    _babble(scene, audio.rms(word), speech, rng)
    changed = _augmenter(plan.chain, plan.rooms, plan.noises, PHRASE_SAMPLES)(scene, 0, rng)
    open_microphone(changed, start, rng)
    if rng.random() < 0.3:  # ... and closes after it
        changed[end + int(rng.uniform(0.03, 0.4) * SAMPLE_RATE_HZ) :] *= rng.choice([0.0, 1e-3])
    return features(changed), int(clips.index["group"][i]), mark_frame(end)


def _speech(plan: FeaturePlan, number: int, rng: np.random.Generator) -> Row:
    clips = _open(plan.clips)
    scene = np.zeros(NEGATIVE_SAMPLES, np.float32)
    # half of the speech begins after silence, as the phrase does: otherwise a model learns that
    # speech after silence is the phrase
    quiet = rng.random() < 0.5
    at = first_sound = int(rng.uniform(0, 3.5) * SAMPLE_RATE_HZ) if quiet else 0
    order = np.random.default_rng([plan.seed, 29]).permutation(_usable(plan, clips))
    group, step = -1, 0
    # walk the clips so that each is used before any comes again
    first = number * max(1, len(order) // plan.count) if plan.count <= len(order) else number
    while at < NEGATIVE_SAMPLES:
        i = int(order[(first + step) % len(order)])
        group = int(clips.index["group"][i]) if group < 0 else group
        word = clips[i]
        if plan.varied:
            word = vary(word, rng)
        word = word * np.float32(10 ** (rng.uniform(-6, 6) / 20))
        part = word[: NEGATIVE_SAMPLES - at]
        scene[at : at + len(part)] = part
        at += len(part) + int(
            (rng.uniform(0.6, 2.5) if quiet else rng.exponential(0.25)) * SAMPLE_RATE_HZ
        )
        step += 1
    _babble(scene, audio.rms(scene), _open(plan.speech), rng)
    return _negative(plan, scene, rng, 0.2, first_sound), group, -1


def _babble(scene: Audio, level: float, speech: Clips, rng: np.random.Generator) -> None:
    """In place, in a share of scenes: other voices under what is said, from its start to its end.
    In both kinds of scenes, so that they tell nothing."""
    if rng.random() >= BABBLE or not len(speech):
        return
    others = np.zeros_like(scene)
    for _ in range(int(rng.choice(BABBLE_VOICES))):
        clip = int(rng.integers(len(speech)))
        start = int(rng.integers(speech.index["length"][clip]))
        voice = speech.piece(clip, start, len(scene))
        others += voice / (audio.rms(voice) + 1e-6)
    over = 10 ** (rng.uniform(*BABBLE_DB) / 20)
    scene += others * np.float32(level / over / (audio.rms(others) + 1e-9))


def _broken(plan: FeaturePlan, number: int, rng: np.random.Generator) -> Row:
    clips = _open(plan.clips)
    scene, at = np.zeros(NEGATIVE_SAMPLES, np.float32), 0
    group = -1
    while at < NEGATIVE_SAMPLES:
        i = int(rng.integers(len(clips)))
        group = int(clips.index["group"][i]) if group < 0 else group
        word = break_phrase(vary(clips[i], rng), rng)
        part = word[: NEGATIVE_SAMPLES - at]
        scene[at : at + len(part)] = part
        at += len(part) + int(rng.uniform(0.02, 0.9) * SAMPLE_RATE_HZ)
    return _negative(plan, scene, rng, 0.2), group, -1


def _noise(plan: FeaturePlan, number: int, rng: np.random.Generator) -> Row:
    clips = _open(plan.clips)
    scene = np.zeros(NEGATIVE_SAMPLES, np.float32)
    if rng.random() < 0.9:
        i = int(rng.integers(len(clips)))
        scene = clips.piece(i, int(rng.integers(clips.index["length"][i])), NEGATIVE_SAMPLES)
    if rng.random() < 0.3:  # single sounds: silence around them
        scene *= (
            np.repeat(rng.random(32), NEGATIVE_SAMPLES // 32 + 1)[:NEGATIVE_SAMPLES] < 0.3
        ).astype(np.float32)
    return _negative(plan, scene, rng, 0.6), number, -1


def _negative(
    plan: FeaturePlan,
    scene: Audio,
    rng: np.random.Generator,
    interrupted: float,
    first_sound: int = 0,
) -> np.ndarray:
    """Augmented features of a negative scene; a share is interrupted. `first_sound`: of speech."""
    changed = _augmenter(plan.chain, plan.rooms, plan.noises, NEGATIVE_SAMPLES)(scene, 0, rng)
    open_microphone(changed, first_sound, rng)
    return features(interrupt(changed, rng) if rng.random() < interrupted else changed)


def open_microphone(samples: Audio, start: int, rng: np.random.Generator) -> None:
    """In place, in four of ten: silence until up to 1.3 s before `start`, so that the background
    begins with the speech."""
    if rng.random() < 0.4:
        samples[: max(0, start - int(rng.uniform(0, 1.3) * SAMPLE_RATE_HZ))] *= rng.choice(
            [0.0, 1e-3]
        )


def interrupt(samples: Audio, rng: np.random.Generator) -> Audio:
    """Stretches of other levels, many silent, that begin at once or within two seconds.

    The front-end's noise estimate falls to zero in silence, and the next sound is then as large as
    a shouted word: without such examples a model wakes at every start of a sound.
    """
    cuts = np.sort(rng.integers(0, len(samples), rng.integers(1, 5)))
    levels = rng.choice([0.0, 1e-3, 0.1, 1.0], len(cuts) + 1, p=[0.4, 0.15, 0.1, 0.35])
    gains = np.repeat(levels, np.diff(np.concatenate([[0], cuts, [len(samples)]]))).astype(
        np.float32
    )
    for cut in cuts:
        length = int(rng.choice([0.0, 0.3, 2.0]) * rng.random() * SAMPLE_RATE_HZ)
        ramp = gains[cut : cut + length]
        if len(ramp) and cut > 0:
            rise = np.linspace(0, 1, len(ramp), dtype=np.float32)
            gains[cut : cut + len(ramp)] = gains[cut - 1] * (1 - rise) + ramp * rise
    return samples * gains


def _plain(plan: FeaturePlan, number: int, rng: np.random.Generator) -> Row:
    clips = _open(plan.clips)
    total = PLAIN_SECONDS * SAMPLE_RATE_HZ
    scene = rng.normal(0, 1e-4, total).astype(np.float32)
    order = _usable(plan, clips)
    at, step = 0, number * len(order) // plan.count
    while at < total:
        part = clips[int(order[step % len(order)])][: total - at]
        scene[at : at + len(part)] += part
        at, step = at + len(part) + GAP_SAMPLES, step + 1
    return features(scene), number, -1


_MAKERS = {
    "phrase": _phrase,
    "speech": _speech,
    "broken": _broken,
    "noise": _noise,
    "plain": _plain,
}


def vary(samples: Audio, rng: np.random.Generator) -> Audio:
    """Speaker perturbation: tempo changed by up to a third, often with a slower end; resampled,
    more towards low voices: real ones are lower and more drawn out than neural ones."""
    if rng.random() < 0.67:
        tempo = float(np.exp(rng.uniform(-0.3, 0.25)))
        if rng.random() < 0.5:
            samples = slow_end(samples, rng.uniform(0.4, 0.8), tempo, rng.uniform(1.0, 1.7))
        else:
            samples = change_tempo(samples, tempo)
    factor = float(np.exp(rng.uniform(-0.2, 0.3)))
    return audio.resample(samples, SAMPLE_RATE_HZ * factor, "QQ")


def slow_end(samples: Audio, share: float, tempo: float, slower: float) -> Audio:
    """At `tempo`, but `slower` times slower after `share` of it."""
    cut = int(share * len(samples))
    fade = min(80, cut, len(samples) - cut)
    first = change_tempo(samples[: cut + fade], tempo)
    last = change_tempo(samples[cut:], tempo / slower)
    fade = min(fade, len(first), len(last))
    rise = np.linspace(0, 1, fade, dtype=np.float32)
    joined = first[len(first) - fade :] * (1 - rise) + last[:fade] * rise
    return np.concatenate([first[: len(first) - fade], joined, last[fade:]])


def break_phrase(samples: Audio, rng: np.random.Generator) -> Audio:
    """A recording without the phrase: a part of it, reversed, or its pieces in another order."""
    kind, total = rng.integers(5), len(samples)
    if kind == 0:
        return samples[: int(total * rng.uniform(0.3, 0.62))]
    if kind == 1:
        return samples[int(total * rng.uniform(0.42, 0.7)) :]
    if kind == 2:
        return samples[::-1].copy()
    cuts = np.sort(rng.uniform(0.2, 0.8, 1 if kind == 3 else 2)) * total
    pieces = np.split(samples, cuts.astype(int))
    fade = np.linspace(0, 1, 80, dtype=np.float32)
    for piece in pieces:
        if len(piece) > 160:
            piece[:80] = piece[:80] * fade
            piece[-80:] = piece[-80:] * fade[::-1]
    return np.concatenate(pieces[::-1])


def _like(samples: Audio, model: Audio, rng: np.random.Generator) -> Audio:
    """At the loudness of `model`, give or take."""
    return samples * np.float32(
        audio.rms(model) / (audio.rms(samples) + 1e-6) * 10 ** (rng.uniform(-8, 3) / 20)
    )
