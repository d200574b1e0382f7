#!/usr/bin/env bash
# The texts of the language model, a line each: files in sources/ (a|b: the first that is there), addresses, or `transcripts` (those trained on).
cat <<END
https://www.openslr.org/resources/11/librispeech-lm-norm.txt.gz
transcripts
END
