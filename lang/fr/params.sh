# Settings of this language: any setting of `trainer stt train --help`, and the variables that
# importers.sh and prepare_lm.sh use
# shellcheck shell=bash disable=SC2034
# the newest release that lies in sources/, as an archive or unpacked
CV_RELEASE_FILENAME="cv-corpus-*-fr.tar.gz|cv-*-fr.tar.gz|fr.tar.gz|cv-corpus-*/fr"
CV_RELEASE_SHA256=""
EPOCHS=30
TRAIN_BATCH_SIZE=64
LEARNING_RATE=0.0003
DROPOUT_RATE=0.3
LM_ORDER=4
LINGUA_LIBRE_SKIP="Modjou|Olivier Yao|Misnograder|Morielijah|KrystjanM|Ngeorges05|NKUATE|Poldjko1|Lepticed7"
M_AILABS_SKIP="monsieur_lecoq+les_mysteres_de_paris"
