#!/usr/bin/env bash
# Texts of the language model, one a line: files in sources/ (a|b: the first that exists), URLs, or
# `transcripts` (those trained on).
cat <<END
"mitads-*.txt*|mitads*.tar.gz|mitads*.zip" from=https://github.com/MozillaItalia/DeepSpeech-Italian-Model/releases
https://dl.fbaipublicfiles.com/mls/mls_lm_italian.tar.gz
transcripts
END
