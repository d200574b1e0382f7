"""Who trains and who tests, and what is rejected because it would be on both sides."""

from trainer.corpora.splits import Corpus, assign, with_splits
from trainer.corpora.utterance import Utterance


def corpus(*rows, **more):
    return Corpus(
        "c",
        tuple(Utterance(path, text, speaker, split) for path, text, speaker, split in rows),
        **more,
    )


def test_official_splits_stay_and_leaks_go():
    split = assign(
        [
            corpus(
                ("1", "a b", "s1", "train"),
                ("2", "c", "s2", "train"),
                ("3", "a b", "s3", "test"),
                ("4", "d", "s2", "dev"),
                ("5", "e", "s5", "train"),
                ("5", "e", "s5", "train"),
                ("3", "x", "s6", "train"),
            )
        ]
    )
    assert [u.path for u in split.of("train")] == ["5"]
    assert [u.path for u in split.of("test")] == ["3"]
    assert {(u.path, reason) for u, reason in split.rejected} == {
        ("1", "sentence is in test"),
        ("2", "speaker is in dev"),
        ("5", "listed twice"),
        ("3", "also in test"),
    }


def test_shared_sentences_may_be_on_both_sides():
    split = assign([corpus(("1", "yes", "s1", "train"), ("2", "yes", "s2", "test"), shared=True)])
    assert not split.rejected


def test_sentences_are_counted_in_training_only():
    rows = [(str(i), "same", f"s{i}", "train") for i in range(5)]
    assert len(assign([corpus(*rows)], 2).of("train")) == 2
    assert len(assign([corpus(*rows)]).of("train")) == 5


def test_splits_are_made_by_speaker_whatever_the_order():
    rows = [Utterance(str(i), f"t{i}", f"s{i % 40}") for i in range(400)]
    made = {u.path: u.split for u in with_splits(rows)}
    assert made == {u.path: u.split for u in with_splits(rows[::-1])}
    by_speaker = {}
    for u in with_splits(rows):
        by_speaker.setdefault(u.speaker, set()).add(u.split)
    assert all(len(found) == 1 for found in by_speaker.values())
    assert {"train", "dev", "test"} == {s for found in by_speaker.values() for s in found}


def test_a_dev_set_is_made_where_only_a_test_set_is_official():
    rows = [Utterance(str(i), f"t{i}", f"s{i}", "train" if i % 3 else "test") for i in range(90)]
    uses = {u.split for u in with_splits(rows)}
    assert uses == {"train", "dev", "test"}


def test_other_names_of_splits():
    split = assign(
        [
            corpus(
                ("1", "a", "s1", "train"), ("2", "b", "s2", "validation"), ("3", "c", "s3", "extra")
            )
        ]
    )
    assert [u.path for u in split.of("dev")] == ["2"]
    assert [(u.path, reason) for u, reason in split.rejected] == [("3", "split 'extra'")]
