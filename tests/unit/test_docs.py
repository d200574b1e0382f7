"""Documentation and configuration files agree with the code."""

import re
import runpy
from pathlib import Path

import pytest

from trainer.settings import load
from trainer.stt.settings import SpeechSettings

ROOT = Path(__file__).parents[2]


def test_the_settings_page_is_fresh():
    made = runpy.run_path(str(ROOT / "docs" / "make_settings.py"))["text"]()
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == made, "run `make docs`"


@pytest.mark.parametrize("recipe", sorted(ROOT.glob("recipes/*/settings.env")))
def test_recipes_are_settings_with_their_source(recipe, tmp_path):
    loaded = load(SpeechSettings, {"data_dir": str(tmp_path)}, {}, settings_file=recipe)
    given = {name for name, source in loaded.sources.items() if source == str(recipe)}
    assert given
    assert any(str(recipe) in line for line in loaded.lines())
    for name in given:
        for file in re.findall(rf"{re.escape(str(recipe.parent))}\S+", str(loaded.settings)):
            assert Path(file.strip("'\",;")).exists(), (name, file)
    assert "${" not in str(loaded.settings)


def test_links_between_pages_lead_somewhere():
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("recipes/**/*.md")]:
        for link in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
            if "://" not in link:
                assert (page.parent / link).exists(), f"{page}: {link}"


def test_pages_stay_short():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 90
    assert len((ROOT / "CONTRIBUTING.md").read_text().splitlines()) <= 60


def test_modules_stay_small():
    for path in (ROOT / "trainer").rglob("*.py"):
        assert len(path.read_text().splitlines()) <= 350, path
    assert len((ROOT / "trainer" / "cli.py").read_text().splitlines()) <= 120


def test_pre_commit_uses_the_locked_ruff():
    locked = re.search(r"^ruff==\S+", (ROOT / "requirements" / "dev.lock").read_text(), re.M)
    hooks = (ROOT / ".pre-commit-config.yaml").read_text()
    assert set(re.findall(r"ruff==[\d.]+", hooks)) == {locked.group()}


def locked(name):
    """The packages of a lock file."""
    text = (ROOT / "requirements" / f"{name}.lock").read_text()
    return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.M))


@pytest.mark.parametrize("name", ["cpu", "jax-cpu"])
def test_locks_for_aarch64_differ_only_where_there_is_no_wheel(name):
    here, there = locked(name), locked(f"{name}-aarch64")
    without = {"tensorflow-cpu", "tflite-micro", "python-stretch"}
    assert set(here) - set(there) == without | {"pyyaml"}  # of tflite-micro
    assert set(there) - set(here) <= {"tensorflow", "tensorflow-io-gcs-filesystem"}
    assert all(here[p] == there[p] for p in set(here) & set(there))
    assert not {"libclang", "docopt"} & (set(here) | set(there))


def test_sizes_of_the_data_sets_are_told_alike():
    """The catalogue's, in the documentation and in the warning of little disk."""
    import tomllib

    catalogue = tomllib.loads((ROOT / "trainer/wakeword/catalogue.toml").read_text())
    gigabytes = sum(t["megabytes"] for t in catalogue.values()) / 1000
    text = (ROOT / "docs/wakeword.md").read_text()
    told = re.search(r"\((\d+) GB of archives, (\d+) GB of disk", text)
    assert int(told[1]) == round(gigabytes)
    assert int(told[2]) == pytest.approx(3 * gigabytes, abs=2)
    assert f"setup_training_datasets {told[2]} GB" in (ROOT / "entrypoints/start").read_text()
