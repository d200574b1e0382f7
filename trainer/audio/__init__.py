"""Audio: decoding, features, augmentation. Samples are float32 in -1 to 1, at 16 kHz."""
