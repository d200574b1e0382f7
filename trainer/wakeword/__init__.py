"""Wake words: a phrase in, a streaming int8 model out. pipeline.py is where to start reading."""
