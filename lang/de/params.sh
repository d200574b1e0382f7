# Settings of this language: any setting of `trainer stt train --help`, and the variables that
# importers.sh and prepare_lm.sh use
# shellcheck shell=bash disable=SC2034
# the newest release that lies in sources/, as an archive or unpacked
CV_RELEASE_FILENAME="cv-corpus-*-de.tar.gz|cv-*-de.tar.gz|de.tar.gz|cv-corpus-*/de"
CV_RELEASE_SHA256=""
EPOCHS=30
TRAIN_BATCH_SIZE=64
LEARNING_RATE=0.0003
DROPOUT_RATE=0.3
