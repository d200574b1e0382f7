#!/usr/bin/env bash
# Texts of the language model, one a line: files in sources/ (a|b: the first that exists), URLs, or
# `transcripts` (those trained on).
cat <<END
https://github.com/Common-Voice/commonvoice-fr/releases/download/lm-0.1/wiki.txt.xz
https://github.com/Common-Voice/commonvoice-fr/releases/download/lm-0.1/debats-assemblee-nationale.txt.xz
transcripts
END
