# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
# Sourced by the scripts beside it: finds Python, makes .venv at the root, installs what is locked. Starts nothing.

set -eu
ROOT=$(cd "$(dirname "$0")/.." && pwd)
VENV="$ROOT/.venv"

# Daemons and independent clients of the tests and the lab, and what pyscard, which has no Linux wheel, is built with.
TG_DAEMONS="mosquitto mosquitto-clients openssl curl procps pcscd libccid vsmartcard-vpcd opensc pcsc-tools softhsm2 libnfc-bin usbguard libusbguard-dev umockdev g++ default-jre-headless libusb-1.0-0 swtpm tpm2-tools libtss2-tcti-swtpm0"
TG_PYSCARD="gcc libc6-dev python3-dev libpcsclite-dev"

tg_fail() { # what, cure
    printf '%s: error: %s\n' "${0##*/}" "$1" >&2
    printf 'hint: %s\n' "$2" >&2
    exit 1
}

tg_python() {
    for candidate in "${PYTHON:-}" python3 python3.13 python3.12 python3.11; do
        [ -n "$candidate" ] || continue
        if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    tg_fail "no Python 3.11 or newer found" "install it (Debian 12 and later: apt-get install python3 python3-venv) or set PYTHON"
}

# tg_env run|dev|lab: a .venv that holds what requirements/$1.txt locks, with this checkout installed in place.
tg_env() {
    wanted="$ROOT/requirements/$1.txt"
    stamp="$VENV/.tillguard-$1"
    print_sum() { cat "$wanted" "$ROOT/pyproject.toml" | cksum; }
    if [ -x "$VENV/bin/terminal-agent" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$(print_sum)" ] \
        && "$VENV/bin/python" -c '' 2>/dev/null; then
        return
    fi
    python=$(tg_python)
    if [ -e "$VENV" ] && ! "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then
        # It may be another user's, or its Python is gone: what somebody else made is not ours to delete.
        tg_fail "$VENV is there, but its Python cannot be run" "remove it, or work in a checkout of your own"
    fi
    if [ ! -e "$VENV" ]; then
        "$python" -c 'import ensurepip, venv' 2>/dev/null || tg_fail "$python cannot make virtual environments (ensurepip is missing)" \
            "install it: apt-get install python3-venv"
        printf 'making .venv with %s\n' "$("$python" --version)" >&2
        "$python" -m venv "$VENV" || { rm -rf "$VENV"; tg_fail "$python -m venv failed" "Debian: apt-get install python3-venv"; }
    fi
    printf 'installing what requirements/%s.txt locks\n' "$1" >&2
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$wanted" >&2 \
        || tg_fail "the locked packages could not be installed" "check the network and the lines above, then start again"
    "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e "$ROOT" >&2 \
        || tg_fail "this checkout could not be installed into .venv" "remove .venv and start again"
    print_sum > "$stamp"
}

# tg_mask UNIT…: these services never start on this machine, whoever enables them. usbguard, left to itself, would bar
# the machine's own keyboard at the next start; only its programs are wanted, as oracles of the tests.
tg_mask() {
    for unit in "$@"; do
        place="${TG_UNITS:-/etc/systemd/system}/$unit"
        [ -e "$place" ] || [ -L "$place" ] || { mkdir -p "${place%/*}" && ln -s /dev/null "$place"; }
    done
}

# tg_debian PACKAGE…: installs Debian packages where this is root on apt, else names them.
tg_debian() {
    missing=""
    for package in "$@"; do
        dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
    done
    [ -z "$missing" ] && return
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
        printf 'installing Debian packages:%s\n' "$missing" >&2
        export DEBIAN_FRONTEND=noninteractive
        # shellcheck disable=SC2086  # a list of names
        log=$(mktemp)
        case "$missing " in *" usbguard "*) tg_mask usbguard.service usbguard-dbus.service ;; esac
        # The daemons are wanted as programs: a policy keeps their services from being started by their installation.
        policy=/usr/sbin/policy-rc.d
        if [ ! -e "$policy" ]; then printf '#!/bin/sh\nexit 101\n' > "$policy" && chmod 755 "$policy"; else policy=""; fi
        done=0
        { apt-get -q -o DPkg::Lock::Timeout=300 update && apt-get -q -y -o DPkg::Lock::Timeout=300 \
            install --no-install-recommends $missing; } >"$log" 2>&1 || done=1
        [ -z "$policy" ] || rm -f "$policy"
        [ "$done" = 0 ] || { tail -n 5 "$log" >&2; tg_fail "apt-get could not install:$missing" "see $log"; }
        rm -f "$log"
    else
        first=""
        case "$missing " in *" usbguard "*) first="systemctl mask usbguard usbguard-dbus && " ;; esac
        tg_fail "these Debian packages are needed:$missing" "as root: ${first}apt-get install --no-install-recommends$missing"
    fi
}
