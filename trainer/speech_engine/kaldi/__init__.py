"""Kaldi's files, as far as decoding graphs need them: phones, tree, transition model."""
