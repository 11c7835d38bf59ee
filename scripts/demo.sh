#!/usr/bin/env bash
# From a fresh clone to a judge that has taught itself: bash scripts/demo.sh [options of `ste demo`]
#
# Sets up the environment and runs the whole method on a small world, on a CPU in some minutes; everything
# lands in runs/demo. Run again, it goes on where it was interrupted.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
bash "$root/scripts/setup.sh"
cd "$root"
exec .venv/bin/ste demo --output-dir runs/demo "$@"
