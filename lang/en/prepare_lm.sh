#!/usr/bin/env bash
# Texts of the language model, one a line: files in sources/ (a|b: the first that exists), URLs, or
# `transcripts` (those trained on).
cat <<END
https://www.openslr.org/resources/11/librispeech-lm-norm.txt.gz
transcripts
END
