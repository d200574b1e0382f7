# What the exported model tells of itself
# shellcheck shell=bash disable=SC2034
METADATA_AUTHOR="voicekiln"
METADATA_MODEL_NAME="voicekiln-bn"
METADATA_MODEL_VERSION="0.1.0"
METADATA_CONTACT_INFO="https://commonvoice.mozilla.org/bn"
METADATA_LICENSE="MPL-2.0"
METADATA_LANGUAGE="bn"
METADATA_MIN_DS_VERSION="0.7.0"
METADATA_MAX_DS_VERSION="0.9.3"
METADATA_MIN_STT_VERSION="1.0.0"
METADATA_MAX_STT_VERSION="1.4.0"
METADATA_DESCRIPTION="Bengali speech to text, trained on freely available recordings"
