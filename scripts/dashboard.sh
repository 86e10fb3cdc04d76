#!/bin/sh
# Builds the dashboard from dashboard/ into openmessaging/server/dashboard/. Usage: scripts/dashboard.sh (from `make dashboard`).
set -eu
cd "$(dirname "$0")/../dashboard"

fail() {
    printf 'dashboard: %s\n' "$*" >&2
    exit 1
}

for tool in node npm; do
    command -v $tool >/dev/null || fail "$tool is missing. Install Node.js 18 or newer with npm (apt-get install nodejs npm)"
done
node -e 'process.exit(parseInt(process.versions.node) < 18 ? 1 : 0)' || fail "Node.js $(node --version) is too old; 18 is needed"
# Only what the lock file says; none of the packages needs its install script.
npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
npm run --silent build -- --logLevel warn
printf 'dashboard: built into openmessaging/server/dashboard\n'
