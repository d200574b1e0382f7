#!/usr/bin/env bash
# One corpus a line: reader, files in sources/ (a|b: the first that exists) or URLs, option=value.
# Missing corpora are listed with their download links; DOWNLOAD=1 downloads those with an address.
cat <<END
common_voice            "$CV_RELEASE_FILENAME"  ${CV_RELEASE_SHA256:+sha256=$CV_RELEASE_SHA256} duplicate_sentence_count=$DUPLICATE_SENTENCE_COUNT ${CV_SPLIT:+split=$CV_SPLIT}
spontaneous_speech      "content:tr"  from=https://commonvoice.mozilla.org/spontaneous-speech
END
