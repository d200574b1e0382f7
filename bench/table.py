"""`make bench`: our figures, the plain way in the same run, and those of the reference trainer.

The plain way: library layers and transforms as they come, one process, one `train_on_batch` a step.
The reference's figures were measured with microWakeWord (upstream, TensorFlow 2.20) and DeepSpeech
0.9.3 on two such cores without a GPU.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from bench import plain
from bench.memory import Memory
from trainer.audio.augment import Augmenter
from trainer.machine import machine
from trainer.store import Clips, build
from trainer.wakeword import preparation, synthesis
from trainer.wakeword.confusables import Words
from trainer.wakeword.frames import Frames
from trainer.wakeword.preparation import DEFAULT_CHAIN, FeaturePlan
from trainer.wakeword.synthesis import SoundPlan, SpeechPlan
from trainer.workers import Workers

SECONDS = float(os.environ.get("BENCH_SECONDS", "20"))


def rate(function: Callable[[], int], seconds: float = SECONDS) -> float:
    """Items per second: calls `function`, which returns their number, for about `seconds`."""
    function()
    start, count = time.perf_counter(), 0
    while time.perf_counter() - start < seconds:
        count += function()
    return count / (time.perf_counter() - start)


def timed(function: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main() -> None:
    """Measure and print the table."""
    warnings.simplefilter("ignore")
    here = machine()
    cores = here.cores
    rows: list[tuple[str, str, str, str, str]] = []
    memory = Memory()

    def row(
        what: str, ours: float, other: float | None, reference: float | None, unit: str
    ) -> None:
        plain_way = f"{other:.4g} ({ours / other:.1f}x)" if other else "-"
        recorded = f"{reference:g} ({ours / reference:.1f}x)" if reference else "-"
        own, everything = memory.peak()
        rows.append(
            (what, f"{ours:.4g} {unit}", plain_way, recorded, f"{own:.0f} / {everything:.0f}")
        )
        print("  ".join(rows[-1]), file=sys.stderr)

    with tempfile.TemporaryDirectory() as name, Workers(cores) as pool:
        home = Path(name)
        folders = {n: home / n for n in ("word", "speech", "room", "noise", "features")}
        for folder in folders.values():
            folder.mkdir()
        # plans as large as a run's, so that the start of workers has the same share
        pool.run(abs, range(cores), "starting workers")
        english = Words("en")
        words = SpeechPlan("phrase", ("hey buster",), english, ("espeak", "flite"), 3000, 1)
        spoken = timed(
            lambda: build(
                folders["word"], synthesis.speech_chunk, words, 30, "speaking", pool, fresh=True
            )
        )
        row(
            "clips synthesized", words.count / spoken, plain.synthesis_rate(SECONDS / 2), None, "/s"
        )
        build(
            folders["speech"],
            synthesis.speech_chunk,
            SpeechPlan("speech", ("hey buster",), english, ("espeak",), 200, 1),
            2,
            "",
            pool,
            fresh=True,
        )
        build(folders["room"], synthesis.sound_chunk, SoundPlan("room", 100, 1), 1, "", pool)
        build(folders["noise"], synthesis.sound_chunk, SoundPlan("noise", 50, 1), 1, "", pool)

        word, rooms, noises = (
            Clips(folders["word"]),
            Clips(folders["room"]),
            Clips(folders["noise"]),
        )
        change = Augmenter(DEFAULT_CHAIN, rooms, [noises], preparation.PHRASE_SAMPLES)
        counter = iter(range(1 << 30))

        def augment_one() -> int:
            i = next(counter)
            change(word[i % len(word)], 20000, np.random.default_rng(i))
            return 1

        chain = plain.Audiomentations(folders["room"], folders["noise"], home)
        one_core, chain_rate = (
            rate(augment_one),
            rate(lambda: chain(word[next(counter) % len(word)])),
        )
        row("augmentation, one core", one_core, chain_rate, 285, "clips/s")
        many = 1500 * cores
        pool.run(
            _augment_many, [(str(home), k, 1) for k in range(8 * cores)], "opening rooms and noises"
        )
        both = timed(
            lambda: pool.run(
                _augment_many, [(str(home), k, many // 60) for k in range(60)], "augmenting"
            )
        )
        row("augmentation, all cores", many / both, chain_rate, 285, "clips/s")

        plan = FeaturePlan(
            "phrase",
            str(folders["word"]),
            str(folders["speech"]),
            str(folders["room"]),
            (str(folders["noise"]),),
            6000,
            1,
        )
        stored = timed(
            lambda: build(
                folders["features"],
                preparation.feature_chunk,
                plan,
                -(-6000 // preparation.CHUNK),
                "features",
                pool,
            )
        )
        row(
            "clips -> stored features",
            6000 / stored,
            plain.stored_rate(chain, word, SECONDS),
            65,
            "clips/s",
        )
        size = Frames(folders["features"]).data.nbytes / 6000
        rows.append(
            (
                "bytes stored a clip",
                f"{size / 1000:.1f} kB",
                "492.8",
                f"492.8 ({size / 492800:.3f}x)",
                "",
            )
        )

        from bench import steps

        ours, library = (
            steps.ours(folders["features"], home, SECONDS),
            plain.training_rate(folders["features"], SECONDS),
        )
        row("training steps, batch 128, MixedNet", ours, library, 25.9, "steps/s")
        row(
            "training steps, batch 128, Inception",
            steps.ours(folders["features"], home, SECONDS, "inception"),
            None,
            None,
            "steps/s",
        )
        hours, megabytes = steps.scan(folders["features"])
        row("validation, hours of ambient audio a second", hours, None, 1 / 3.4, "h/s")
        rows.append(
            ("  its memory, 1 h -> 10 h", f"+{megabytes:.0f} MB", "-", "12000-17000 MB", "")
        )
        from bench import speech

        speech.rows(row, home, pool, SECONDS)
    from bench import zoo

    zoo.rows(row)
    memory.stop()
    print(f"\n{here.cpu}, {cores} cores, {here.memory_mb} MB")
    heads = "ours", "plain, same run", "reference, recorded", "MB, own / all"
    print(f"{'':44} {heads[0]:>18} {heads[1]:>22} {heads[2]:>22} {heads[3]:>15}")
    for what, value, other, reference, peak in rows:
        print(f"{what:44} {value:>18} {other:>22} {reference:>22} {peak:>15}")
    print("MB: peak since the row above, of this process and with its workers; with the plain way,")
    print("which no user's run has.")


def _augment_many(task: tuple[str, int, int]) -> None:
    """In a worker: `many` clips."""
    home, first, many = Path(task[0]), task[1], task[2]
    words = preparation._open(str(home / "word"))
    change = preparation._augmenter(
        DEFAULT_CHAIN, str(home / "room"), (str(home / "noise"),), preparation.PHRASE_SAMPLES
    )
    for i in range(many):
        change(words[(first * many + i) % len(words)], 20000, np.random.default_rng([first, i]))
