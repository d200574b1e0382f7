"""Wake words of others beside ours, on the same recordings (`make peers`)."""
