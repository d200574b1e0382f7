#!/usr/bin/env bash
# Texts of the language model, one a line: files in sources/ (a|b: the first that exists), URLs, or
# `transcripts` (those trained on).
cat <<END
"wiki-bn.txt*|bn-texts/*.txt"
transcripts
END
