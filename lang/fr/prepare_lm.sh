#!/usr/bin/env bash
# The texts of the language model, a line each: files in sources/ (a|b: the first that is there), addresses, or `transcripts` (those trained on).
cat <<END
https://github.com/Common-Voice/commonvoice-fr/releases/download/lm-0.1/wiki.txt.xz
https://github.com/Common-Voice/commonvoice-fr/releases/download/lm-0.1/debats-assemblee-nationale.txt.xz
transcripts
END
