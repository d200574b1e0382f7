"""Our wake word models and released ones compared on the same recordings (`make peers`)."""
