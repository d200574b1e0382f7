import logging

from trainer import rejected
from trainer.rejected import Rejected

FOUND = [
    Rejected("/a/1.wav", "too long (31 s)", "a sentence, with a comma"),
    Rejected("/a/2.wav", "empty"),
    Rejected("/a/3.wav", "too long (32 s)"),
]


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / rejected.FILE
    rejected.write(path, FOUND)
    assert path.read_text().splitlines()[0] == "path,reason,detail"
    assert rejected.read(path) == FOUND


def test_similar_reasons_are_counted_together_the_most_frequent_first():
    kinds = rejected.by_kind(FOUND)
    assert {kind: len(some) for kind, some in kinds.items()} == {"too long": 2, "empty": 1}
    assert next(iter(kinds)) == "too long"


def test_counts_an_example_and_the_list_are_logged(tmp_path, caplog):
    with caplog.at_level(logging.WARNING, "trainer"):
        rejected.report(FOUND, 10, "train clips", tmp_path / rejected.FILE)
    assert [record.message for record in caplog.records] == [
        "train clips: 2 rejected: too long, such as 1.wav 'a sentence, with a comma' "
        "(too long (31 s))",
        "train clips: 1 rejected: empty, such as 2.wav",
        f"train clips: 3 of 10 rejected in total, see {tmp_path / rejected.FILE}",
    ]
    caplog.clear()
    rejected.report([], 10, "train clips", tmp_path / rejected.FILE)
    assert not caplog.records
