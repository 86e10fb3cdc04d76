#!/bin/sh
# Makes .venv with the locked dependencies and this package in editable form. Usage: scripts/setup.sh (from `make setup`).
# PYTHON=... chooses the interpreter. Needs nothing but Python 3.11 or newer with its venv module.
set -eu
cd "$(dirname "$0")/.."

say() { printf 'setup: %s\n' "$*"; }

fail() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

usable() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

python=${PYTHON:-}
for candidate in python3 python3.14 python3.13 python3.12 python3.11; do
    [ -n "$python" ] || ! usable "$candidate" || python=$candidate
done
[ -n "$python" ] || fail "no Python 3.11 or newer found. Install python3, or say which with PYTHON=/path/to/python3"
usable "$python" || fail "$python is not a Python 3.11 or newer"
say "using $("$python" -V) ($(command -v "$python"))"

# Debian and Ubuntu ship Python without ensurepip; the package python3.X-venv brings it.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    package=python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        say "installing $package with apt-get, since this Python cannot make virtual environments without it"
        { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$package" ca-certificates; } >/dev/null ||
            fail "apt-get could not install $package. Install it by hand, then try again"
    else
        fail "this Python cannot make virtual environments. Install $package (apt-get install $package), then try again"
    fi
fi

say "creating .venv"
"$python" -m venv --clear .venv
say "installing the locked dependencies (requirements/dev.lock), about a minute"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --requirement requirements/dev.lock
say "installing the package, editable"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
say "done: .venv/bin/oms, .venv/bin/python"
