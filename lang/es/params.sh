# Settings of this language: any setting of `trainer stt train --help`, and the variables that
# importers.sh and prepare_lm.sh use
# shellcheck shell=bash disable=SC2034
# the newest release that lies in sources/, as an archive or unpacked
CV_RELEASE_FILENAME="cv-corpus-*-es.tar.gz|cv-*-es.tar.gz|es.tar.gz|cv-corpus-*/es"
CV_RELEASE_SHA256=""
EPOCHS=30
TRAIN_BATCH_SIZE=64
LEARNING_RATE=0.0003
DROPOUT_RATE=0.3
