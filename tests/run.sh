#!/usr/bin/env bash
# Runs all checks and tests, from any folder. Installs what is missing; the test runner's count comes last.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Meson runs cargo in another folder, where a relative path would mean another target.
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
export CARGO_TARGET_DIR=$target CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-never}

step() {
  echo "== $* (at ${SECONDS} s)"
}

check_dependencies() {
  if ! command -v cargo-deny >/dev/null; then
    echo "Skipped: licences and sources of the dependencies. For these, cargo install --locked cargo-deny"
    return
  fi
  cargo deny --locked check --hide-inclusion-graph licenses bans sources
  # The database of known holes comes over the network, which a machine may not have.
  if cargo deny --locked fetch db >"$work/advisories" 2>&1; then
    cargo deny --locked check --hide-inclusion-graph advisories
  else
    echo "Skipped: advisories, as their database could not be fetched"
  fi
}

# systemd looks whether the program is there, which it is in the target folder only.
check_units() {
  if ! command -v systemd-analyze >/dev/null; then
    echo "Skipped: the units of systemd, which is not there"
    return
  fi
  mkdir "$work/units"
  local unit
  for unit in packaging/systemd/*.service; do
    sed "s|/usr/bin/wyze-cameras|$target/debug/wyze-cameras|" "$unit" >"$work/units/$(basename "$unit")"
  done
  systemd-analyze verify "$work"/units/*.service
}

# Fails where GStreamer does not take the plugin from this folder. GStreamer itself only blacklists a plugin that cannot
# be loaded.
inspect() {
  local folder=$1
  GST_PLUGIN_PATH=$folder GST_REGISTRY=$work/registry gst-inspect-1.0 wyze >"$work/plugin"
  GST_PLUGIN_PATH=$folder GST_REGISTRY=$work/registry gst-inspect-1.0 wyzesrc >"$work/element"
  if ! grep -qF "$(realpath "$folder")/" "$work/plugin"; then
    echo "another plugin was found than the one in $folder:" >&2
    cat "$work/plugin" >&2
    exit 1
  fi
  grep -E '^ +(Filename|Version|License|Source release date) ' "$work/plugin"
}

# Uses the profile and the target folder of the tests, which take over what they can.
meson_installs() {
  {
    meson setup "$work/build" --prefix="$work/prefix" --buildtype=debug &&
      meson compile -C "$work/build" &&
      meson test -C "$work/build" &&
      meson install -C "$work/build"
  } >"$work/log" 2>&1 || {
    cat "$work/log" >&2
    exit 1
  }
  inspect "$(dirname "$(find "$work/prefix" -name libgstwyze.so)")"
  local file
  for file in man/man1/wyze-cameras-record.1 bash-completion/completions/wyze-cameras zsh/site-functions/_wyze-cameras \
    fish/vendor_completions.d/wyze-cameras.fish licenses/gst-plugin-wyze/LICENSE-MIT; do
    [ -s "$work/prefix/share/$file" ] || {
      echo "meson did not install share/$file" >&2
      exit 1
    }
  done
  grep -qF "$work/prefix/bin/wyze-cameras serve" "$work/prefix/lib/systemd/system/wyze-serve.service"
  PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name gstwyze.pc)") pkg-config --exists --print-errors gstwyze
}

# Tests, examples, recipes and packaging stay in the repository.
published() {
  local there wanted="CHANGELOG.md Cargo.lock Cargo.toml Cargo.toml.orig LICENSE-MIT README.md docs src"
  there=$(cargo package --quiet --locked --allow-dirty --package gst-plugin-wyze --list | cut -d / -f 1 |
    grep -vxF .cargo_vcs_info.json | LC_ALL=C sort -u | xargs)
  if [ "$there" != "$wanted" ]; then
    printf 'cargo would publish: %s\nmeant to be there: %s\n' "$there" "$wanted" >&2
    exit 1
  fi
}

step "What is missing"
tests/setup.sh --tests
step "Format"
cargo fmt --all --check
cargo fmt --manifest-path examples/rust/Cargo.toml --check
step "Scripts"
shellcheck -x tests/*.sh packaging/*.sh
step "Lints"
cargo clippy --quiet --locked --workspace --all-targets -- -D warnings
cargo clippy --quiet --locked --manifest-path examples/rust/Cargo.toml -- -D warnings
step "Lints of the plugin without cloud and program"
cargo clippy --quiet --locked --package gst-plugin-wyze --lib --no-default-features -- -D warnings
step "What cargo publishes"
published
step "Dependencies"
check_dependencies
step "Documentation"
# The documentation is for readers of the source, so it may link private items.
RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" \
  cargo doc --quiet --locked --workspace --no-deps --document-private-items
# With other features of its dependencies than the whole workspace has, the plugin is built twice. In this order, the
# tests are built once.
step "Plugin as meson installs it"
meson_installs
step "Build"
cargo build --quiet --locked --workspace --all-targets
cargo build --quiet --locked --manifest-path examples/rust/Cargo.toml
step "Units of systemd"
check_units
step "Plugin as cargo builds it"
inspect "$target/debug"
step "Examples in the documentation"
cargo test --quiet --locked --workspace --doc
step "Tests"
cargo nextest run --locked --workspace
