#!/usr/bin/env bash
# Texts of the language model, one a line: files in sources/ (a|b: the first that exists), URLs, or
# `transcripts` (those trained on).
cat <<END
"kab-texts/*.txt"
"tatoeba-kab.txt|tatoeba-kab.txt.xz"
transcripts
END
