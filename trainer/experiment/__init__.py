"""Experiments: train a network of the zoo or your own, know what you did, go on from there."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before a user's script imports TensorFlow
