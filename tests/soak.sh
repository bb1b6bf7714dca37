#!/usr/bin/env bash
# Runs simulated cameras for hours, and fails on a leak, a stall or a PTS that does not grow. For 4 cameras and 1 hour:
# tests/soak.sh -n 4 -t 1. --help lists all options.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cargo build --quiet --locked --release -p wyze-soak
exec "${CARGO_TARGET_DIR:-target}/release/wyze-soak" "$@"
