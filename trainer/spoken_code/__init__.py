"""Source code as people say it: languages, spoken forms, editor commands, corpora of both.

The tables (`*.toml`) are data; the reference system is Serenade's corpusgen (Apache-2.0), in facts.
"""
