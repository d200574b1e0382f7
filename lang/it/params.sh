# Settings of this language: any setting of `trainer stt train --help`, and the variables that
# importers.sh and prepare_lm.sh use
# shellcheck shell=bash disable=SC2034
# the newest release that lies in sources/, as an archive or unpacked
CV_RELEASE_FILENAME="cv-corpus-*-it.tar.gz|cv-*-it.tar.gz|it.tar.gz|cv-corpus-*/it"
CV_RELEASE_SHA256=""
EPOCHS=30
TRAIN_BATCH_SIZE=64
LEARNING_RATE=0.0003
DROPOUT_RATE=0.4
VOXFORGE_SKIP=""
