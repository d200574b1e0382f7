"""Only what pyproject.toml cannot say: the languages of lang/ are installed as
trainer/lang/<code>."""

from pathlib import Path

from setuptools import find_packages, setup

languages = [f"trainer.lang.{folder.name}" for folder in sorted(Path("lang").iterdir())]
setup(
    packages=[*find_packages(include=["trainer", "trainer.*"]), "trainer.lang", *languages],
    package_dir={"trainer.lang": "lang"},
    package_data={
        "trainer": ["page.html", "clients.lock"],
        "trainer.speech_engine.words": ["*.csv", "*.txt"],
        "trainer.spoken_code": ["*.toml"],
        "trainer.stt": ["flags.toml"],
        "trainer.wakeword": ["catalogue.toml"],
        "trainer.wakeword.engines": ["*.lock", "*.toml"],
        **{language: ["*"] for language in languages},
    },
)
