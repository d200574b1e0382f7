# Settings of this language: any setting of `trainer stt train --help`, and the variables that
# importers.sh and prepare_lm.sh use
# shellcheck shell=bash disable=SC2034
# the newest release that lies in sources/, as an archive or unpacked
CV_RELEASE_FILENAME="cv-corpus-*-kab.tar.gz|cv-*-kab.tar.gz|kab.tar.gz|cv-corpus-*/kab"
CV_RELEASE_SHA256=""
EPOCHS=75
TRAIN_BATCH_SIZE=64
DROPOUT_RATE=0.25
LM_ORDER=4
LM_TOP_K=100000
