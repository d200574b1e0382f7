"""`python -m trainer`: the command line."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow is imported anywhere

from trainer.cli import main

main()
