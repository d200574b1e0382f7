# Settings of this language: any setting of `trainer stt train --help`, and the variables that
# importers.sh and prepare_lm.sh use
# shellcheck shell=bash disable=SC2034
# the newest release in sources/ and the deltas after it, recognised by what is in them; or a file name
CV_RELEASE_FILENAME="content:kab|kab.tar.gz"
CV_RELEASE_SHA256=""
EPOCHS=75
TRAIN_BATCH_SIZE=64
DROPOUT_RATE=0.25
LM_ORDER=4
LM_TOP_K=100000
