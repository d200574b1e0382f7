#!/usr/bin/env bash
# One corpus a line: reader, files in sources/ (a|b: the first that exists) or URLs, option=value.
# Missing corpora are listed with their download links; DOWNLOAD=1 downloads those with an address.
cat <<END
common_voice            "$CV_RELEASE_FILENAME"  ${CV_RELEASE_SHA256:+sha256=$CV_RELEASE_SHA256} duplicate_sentence_count=$DUPLICATE_SENTENCE_COUNT ${CV_SPLIT:+split=$CV_SPLIT}
spontaneous_speech      "content:en"  from=https://commonvoice.mozilla.org/spontaneous-speech
librispeech             https://www.openslr.org/resources/12/train-clean-100.tar.gz https://www.openslr.org/resources/12/train-clean-360.tar.gz https://www.openslr.org/resources/12/train-other-500.tar.gz https://www.openslr.org/resources/12/dev-clean.tar.gz https://www.openslr.org/resources/12/dev-other.tar.gz https://www.openslr.org/resources/12/test-clean.tar.gz https://www.openslr.org/resources/12/test-other.tar.gz
ldc93s1                 https://catalog.ldc.upenn.edu/desc/addenda/LDC93S1.wav https://catalog.ldc.upenn.edu/desc/addenda/LDC93S1.txt
tedlium                 https://www.openslr.org/resources/19/TEDLIUM_release2.tar.gz
an4                     "an4_sphere.tar.gz|an4"  from=http://www.speech.cs.cmu.edu/databases/an4/  sentences=shared
END
