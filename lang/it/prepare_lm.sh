#!/usr/bin/env bash
# The texts of the language model, a line each: files in sources/ (a|b: the first that is there), addresses, or `transcripts` (those trained on).
cat <<END
"mitads-*.txt*|mitads*.tar.gz|mitads*.zip" from=https://github.com/MozillaItalia/DeepSpeech-Italian-Model/releases
https://dl.fbaipublicfiles.com/mls/mls_lm_italian.tar.gz
transcripts
END
