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
