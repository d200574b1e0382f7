# Sourced by every command: the user, the data folder and the Python environment.
# shellcheck shell=bash
set -euo pipefail

if [ -z "${DATA_DIR:-}" ] && mountpoint -q /mnt && ! mountpoint -q /data; then
    DATA_DIR=/mnt # where commonvoice-fr's documentation mounts it
fi
export DATA_DIR="${DATA_DIR:-/data}"
VENV="${VOICEKILN_VENV:-$DATA_DIR/.venv}" # images may bring theirs
CODE="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"

die() { # one line, exit 1
    echo "ERROR: $*" >&2
    exit 1
}

box() { # a warning in a frame
    local rule
    rule="$(printf '=%.0s' {1..55})"
    printf '%s\n%s\n%s\n' "$rule" "$*" "$rule" >&2
}

# Root (as compose starts the container) becomes the owner of /data, so that files belong to the user
# who made the folder. In a rootless engine root is that user already.
if [ "$(id -u)" = 0 ] && [ -d "$DATA_DIR" ] && grep -q '^ *0 *0 *4294967295' /proc/self/uid_map; then
    owner="$(stat -c %u "$DATA_DIR")"
    group="$(stat -c %g "$DATA_DIR")"
    if [ "$owner" = 0 ]; then
        owner=999 group=999
        chown 999:999 "$DATA_DIR" 2>/dev/null || true # read-only: reported below
    fi
    exec setpriv --reuid="$owner" --regid="$group" --clear-groups -- "$0" "$@"
fi

mounted() { [ -n "${VOICEKILN_UNMOUNTED:-}" ] || mountpoint -q "$DATA_DIR"; }

need_data() { # stop before anything is written that would be lost, or cannot be written
    [ -d "$DATA_DIR" ] || die "$DATA_DIR does not exist; run with -v \"\$PWD/data:/data\""
    mounted || die "$DATA_DIR is not mounted: the models would vanish with the container. Run with -v \"\$PWD/data:/data\"," \
        "or set VOICEKILN_UNMOUNTED=1 to write into the container anyway"
    [ -w "$DATA_DIR" ] || die "$DATA_DIR cannot be written by uid $(id -u) (it belongs to uid $(stat -c %u "$DATA_DIR"));" \
        "on the host: sudo chown -R $(id -u) data, or run with --user \$(id -u):\$(id -g); and mount it without :ro"
}

venv_lock() { # the lock file that this machine's environment is built from
    local kind=cpu
    if [ "${GPU:-}" = true ] || { [ -z "${GPU:-}" ] && [ -e /dev/nvidiactl ]; }; then kind=gpu; fi
    [ "${KERAS_BACKEND:-}" != jax ] || kind="jax-$kind"
    [ "$(uname -m)" = x86_64 ] || kind="$kind-$(uname -m)"
    [ -f "$CODE/requirements/$kind.lock" ] || die "there are no packages for $kind: run with -e GPU=false"
    echo "$CODE/requirements/$kind.lock"
}

venv_key() { cat "$@" | sha256sum | cut -c1-16; }

venv_ready() { # is the environment built from this lock file, whole?
    [ -z "${VOICEKILN_VENV:-}" ] || return 0
    [ -x "$VENV/bin/python" ] && [ "$(head -n1 "$VENV/.voicekiln" 2>/dev/null)" = "$(venv_key "$(venv_lock)")" ]
}

run_python() { # replace this shell with Python, so that signals reach it
    need_data
    venv_ready || "$CODE/entrypoints/setup_python_venv"
    export MPLCONFIGDIR="${MPLCONFIGDIR:-$DATA_DIR/.cache/matplotlib}"
    export PYTHONPATH="$CODE" XDG_CACHE_HOME="${XDG_CACHE_HOME:-$DATA_DIR/.cache}"
    exec "$VENV/bin/python" "$@"
}

run_trainer() { run_python -m trainer "$@"; }
