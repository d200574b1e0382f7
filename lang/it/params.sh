# Settings of this language: any setting of `trainer stt train --help`, and the variables that
# importers.sh and prepare_lm.sh use
# shellcheck shell=bash disable=SC2034
# the newest release in sources/ and the deltas after it, recognised by what is in them; or a file name
CV_RELEASE_FILENAME="content:it|it.tar.gz"
CV_RELEASE_SHA256=""
EPOCHS=30
TRAIN_BATCH_SIZE=64
LEARNING_RATE=0.0003
DROPOUT_RATE=0.4
VOXFORGE_SKIP=""
