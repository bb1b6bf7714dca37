#!/usr/bin/env bash
# Fuzzes targets, two at a time, each for SECONDS (300), and fails if one has a finding: run.sh [SECONDS [TARGET...]]
# Without TARGET it fuzzes all of them. It needs no nightly toolchain. Findings are kept in artifacts/, inputs that
# reached new code in corpus/.
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
# Use the same versions of all crates as the plugin.
[ -e Cargo.lock ] || cp ../../Cargo.lock Cargo.lock

export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-never}
WYZE_FUZZ_CORPUS=$PWD/corpus cargo test --quiet --locked --manifest-path ../../Cargo.toml --test fuzz_bodies
# Sanitizers are an unstable option; this makes a stable compiler accept it.
export RUSTC_BOOTSTRAP=1
# GLib never frees what it allocates once, which is no leak.
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0}
cargo fuzz build --fuzz-dir .

fuzz() {
  local target=$1 log=artifacts/$1.log
  mkdir -p "artifacts/$target"
  if cargo fuzz run --fuzz-dir . "$target" "corpus/$target" -- -max_total_time="$seconds" -max_len=4096 -timeout=20 \
    -rss_limit_mb=2048 >"$log" 2>&1 && grep -q '^Done ' "$log"; then
    # A fuzzer that was ended by a signal does not print "Done".
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
