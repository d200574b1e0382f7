"""The whole wake word line, tiny: synthesis to report, with the user's own recordings, bad ones
among them."""

import json
import logging
import shutil
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from trainer.errors import UserError
from trainer.steps import write_record
from trainer.store import Clips, audio_row, build
from trainer.wakeword import captured
from trainer.wakeword.cutoff import tune
from trainer.wakeword.evaluation import evaluate
from trainer.wakeword.frames import Frames
from trainer.wakeword.pipeline import Pipeline
from trainer.wakeword.settings import WakeWordSettings
from trainer.wakeword.sources import sources_of

SMALL = {"samples": "150", "speech_hours": "0.15", "training_steps": "300", "workers": "2"}
SMALL |= {"neural_samples": "0", "starter": "false"}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("line")


@pytest.fixture(scope="module")
def recordings(home):
    from trainer.wakeword.engines import Voice

    for folder in ("own", "others"):
        (home / folder).mkdir()
    rng = np.random.default_rng(0)
    for i in range(6):
        voice = Voice(
            "espeak", ("en-us+f2", "en+m7", "en-us+klatt3")[i % 3], 0.9 + i / 20, i / 6, 0.5, 1.0
        )
        clip = np.concatenate(
            [np.zeros(8000), voice.speak("hey buster"), np.zeros(8000)]
        ) + rng.normal(0, 1e-3, 1)
        soundfile.write(home / "own" / f"{i}.flac", clip, 16000)
    (home / "own" / "broken.wav").write_bytes(b"RIFF")
    soundfile.write(home / "own" / "silent.wav", np.zeros(16000), 16000)
    soundfile.write(home / "others" / "tv.ogg", rng.normal(0, 0.05, 16000 * 15), 16000)
    return home


@pytest.fixture(scope="module")
def run(recordings, make_run):
    def run(check=False, **flags):
        folders = {
            "personal_samples": str(recordings / "own"),
            "negative_samples": str(recordings / "others"),
        }
        given = {"data_dir": str(recordings), **SMALL, **folders, **flags}
        current = make_run(WakeWordSettings, "wakeword", "hey buster", **given)
        pipeline = Pipeline(current, "hey buster", "Hey Buster")
        return pipeline.given.check() if check else (pipeline.delivered, current.steps)

    return run


@pytest.fixture(scope="module")
def result(run):
    return run()[0]


def test_gives_all_files(result):
    assert result.made
    names = {p.name for p in result.folder.iterdir()}
    assert names == {
        "hey_buster.tflite",
        "hey_buster.json",
        "hey_buster.yaml",
        "report.html",
        "experiment.json",
        "rejected.csv",
        "logs",
        "training.log",
    }
    record = json.loads((result.folder / "experiment.json").read_text())
    assert record["settings"]["samples"] == {"value": 150, "from": "flag"}
    assert record["export"]["agreement"]["mean"] < 0.05
    assert 10_000 < record["export"]["arena_measured"] < record["export"]["arena"] < 60_000
    page = (result.folder / "report.html").read_text()
    assert page.count("<svg") == 4
    assert "http://" not in page.replace("http://www.w3.org", "").replace(
        "http://purl.org", ""
    ).replace("http://creativecommons.org", "")


def test_bad_recordings_are_counted_with_their_reason(result, home):
    lines = next((home / "work/wakeword/read_personal").glob("*/rejected.csv")).read_text()
    assert "broken.wav,cannot be decoded" in lines
    assert "silent.wav,silent" in lines
    assert lines.count("\n") == 3


def test_nothing_changed_nothing_done(result, run):
    again, steps = run()
    assert not again.made
    assert again.folder == result.folder
    assert set(steps.seconds.values()) == {0.0}


def test_only_what_depends_runs_again(result, recordings, run):
    _, steps = run(training_steps="310")
    assert {name for name, seconds in steps.seconds.items() if seconds} == {
        "train",
        "export",
        "package",
    }
    soundfile.write(
        recordings / "others" / "more.wav", np.random.default_rng(1).normal(0, 0.1, 32000), 16000
    )
    _, steps = run()
    assert {name for name, seconds in steps.seconds.items() if seconds} == {
        "read_negative",
        "features_negative",
        "train",
        "export",
        "package",
    }


def test_jax_trains_too(result, run):
    other, steps = run(keras_backend="jax")
    assert {name for name, seconds in steps.seconds.items() if seconds} == {
        "train",
        "export",
        "package",
    }
    record = json.loads((other.folder / "experiment.json").read_text())
    assert record["export"]["agreement"]["mean"] < 0.05
    assert record["client"]["woke"] >= 1


def test_client_and_evaluation_agree(result, home, workers, say):
    """Same clips through pymicro-wakeword and through `evaluate`: same decisions."""
    from trainer.wakeword.client import wakes

    folder = home / "clips"
    folder.mkdir()
    clips = [
        say(text)
        for text in ("hey buster", "hey buster!", "hey brother", "good morning to you", "buster")
    ]
    for i, clip in enumerate(clips):
        soundfile.write(folder / f"{i}.wav", clip, 16000)
    woke = wakes(result.manifest, clips)
    measured = evaluate(result.model, folder, None, workers)
    peaks = [
        measured.means(o).max() > measured.cutoff
        for o in sorted(measured.positives, key=lambda o: o.path)
    ]
    assert sum(a == b for a, b in zip(woke, peaks, strict=True)) >= 4


def test_evaluation_counts_and_rejects(result, home, workers):
    from trainer.page import write
    from trainer.wakeword.report import evaluation_lines, evaluation_page

    measured = evaluate(result.model, home / "own", home / "others", workers)
    figures = measured.figures()
    assert figures["positives"] == 6
    names = [r["path"].rsplit("/")[-1] for r in figures["rejected"]]
    assert names == ["broken.wav", "silent.wav"]  # the same as in training
    assert figures["hours"] == pytest.approx(17 / 3600, rel=0.01)
    assert (
        0
        <= figures["recall_interval"][0]
        <= figures["recall"]
        <= figures["recall_interval"][1]
        <= 1
    )
    text = "\n".join(evaluation_lines(figures))
    assert "false accepts per hour" in text
    write(evaluation_page({"hey_buster": measured}, [figures]), home / "page.html")
    assert (home / "page.html").read_text().count("<svg") == 3


def test_python_gives_what_the_command_line_gives(run, recordings):
    """`wakeword.train` finds the finished model; `wakeword.evaluate` measures it."""
    from trainer import wakeword
    from trainer.wakeword import line

    result = run()[0]  # with the recordings that other tests have added
    folders = {
        "personal_samples": str(recordings / "own"),
        "negative_samples": str(recordings / "others"),
    }
    numbers = {"samples": 150, "speech_hours": 0.15, "training_steps": 300, "workers": 2}
    numbers |= {"neural_samples": 0, "starter": False}
    again = wakeword.train("hey buster", data_dir=recordings, **numbers, **folders)
    assert again.folder == result.folder
    assert again.figures == result.figures
    assert not again.made
    same = line.run("hey buster", "", {"data_dir": str(recordings), **SMALL, **folders})
    assert same.model == again.model
    found = wakeword.evaluate(again.model, recordings / "own", workers=2)
    assert found.figures()["positives"] == 6
    with pytest.raises(UserError, match="did you mean SAMPLES"):
        wakeword.train("hey buster", data_dir=recordings, sampels=3)
    with pytest.raises(UserError, match="TRAINING_STEPS from flag"):
        wakeword.train("hey buster", data_dir=recordings, training_steps=-1)


@pytest.mark.parametrize("data", [b"", b"x" * 999, None])
def test_what_is_no_model_is_named(result, home, workers, tmp_path, data):
    """An empty file, noise, and half of a model."""
    whole = result.model.read_bytes()
    (tmp_path / "a.tflite").write_bytes(whole[: len(whole) // 2] if data is None else data)
    with pytest.raises(UserError, match=r"a\.tflite: not a \.tflite that LiteRT can run"):
        evaluate(tmp_path / "a.tflite", home / "own", None, workers, 0.5, 5)
    (tmp_path / "a.json").write_bytes(b"\xff")
    with pytest.raises(UserError, match=r"a\.json: not a manifest"):
        evaluate(tmp_path / "a.tflite", home / "own", None, workers)


def command(*arguments):
    done = subprocess.run(
        [sys.executable, "-m", "trainer", "wakeword", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_several_models_are_compared(result, home, tmp_path):
    """In a table and in one plot; a manifest of another trainer has more keys."""
    other = tmp_path / "other.tflite"
    other.write_bytes(result.model.read_bytes())
    manifest = json.loads(result.manifest.read_text()) | {"calibration": {"x": 1}}
    manifest["micro"]["probability_cutoff"] = 0.31
    other.with_suffix(".json").write_text(json.dumps(manifest))
    folders = ("--positives", home / "own", "--ambient", home / "others")
    page = tmp_path / "page.html"
    printed = command("evaluate", *folders, "--report", page, result.model, other)
    table = printed[printed.index("model ") :].splitlines()
    assert [line.split()[0] for line in table[:3]] == ["model", "hey_buster", "other"]
    assert "0.31 x" in table[2]
    assert page.read_text().count("<svg") == 1
    found = json.loads(command("evaluate", *folders, "--json", result.model, other))
    assert set(found) == {str(result.model), str(other)}


def test_what_woke_a_device_is_sorted_corrected_and_used(result, home, run, say, tmp_path):
    folder = tmp_path / "captured"
    folder.mkdir()
    for name, text in (("1.wav", "hey buster"), ("2.wav", "some other words"), ("3.wav", "hello")):
        soundfile.write(folder / name, np.concatenate([np.zeros(8000), say(text)]), 16000)
    (folder / "broken.wav").write_bytes(b"RIFF")
    with pytest.raises(UserError, match=r"captured\.csv is missing: sort the clips with"):
        captured.read(folder)
    command("captured", result.model, folder)
    table = folder / "captured.csv"
    lines = table.read_text().splitlines()
    assert lines[0] == "file,wake,score,remark"
    assert sorted(line.split(",")[0] for line in lines[1:]) == ["1.wav", "2.wav", "3.wav"]
    table.write_text("file,wake\n1.wav,yes\n2.wav,No\n3.wav,no\n")
    right, wrong = captured.read(folder)
    assert [p.name for p in right] == ["1.wav"]
    assert [p.name for p in wrong] == ["2.wav", "3.wav"]
    command("captured", result.model, folder)  # answers are kept
    assert table.read_text().count("answered before") == 3
    table.write_text("file,wake\n1.wav,perhaps\n")
    with pytest.raises(UserError, match=r"captured\.csv:2: wake is 'perhaps'"):
        captured.read(folder)
    table.write_text("file,wake\n1.wav,yes\n2.wav,no\n")
    more, steps = run(captured=str(folder), also="hey busters", negative_phrases="hey brown")
    assert {"read_personal", "read_negative", "synthesize_phrase"} <= {
        name for name, seconds in steps.seconds.items() if seconds
    }
    record = json.loads((more.folder / "experiment.json").read_text())
    assert record["phrases"] == ["hey buster", "hey busters"]
    assert record["negative_phrases"] == ["hey brown"]
    assert record["recordings"]["personal"]["files"] == 7
    assert record["recordings"]["negative"]["files"] == 3
    page = (more.folder / "report.html").read_text()
    assert "7 of 9" in page
    assert "Rejected recordings" in page


def test_a_phrase_that_cannot_work_is_refused_before_anything_runs(run):
    for given, message in (
        ({"also": "привет"}, "Cyrillic"),
        ({"negative_phrases": "hey buster"}, "is also a phrase that wakes"),
        ({"also": "good morning my dear computer are you there"}, "takes [2-9]"),
        ({"engine": "flite", "also": "señor"}, "no engine is left"),
        ({"language": "eu"}, "no word list for 'eu'"),
    ):
        with pytest.raises(UserError, match=message):
            run(check=True, **given)


def test_none_usable_is_an_error(home, run):
    (home / "bad").mkdir()
    (home / "bad" / "x.wav").write_bytes(b"x")
    logging.getLogger("trainer").setLevel(logging.ERROR)
    with pytest.raises(UserError, match="none of 1 can be used"):
        run(personal_samples=str(home / "bad"))


def test_a_cutoff_is_chosen_anew(result, home, tmp_path, workers):
    """From the audio of a room: only the manifest's cutoff changes."""
    for suffix in (".tflite", ".json"):
        shutil.copy(result.model.with_suffix(suffix), tmp_path / f"a{suffix}")
    before = json.loads((tmp_path / "a.json").read_text())
    noise = np.random.default_rng(1).normal(0, 0.05, 16000 * 700)
    (tmp_path / "room").mkdir()
    soundfile.write(tmp_path / "room" / "evening.flac", noise, 16000)
    given = ["--ambient", tmp_path / "room", "--positives", home / "own", tmp_path / "a.tflite"]
    printed = command("tune-cutoff", *given)
    after = json.loads((tmp_path / "a.json").read_text())
    cutoff = after["micro"].pop("probability_cutoff")
    old = before["micro"].pop("probability_cutoff")
    assert after == before
    assert f"old cutoff {old:.2f}: " in printed
    assert f"new cutoff {cutoff:.2f}: " in printed
    assert "0.19 h of ambient audio; limit 0.5 false accepts an hour" in printed
    soundfile.write(tmp_path / "room" / "evening.flac", noise[: 16000 * 60], 16000)
    with pytest.raises(UserError, match="1 minutes of audio; at least 10 are needed"):
        tune(tmp_path / "a.tflite", tmp_path / "room", None, 0.5, workers)


def sentences(_, chunk):
    """Ten recordings of real speech; the sixth says the phrase."""
    from trainer.wakeword.engines import Voice

    for number in range(10):
        voice = Voice("espeak", "en-us+m7", 0.9, number / 10, 0.5, 1.0)
        yield audio_row(np.tile(voice.speak("it is a fine day today"), 10), number)


def test_recordings_are_held_out_as_a_whole(tmp_path, make_run, workers):
    """One recording in five chooses the cutoff, as it is; none that says the phrase is used."""
    home = tmp_path / "training_datasets" / "starter_speech"
    (home / "clips").mkdir(parents=True)
    build(home / "clips", sentences, None, 1, "test", workers)
    write_record(home / "clips" / "texts.json", {"6": "the computer says no"})
    (home / "ready").touch()
    given = {**SMALL, "data_dir": str(tmp_path), "samples": "60"}
    made = Pipeline(make_run(WakeWordSettings, "wakeword", "x", **given), "computer", "Computer")
    _, held_out = sources_of(made.features)
    plain, trained = (
        Frames(made.features[f"{name}_starter_speech"]) for name in ("ambient", "real")
    )
    assert set(trained.index["group"]) <= {1, 2, 3, 4, 7, 8, 9}
    assert plain.index["length"][0] == 5998
    ((frames, clips),) = held_out.real
    assert len(frames) == len(clips) == len(plain)


def test_neural_voices_take_part(tmp_path, tiny_voices, tiny_encoder, make_run):
    """Clips, features and sources of neural voices, and how different all voices are."""
    tiny_voices(tmp_path / "tools" / "kokoro")
    tiny_encoder(tmp_path / "tools")
    given = {**SMALL, "data_dir": str(tmp_path), "samples": "60", "neural_samples": "25"}
    made = Pipeline(make_run(WakeWordSettings, "wakeword", "x", **given), "computer", "Computer")
    for kind, many in (("phrase", 25), ("confusable", 13), ("speech", 7)):
        assert len(Clips(made.synthesized[f"neural_{kind}"])) == many
    scores = made.clips.diversity
    assert scores["of_each"].keys() == {"phrase", "neural_phrase"}
    assert scores["vendi_score"] > 1
    sources, held_out = sources_of(made.features)
    named = {one.name: one for one in sources}
    assert named["neural_phrase"].label == 1.0
    assert named["before_neural_phrase"].label == named["neural_confusable"].label == 0.0
    assert named["neural_phrase"].share > named["phrase"].share
    assert len(held_out.phrases) == 2
    rng = np.random.default_rng(0)
    frames = named["before_phrase"].frames
    ends = named["before_phrase"].draw(rng, 50, 100)
    marks = frames.index["start"] + frames.index["mark"]
    before = marks[np.searchsorted(frames.index["start"], ends, side="left") - 1] - ends
    assert 16 <= before.min() <= before.max() <= 60
