#!/usr/bin/env bash
# The texts of the language model, a line each: files in sources/ (a|b: the first that is there), addresses, or `transcripts` (those trained on).
cat <<END
"kab-texts/*.txt"
"tatoeba-kab.txt|tatoeba-kab.txt.xz"
transcripts
END
