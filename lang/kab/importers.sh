#!/usr/bin/env bash
# The corpora, a line each: reader, files in sources/ (a|b: the first that is there) or addresses, option=value.
# What is not there is told and left out; DOWNLOAD=1 fetches what has an address.
cat <<END
common_voice            "$CV_RELEASE_FILENAME"  ${CV_RELEASE_SHA256:+sha256=$CV_RELEASE_SHA256} duplicate_sentence_count=$DUPLICATE_SENTENCE_COUNT
tatoeba                 "tatoeba-kab.tar.gz|tatoeba-kab.zip|tatoeba-kab"
END
