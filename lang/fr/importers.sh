#!/usr/bin/env bash
# One corpus a line: reader, files in sources/ (a|b: the first that exists) or URLs, option=value.
# Missing corpora are listed with their download links; DOWNLOAD=1 downloads those with an address.
cat <<END
common_voice            "$CV_RELEASE_FILENAME"  ${CV_RELEASE_SHA256:+sha256=$CV_RELEASE_SHA256} duplicate_sentence_count=$DUPLICATE_SENTENCE_COUNT ${CV_SPLIT:+split=$CV_SPLIT}
spontaneous_speech      "content:fr"  from=https://commonvoice.mozilla.org/spontaneous-speech
lingua_libre            https://lingualibre.org/datasets/Q21-fra-French.zip  "skip=$LINGUA_LIBRE_SKIP" sentences=shared
training_speech         "ts_2019-04-11_fr_FR.zip|ts_*_fr_FR*.zip"  from=https://github.com/wasertech/TrainingSpeech
african_accented_french https://www.openslr.org/resources/57/African_Accented_French.tar.gz
m_ailabs                https://data.solak.de/data/Training/stt_tts/fr_FR.tgz  "skip=$M_AILABS_SKIP"
ccpmf                   "transcriptionsxml_audiomp3_mefr_ccpmf_2012-2020*.zip*"  numbers=words
att_hack                https://www.openslr.org/resources/88/wav.tgz https://www.openslr.org/resources/88/txt.tgz  sentences=shared
mls                     https://dl.fbaipublicfiles.com/mls/mls_french_opus.tar.gz
END
