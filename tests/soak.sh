#!/usr/bin/env bash
# Runs simulated cameras for hours, and fails on a leak, a stall or a PTS that does not grow. For 4 cameras and 1 hour:
# tests/soak.sh -n 4 -t 1. With --record-serve, wyze-cameras records and serves them. --help lists all options.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cargo build --quiet --locked --release -p wyze-soak
case " $* " in
  *" --record-serve "* | *" --kills "*) cargo build --quiet --locked --release --bin wyze-cameras ;;
esac
exec "${CARGO_TARGET_DIR:-target}/release/wyze-soak" "$@"
