#!/usr/bin/env bash
# Sets up the environment and runs the tests: bash scripts/test.sh [pytest arguments]
#
# Two processes share the files out; `-n 0` runs everything in one, e.g. for a debugger.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
bash "$root/scripts/setup.sh"
cd "$root"
exec .venv/bin/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder "$@"
