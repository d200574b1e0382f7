import ast
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import click
import pytest

from trainer import PRODUCTS
from trainer.audio.mfcc import AS_PUBLISHED, Features
from trainer.errors import UserError
from trainer.settings import load
from trainer.stt.settings import SpeechSettings
from trainer.wakeword.settings import QUICK, WakeWordSettings


def test_later_sources_win_and_are_named(tmp_path):
    (tmp_path / ".defaults.env").write_text(
        "export SAMPLES=111\nTRAINING_STEPS=222\nCUDA_VISIBLE_DEVICES=-1\n"
    )
    loaded = load(
        WakeWordSettings, {"data_dir": str(tmp_path), "seed": "7"}, {"TRAINING_STEPS": "333"}
    )
    s = loaded.settings
    assert (s.samples, s.training_steps, s.seed) == (111, 333, 7)
    assert loaded.sources["samples"].endswith(".defaults.env")
    assert (
        loaded.sources["training_steps"],
        loaded.sources["seed"],
        loaded.sources["language"],
    ) == ("environment", "flag", "default")
    assert any(
        line.startswith("TRAINING_STEPS") and "333" in line and "environment" in line
        for line in loaded.lines()
    )


def test_defaults_are_the_references(tmp_path):
    s = load(WakeWordSettings, {"data_dir": str(tmp_path)}, {}).settings
    assert (s.samples, s.batch_size, s.training_steps) == (20000, 100, 25000)


def test_quick_gives_way_to_given_values(tmp_path):
    s = load(
        WakeWordSettings, {"data_dir": str(tmp_path), "quick": True, "samples": "500"}, {}
    ).settings
    assert (s.samples, s.training_steps) == (500, QUICK["training_steps"])


@pytest.mark.parametrize(
    ("flags", "environment", "match"),
    [
        ({"samples": "many"}, {}, "SAMPLES from flag"),
        ({"samples": "-3"}, {}, "SAMPLES from flag"),
        ({}, {"TRAINING_STEP": "5"}, "did you mean TRAINING_STEPS"),
        ({}, {"TRAINING_STEP": "5", "SAMPELS": "1"}, "TRAINING_STEPS.*unknown setting SAMPELS"),
        ({"model": "transformer"}, {}, "there are mixednet, inception"),
        ({"language": "English!"}, {}, "LANGUAGE"),
    ],
)
def test_nonsense_is_one_line(tmp_path, flags, environment, match):
    with pytest.raises(UserError, match=match) as error:
        load(WakeWordSettings, {"data_dir": str(tmp_path), **flags}, environment)
    assert "\n" not in str(error.value)


def test_unknown_name_from_python(tmp_path):
    with pytest.raises(UserError, match="unknown setting sampels; did you mean SAMPLES"):
        load(WakeWordSettings, {"data_dir": str(tmp_path), "sampels": 5}, {})


def test_unknown_name_in_the_file(tmp_path):
    (tmp_path / ".defaults.env").write_text("SAMPELS=5\n")
    with pytest.raises(UserError, match="did you mean SAMPLES"):
        load(WakeWordSettings, {"data_dir": str(tmp_path)}, {})


def test_locale_list_is_no_language(tmp_path):
    assert (
        load(
            WakeWordSettings, {"data_dir": str(tmp_path)}, {"LANGUAGE": "en_US:en"}
        ).settings.language
        == "en"
    )


def test_other_names_and_what_would_do_nothing(tmp_path):
    given = {"data_dir": str(tmp_path)}
    loaded = load(
        SpeechSettings,
        given,
        {"BATCH_SIZE": "64", "TEST_BATCH_SIZE": "8", "AMP": "1", "DROPOUT": "0.3"},
    )
    s = loaded.settings
    assert (
        s.train_batch_size,
        s.dev_batch_size,
        s.test_batch_size,
        s.automatic_mixed_precision,
        s.dropout_rate,
    ) == (64, 64, 8, True, 0.3)
    assert loaded.sources["train_batch_size"] == "environment (BATCH_SIZE)"


def test_flags_of_the_originals_are_ignored_or_all_refused_at_once():
    given = {"show_progressbar": "false", "max_to_keep": "1", "load_train": "auto", "epochs": "3"}
    loaded = load(SpeechSettings, given, {"SUMMARY_DIR": "/x", "LOG_LEVEL": "1"})
    assert loaded.settings.epochs == 3
    names = {text.split()[0] for text in loaded.ignored}
    assert names == {"SUMMARY_DIR", "LOG_LEVEL", "SHOW_PROGRESSBAR", "MAX_TO_KEEP", "LOAD_TRAIN"}
    refused = {"reverse_train": "true", "vocab_file": "w.txt", "load_train": "init"}
    with pytest.raises(UserError, match="would have no effect here: ") as error:
        load(SpeechSettings, refused, {})
    for name in ("REVERSE_TRAIN", "VOCAB_FILE", "LOAD_TRAIN=init"):
        assert name in str(error.value)
    load(SpeechSettings, {"reverse_train": "false"}, {})


def test_flags_are_switched_off_as_absl_does():
    from trainer.stt.cli import as_click

    given = ["--noshuffle_batches", "--no-reverse-train", "--nolayer_norm", "--noshow_progressbar"]
    assert as_click(given) == [
        "--shuffle_batches=false",
        "--reverse_train=false",
        "--nolayer_norm",
        "--show_progressbar=false",
    ]


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("N_EPOCHS", "EPOCHS"),
        ("BATCHSIZE", "BATCH_SIZE"),
        ("DROP_OUT", "DROPOUT"),
        ("EPOCH", "EPOCHS"),
        ("LEARNINGRATE", "LEARNING_RATE"),
        ("TRAIN_FILE", "TRAIN_FILES"),
    ],
)
def test_misspelt_variables_are_errors(name, meant):
    with pytest.raises(UserError, match=f"unknown setting {name}; did you mean {meant}"):
        load(SpeechSettings, {}, {name: "1"})


@pytest.mark.parametrize("name", ["HOSTNAME", "EDITOR", "MAIL", "PWD", "TERM_PROGRAM", "LS_COLORS"])
def test_variables_of_other_programs_are_left_alone(name):
    load(SpeechSettings, {}, {name: "x"})


def test_languages_of_wake_words_are_tags():
    for given, found in (("pt_BR", "pt-BR"), ("de_DE.UTF-8", "de-DE"), ("EN", "en")):
        loaded = load(WakeWordSettings, {}, {"LANGUAGE": given})
        assert loaded.settings.language == found
    loaded = load(WakeWordSettings, {}, {"LANGUAGE": "de_DE:en"})
    assert loaded.settings.language == "en"
    assert loaded.ignored == ("LANGUAGE=de_DE:en (a list of locales)",)


def test_a_language_comes_before_the_users_own_defaults(tmp_path):
    (tmp_path / ".defaults.env").write_text("EPOCHS=7\n")
    loaded = load(
        SpeechSettings,
        {"data_dir": str(tmp_path)},
        {},
        {"EPOCHS": "5", "N_HIDDEN": "64", "CV_RELEASE_FILENAME": "x"},
        "lang/xx",
    )
    assert (loaded.settings.epochs, loaded.settings.n_hidden) == (7, 64)
    assert loaded.sources["n_hidden"] == "lang/xx"
    with pytest.raises(UserError, match="lang/xx: unknown setting EPOCH; did you mean EPOCHS?"):
        load(SpeechSettings, {"data_dir": str(tmp_path)}, {}, {"EPOCH": "5"}, "lang/xx")


def test_coquis_way_of_writing():
    from trainer.stt.cli import as_click

    assert as_click(
        [
            "--train_files",
            "a.csv",
            "b.csv",
            "--early_stop",
            "true",
            "--layer_norm",
            "false",
            "--epochs",
            "3",
        ]
    ) == ["--train_files", "a.csv,b.csv", "--early_stop", "--no-layer-norm", "--epochs", "3"]
    assert as_click(["--early_stop=true", "--amp=False", "--text=a=true"]) == [
        "--early_stop",
        "--no-amp",
        "--text=a=true",
    ]
    assert as_click(
        ["--layer_norm=1", "--amp", "0", "--utf8=f", "--epochs=1", "--n-steps", "1"]
    ) == ["--layer_norm", "--no-amp", "--no-utf8", "--epochs=1", "--n-steps", "1"]
    assert as_click(["--export_description", "true"]) == ["--export_description", "true"]


def test_of_two_names_the_used_one_is_named():
    loaded = load(
        SpeechSettings,
        {
            "beam_width": "100",
            "export_beam_width": "200",
            "batch_size": "8",
            "train_batch_size": "4",
        },
        {},
    )
    assert loaded.sources["export_beam_width"] == "flag, not BEAM_WIDTH=100"
    assert (loaded.sources["train_batch_size"], loaded.settings.dev_batch_size) == ("flag", 8)


def test_nothing_is_no_path():
    s = load(SpeechSettings, {"scorer_path": "", "alphabet_config_path": ""}, {}).settings
    assert (s.scorer_path, s.alphabet_config_path) == (None, None)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (b"EPOCHS 7\n", r":1: 'EPOCHS 7' is not NAME=value"),
        (b"N_HIDDEN=8\nLAYER_NORM\n", ":2: 'LAYER_NORM' is not NAME=value"),
        (b"EPOCHS=7 # \xe9\n", ": not UTF-8"),
    ],
)
def test_lines_that_set_nothing_are_errors(tmp_path, written, expected):
    (tmp_path / ".defaults.env").write_bytes(written)
    with pytest.raises(UserError, match=expected):
        load(SpeechSettings, {"data_dir": str(tmp_path)}, {})


def test_variables_in_small_letters_are_errors():
    with pytest.raises(UserError, match="environment: n_hidden has no effect: write N_HIDDEN"):
        load(SpeechSettings, {}, {"n_hidden": "8"})


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"audio_sample_rate": 11025},
            "FEATURE_WIN_LEN: 32 ms are not a whole number of samples at AUDIO_SAMPLE_RATE=11025",
        ),
        (
            {"audio_sample_rate": 24000, "feature_win_len": 36},
            "FEATURE_WIN_LEN: 36 ms are not a whole number",
        ),  # 863 of 864 in clients
        (
            {"audio_sample_rate": 24000, "feature_win_step": 18},
            "FEATURE_WIN_STEP: 18 ms are not a whole number",
        ),
        (
            {"feature_win_len": 20, "feature_win_step": 30},
            "FEATURE_WIN_STEP=30 is longer than FEATURE_WIN_LEN=20",
        ),
    ],
)
def test_windows_that_clients_compute_otherwise_are_refused(given, expected):
    with pytest.raises(UserError, match=expected):
        assert SpeechSettings(**given).features


def test_windows():
    assert SpeechSettings().features == AS_PUBLISHED
    assert SpeechSettings(audio_sample_rate=44100, feature_win_len=30).features == Features(
        44100, 30, 20
    )


@pytest.mark.parametrize(
    ("given", "value"),
    [("--utf8", True), ("--noutf8", False), ("--no-utf8", False), ("--bytes-output-mode", True)],
)
def test_other_names_of_switches_are_switches(given, value):
    from trainer.options import settings_options

    found = {}

    @click.command()
    @settings_options(SpeechSettings)
    def command(**flags):
        found.update(flags)

    command.main([given, "--epochs", "3"], standalone_mode=False)
    assert found["utf8" if "utf8" in given else "bytes_output_mode"] is value
    assert found["epochs"] == "3"


def test_names_of_aliases_do_not_hide_settings():
    names = set(SpeechSettings.model_fields)
    assert not names & set(SpeechSettings.ineffective)
    assert not names & set(SpeechSettings.aliases)
    assert {target for targets in SpeechSettings.aliases.values() for target in targets} <= names


# --- settings and the keys of steps


def kind_of(product):
    return import_module(f"trainer.{product}.settings").SETTINGS


def sources_of(product):
    folder = Path(import_module(f"trainer.{product}").__file__).parent
    return [ast.parse(path.read_text()) for path in folder.rglob("*.py")]


def step_calls(product):
    """(function around it, call) of each `run.step(name, make, …)`."""
    for tree in sources_of(product):
        for outer in ast.walk(tree):
            if isinstance(outer, ast.FunctionDef):
                for node in ast.walk(outer):
                    if isinstance(node, ast.Call) and ast.unparse(node.func) == "self.run.step":
                        yield outer, node


def steps_of(product):
    """Names of a product's steps; of those named f"features_{name}", each that a setting names."""
    tree_strings = {
        node.value
        for tree in sources_of(product)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    kind, found = kind_of(product), set()
    for _, call in step_calls(product):
        first = call.args[0]
        if isinstance(first, ast.Constant):
            found.add(first.value)
            continue
        prefix = first.values[0].value
        for named in {step for name in kind.names() for step in kind.steps_of(name)}:
            if named.startswith(prefix) and named.removeprefix(prefix) in tree_strings:
                found.add(named)
    return sorted(found)


@pytest.mark.parametrize("product", PRODUCTS)
def test_each_setting_names_steps_of_its_product(product):
    kind, steps = kind_of(product), set(steps_of(product))
    # an experiment is one run, not a line of steps: its definition is the key
    assert steps or product == "experiment"
    for name in kind.names():
        named = set(kind.steps_of(name))
        assert named, f"{name} names no step"
        assert named <= steps or named in ({"none"}, {"always"}), (name, named - steps)
        field = kind.model_fields[name]
        assert field.description, name
        assert field.annotation is not float or isinstance(field.default, float), name


@pytest.mark.parametrize("product", PRODUCTS)
def test_each_setting_is_in_the_key_of_its_steps_and_of_no_other(product, tmp_path, make_run):
    kind = kind_of(product)

    def keys(s):
        found = {}
        steps = SimpleNamespace(run=lambda name, make, key, *_: found.update({name: key}))
        run = replace(make_run(kind, product, "x", data_dir=str(tmp_path)), settings=s, steps=steps)
        for step in steps_of(product):
            run.step(step, lambda out, own: None)
        return found

    plain = load(kind, {"data_dir": str(tmp_path)}, {}).settings
    before = keys(plain)
    for name in kind.names():
        after = keys(plain.model_copy(update={name: "another value"}))
        changed = {step for step in before if before[step] != after[step]}
        assert changed == set(kind.steps_of(name)) - {"none", "always"}, name


@pytest.mark.parametrize("product", PRODUCTS)
def test_a_step_sees_its_own_settings_only(product, tmp_path, make_run):
    kind = kind_of(product)
    run = make_run(kind, product, "x", data_dir=str(tmp_path))
    for step in steps_of(product):
        seen = []
        run.step(step, lambda out, s, seen=seen: seen.append(s))
        for name in kind.names():
            assert hasattr(seen[0], name) == bool({step, "none"} & set(kind.steps_of(name)))


@pytest.mark.parametrize("product", PRODUCTS)
def test_what_fills_a_step_reads_the_settings_that_it_is_given(product):
    """`self.run.settings`, or a variable of the function around, would miss the key."""
    for outer, call in step_calls(product):
        name = call.args[1].id
        (make,) = (n for n in ast.walk(outer) if isinstance(n, ast.FunctionDef) and n.name == name)
        own = {argument.arg for argument in make.args.args}
        used = {n.id for n in ast.walk(make) if isinstance(n, ast.Name)} - own
        text = ast.unparse(make)
        assert "s" not in used, text
        assert ".settings" not in text, text
