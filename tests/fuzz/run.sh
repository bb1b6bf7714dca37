#!/usr/bin/env bash
# Fuzzes targets, two at once, and fails where one has a finding: run.sh [SECONDS [TARGET...]]
# Each target runs for 300 seconds, or as long as given; without names, all targets run. Needs no nightly toolchain.
# Findings go to artifacts/, inputs that reach new code to corpus/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

seconds=${1:-300}
shift || true
targets=("$@")
if [ ${#targets[@]} -eq 0 ]; then
  mapfile -t targets < <(sed -n 's|^path = "targets/\(.*\)\.rs"$|\1|p' Cargo.toml)
fi

../setup.sh
if ! command -v cargo-fuzz >/dev/null; then
  echo "fuzz: installing cargo-fuzz (some minutes, once)"
  cargo install --quiet --locked cargo-fuzz
fi
# The fuzzers take the plugin's own versions of all crates.
[ -e Cargo.lock ] || cp ../../Cargo.lock Cargo.lock

export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-never}
WYZE_FUZZ_CORPUS=$PWD/corpus cargo test --quiet --locked --manifest-path ../../Cargo.toml --test fuzz_bodies
# Sanitizers are unstable features, which this makes a stable compiler accept.
export RUSTC_BOOTSTRAP=1
# GLib never frees what it allocates only once: these would count as leaks.
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0}
cargo fuzz build --fuzz-dir .

fuzz() {
  local target=$1 log=artifacts/$1.log
  mkdir -p "artifacts/$target"
  if cargo fuzz run --fuzz-dir . "$target" "corpus/$target" -- -max_total_time="$seconds" -max_len=4096 -timeout=20 \
    -rss_limit_mb=2048 >"$log" 2>&1 && grep -q '^Done ' "$log"; then
    # libFuzzer prints the line Done only where no signal has ended it.
    echo "$target: no finding; $(grep '^Done ' "$log")"
  else
    echo "$target: a finding, or interrupted: see $PWD/$log" >&2
    tail -n 40 "$log" >&2
    return 1
  fi
}
export -f fuzz
export seconds
printf '%s\n' "${targets[@]}" | xargs -P 2 -I {} bash -c 'fuzz {}'
