#!/bin/sh
# Rewrites requirements/dev.lock from pyproject.toml: newest versions within its bounds, for every supported Python.
set -eu
cd "$(dirname "$0")/.."
[ -x build/lock/bin/uv ] || { python3 -m venv build/lock && build/lock/bin/pip install --quiet 'uv>=0.5'; }
build/lock/bin/uv pip compile pyproject.toml --group dev --all-extras --universal --python-version 3.11 --upgrade \
    --quiet --no-header --no-annotate --output-file requirements/dev.lock
