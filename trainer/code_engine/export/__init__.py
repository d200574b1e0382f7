"""The files that runtimes load."""
