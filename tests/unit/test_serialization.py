"""Objects as JSON and back; what is missing, unknown, moved, newer or cannot be written."""

import json
from pathlib import Path

import pytest

from trainer import serialization
from trainer.errors import UserError
from trainer.serialization import Deserializer, serializable, write


@serializable
class Inner:
    size: int = 2
    place: Path | None = None


@serializable(version=3, migrations={1: lambda f: f | {"inner": None}, 2: lambda f: f})
class Outer:
    name: str
    inner: Inner | None = None
    parts: tuple[Inner, ...] = ()
    rates: dict[str, float] | None = None

    def __post_init__(self):
        self.state = 7


def again(value, **more):
    return Deserializer(**more).read(json.loads(json.dumps(write(value))))


def test_round_trip():
    made = Outer("a", Inner(5, Path("/x")), (Inner(1), Inner(2)), {"low": 0.5})
    found = again(made)
    assert isinstance(found, Outer)
    assert found.inner.place == Path("/x")
    assert [one.size for one in found.parts] == [1, 2]
    assert found.rates == {"low": 0.5}
    assert found.state == 7


def test_older_versions_are_migrated():
    data = write(Outer("a")) | {"version": 1, "fields": {"name": "b"}}
    assert Deserializer().read(data).name == "b"


def test_all_problems_are_told_at_once():
    data = write(Outer("a", Inner()))
    data["fields"]["colour"] = 1
    data["fields"]["inner"]["fields"]["weight"] = 1
    del data["fields"]["name"]
    with pytest.raises(UserError) as error:
        Deserializer().read(data)
    for part in ("no field colour", "no value for name", "no field weight"):
        assert part in str(error.value)


def test_a_newer_version_and_a_class_that_moved():
    data = write(Outer("a"))
    with pytest.raises(UserError, match="version 4, this installation has 3"):
        Deserializer().read(data | {"version": 4})
    old = data | {"class": "some.place:Outer"}
    with pytest.raises(UserError, match="renamed or moved"):
        Deserializer().read(old)
    here = serialization.name_of(Outer)
    assert Deserializer({"some.place:Outer": here}).read(old).name == "a"


def test_classes_that_cannot_be_written_are_refused_when_they_are_defined():
    with pytest.raises(TypeError, match=r"Bad\.what"):

        @serializable
        class Bad:
            what: object

    @serializable
    class Fine:
        what: list

    with pytest.raises(UserError, match=r"what\[0\]: a object cannot be written"):
        write(Fine([object()]))


def test_only_marked_classes_are_made():
    data = {"class": "pathlib:Path", "version": 1, "fields": {}}
    with pytest.raises(UserError, match="no @serializable"):
        Deserializer().read(data)


def test_objects_of_keras():
    import keras

    found = again([keras.metrics.Mean(name="m"), keras.callbacks.EarlyStopping("loss", patience=3)])
    assert found[0].name == "m"
    assert (found[1].monitor, found[1].patience) == ("loss", 3)


def test_parameters_that_keras_does_not_keep():
    import keras

    with pytest.raises(UserError, match="LearningRateScheduler: its parameter schedule cannot"):
        write(keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate))
    assert again(keras.callbacks.EarlyStopping("loss", mode="max")).mode == "max"
