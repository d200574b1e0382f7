#!/usr/bin/env bash
# Texts of the language model, one a line: files in sources/ (a|b: the first that exists), URLs, or
# `transcripts` (those trained on).
cat <<END
"wiki-de.txt*|de-texts/*.txt"
https://dl.fbaipublicfiles.com/mls/mls_lm_german.tar.gz
transcripts
END
