#!/usr/bin/env bash
# Runs N simulated cameras for H hours and fails on a leak, a stall or a PTS that goes back: tests/soak.sh -n 4 -t 1.
# --help tells the rest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cargo build --quiet --locked --release -p wyze-soak
exec "${CARGO_TARGET_DIR:-target}/release/wyze-soak" "$@"
