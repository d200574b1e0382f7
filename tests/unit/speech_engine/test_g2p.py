"""Grapheme to phoneme, with the real programs."""

from trainer.speech_engine import lexicon
from trainer.speech_engine.acoustics import find
from trainer.text import g2p


def test_a_model_of_a_small_dictionary(tmp_path):
    chosen = lexicon.frequent(find("pocketsphinx").dictionary, 700)
    g2p.train(chosen, tmp_path / "model.fst")
    found = g2p.predict(tmp_path / "model.fst", ["pat", "stan"])
    phones, certainty = found["pat"]
    assert phones[0].split()[0] == "P"
    assert 0 < certainty <= 1
    assert g2p.predict(tmp_path / "model.fst", []) == {}
    g2p.train(chosen, tmp_path / "again.fst")
    assert (tmp_path / "again.fst").read_bytes() == (tmp_path / "model.fst").read_bytes()
