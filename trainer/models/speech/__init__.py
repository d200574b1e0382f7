"""The zoo of speech models: one file each, with its network, loss and decoder.

A model is a serializable class with `network()`; what it shares with the others of its kind is in
`ctc.py` (outputs in each frame) and `attention.py` (outputs label by label).
"""
