import click
import pytest

from trainer.mfcc import AS_PUBLISHED, Features
from trainer.settings import QUICK, SettingsError, load
from trainer.settings_stt import SpeechSettings


def test_later_sources_win_and_are_named(tmp_path):
    (tmp_path / ".defaults.env").write_text("export SAMPLES=111\nTRAINING_STEPS=222\nCUDA_VISIBLE_DEVICES=-1\n")
    loaded = load({"data_dir": str(tmp_path), "seed": "7"}, {"TRAINING_STEPS": "333"})
    s = loaded.settings
    assert (s.samples, s.training_steps, s.seed) == (111, 333, 7)
    assert loaded.sources["samples"].endswith(".defaults.env")
    assert (loaded.sources["training_steps"], loaded.sources["seed"], loaded.sources["language"]) == ("environment", "flag", "default")
    assert any(line.startswith("TRAINING_STEPS") and "333" in line and "environment" in line for line in loaded.lines())


def test_defaults_are_the_references(tmp_path):
    s = load({"data_dir": str(tmp_path)}, {}).settings
    assert (s.samples, s.batch_size, s.training_steps) == (20000, 100, 25000)


def test_quick_gives_way_to_what_is_said(tmp_path):
    s = load({"data_dir": str(tmp_path), "quick": True, "samples": "500"}, {}).settings
    assert (s.samples, s.training_steps) == (500, QUICK["training_steps"])


@pytest.mark.parametrize(("flags", "environment", "match"), [
    ({"samples": "many"}, {}, "SAMPLES from flag"),
    ({"samples": "-3"}, {}, "SAMPLES from flag"),
    ({}, {"TRAINING_STEP": "5"}, "did you mean TRAINING_STEPS"),
    ({"model": "transformer"}, {}, "there are mixednet, inception"),
    ({"language": "English!"}, {}, "LANGUAGE"),
])
def test_nonsense_is_one_line(tmp_path, flags, environment, match):
    with pytest.raises(SettingsError, match=match) as error:
        load({"data_dir": str(tmp_path), **flags}, environment)
    assert "\n" not in str(error.value)


def test_unknown_name_in_the_file(tmp_path):
    (tmp_path / ".defaults.env").write_text("SAMPELS=5\n")
    with pytest.raises(SettingsError, match="did you mean SAMPLES"):
        load({"data_dir": str(tmp_path)}, {})


def test_locale_list_is_no_language(tmp_path):
    assert load({"data_dir": str(tmp_path)}, {"LANGUAGE": "en_US:en"}).settings.language == "en"


def test_other_names_and_what_would_do_nothing(tmp_path):
    given = {"data_dir": str(tmp_path)}
    loaded = load(given, {"BATCH_SIZE": "64", "TEST_BATCH_SIZE": "8", "AMP": "1", "DROPOUT": "0.3"}, SpeechSettings)
    s = loaded.settings
    assert (s.train_batch_size, s.dev_batch_size, s.test_batch_size, s.automatic_mixed_precision, s.dropout_rate) == (64, 64, 8, True, 0.3)
    assert loaded.sources["train_batch_size"] == "environment (BATCH_SIZE)"
    with pytest.raises(SettingsError, match="SUMMARY_DIR from environment would have no effect: TensorBoard"):
        load(given, {"SUMMARY_DIR": "/x"}, SpeechSettings)


def test_a_language_comes_before_the_users_own_defaults(tmp_path):
    (tmp_path / ".defaults.env").write_text("EPOCHS=7\n")
    loaded = load({"data_dir": str(tmp_path)}, {}, SpeechSettings, {"EPOCHS": "5", "N_HIDDEN": "64", "CV_RELEASE_FILENAME": "x"}, "lang/xx")
    assert (loaded.settings.epochs, loaded.settings.n_hidden) == (7, 64)
    assert loaded.sources["n_hidden"] == "lang/xx"
    with pytest.raises(SettingsError, match="lang/xx: unknown setting EPOCH; did you mean EPOCHS?"):
        load({"data_dir": str(tmp_path)}, {}, SpeechSettings, {"EPOCH": "5"}, "lang/xx")


def test_coquis_way_of_writing():
    from trainer.cli import _as_click

    assert _as_click(["stt", "train", "--train_files", "a.csv", "b.csv", "--early_stop", "true", "--layer_norm", "false", "--epochs", "3"]) == [
        "stt", "train", "--train_files", "a.csv,b.csv", "--early_stop", "--no-layer-norm", "--epochs", "3"]
    assert _as_click(["stt", "train", "--early_stop=true", "--amp=False", "--text=a=true"]) == [
        "stt", "train", "--early_stop", "--no-amp", "--text=a=true"]
    assert _as_click(["stt", "train", "--layer_norm=1", "--amp", "0", "--utf8=f", "--epochs=1", "--n-steps", "1"]) == [
        "stt", "train", "--layer_norm", "--no-amp", "--no-utf8", "--epochs=1", "--n-steps", "1"]
    assert _as_click(["stt", "train", "--export_description", "true"]) == ["stt", "train", "--export_description", "true"]


def test_two_names_of_one_setting_are_told():
    loaded = load({"beam_width": "100", "export_beam_width": "200", "batch_size": "8", "train_batch_size": "4"}, {}, SpeechSettings)
    assert loaded.sources["export_beam_width"] == "flag, not BEAM_WIDTH=100"
    assert (loaded.sources["train_batch_size"], loaded.settings.dev_batch_size) == ("flag", 8)


def test_nothing_is_no_path():
    s = load({"scorer_path": "", "alphabet_config_path": ""}, {}, SpeechSettings).settings
    assert (s.scorer_path, s.alphabet_config_path) == (None, None)


@pytest.mark.parametrize(("written", "told"), [
    (b"EPOCHS 7\n", r":1: 'EPOCHS 7' is not NAME=value"), (b"N_HIDDEN=8\nLAYER_NORM\n", ":2: 'LAYER_NORM' is not NAME=value"),
    (b"EPOCHS=7 # \xe9\n", ": not UTF-8"),
])
def test_lines_that_set_nothing_are_errors(tmp_path, written, told):
    (tmp_path / ".defaults.env").write_bytes(written)
    with pytest.raises(SettingsError, match=told):
        load({"data_dir": str(tmp_path)}, {}, SpeechSettings)


def test_variables_in_small_letters_are_errors():
    with pytest.raises(SettingsError, match="environment: n_hidden has no effect: write N_HIDDEN"):
        load({}, {"n_hidden": "8"}, SpeechSettings)


@pytest.mark.parametrize(("given", "told"), [
    ({"audio_sample_rate": 11025}, "FEATURE_WIN_LEN: 32 ms are no whole number of samples at AUDIO_SAMPLE_RATE=11025"),
    ({"audio_sample_rate": 24000, "feature_win_len": 36}, "FEATURE_WIN_LEN: 36 ms are no whole number"),  # 863 of 864 in clients
    ({"audio_sample_rate": 24000, "feature_win_step": 18}, "FEATURE_WIN_STEP: 18 ms are no whole number"),
    ({"feature_win_len": 20, "feature_win_step": 30}, "FEATURE_WIN_STEP=30 is longer than FEATURE_WIN_LEN=20"),
])
def test_windows_that_clients_would_not_hear_are_refused(given, told):
    with pytest.raises(ValueError, match=told):
        assert SpeechSettings(**given).features


def test_windows():
    assert SpeechSettings().features == AS_PUBLISHED
    assert SpeechSettings(audio_sample_rate=44100, feature_win_len=30).features == Features(44100, 30, 20)


@pytest.mark.parametrize(("given", "value"), [("--utf8", True), ("--noutf8", False), ("--no-utf8", False), ("--bytes-output-mode", True)])
def test_other_names_of_switches_are_switches(given, value):
    from trainer.cli import _settings_options

    found = {}

    @click.command()
    @_settings_options("SpeechSettings")
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
