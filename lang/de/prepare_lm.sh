#!/usr/bin/env bash
# The texts of the language model, a line each: files in sources/ (a|b: the first that is there), addresses, or `transcripts` (those trained on).
cat <<END
"wiki-de.txt*|de-texts/*.txt"
https://dl.fbaipublicfiles.com/mls/mls_lm_german.tar.gz
transcripts
END
