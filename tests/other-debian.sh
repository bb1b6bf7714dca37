#!/usr/bin/env bash
# Runs all checks and tests in a fresh Debian, as root:
#
#   tests/other-debian.sh trixie                                      tests/run.sh
#   tests/other-debian.sh trixie cargo nextest run --test launch_lines    any other command, at the top of the source
#
# It uses this machine's Rust, and downloads packages from this machine's mirrors. The fresh Debian is in a temporary
# folder, and gone at the end; what cargo built stays in target/RELEASE, so that it is soon built again.
set -euo pipefail
root=$(realpath "$(dirname "${BASH_SOURCE[0]}")/..")
# shellcheck source=tests/debian.sh
source "$root/tests/debian.sh"
alone 10800 "$@"
release=${1:?"name a release, as trixie"}
shift
[ $# -gt 0 ] || set -- tests/run.sh

debian=$work/debian
lay_debian "$release" "$debian"

# The source as it is here, and Rust.
mkdir -p "$debian/source" "$debian/root/.cargo" "$debian/root/.rustup" "$root/target/$release"
copy_source "$debian/source"
mkdir -p "$debian/source/target"
mount --bind "$root/target/$release" "$debian/source/target"
mount --bind "${CARGO_HOME:-$HOME/.cargo}" "$debian/root/.cargo"
mount --bind "${RUSTUP_HOME:-$HOME/.rustup}" "$debian/root/.rustup"
mount --rbind /dev "$debian/dev"
mount --rbind /sys "$debian/sys"
for program in cargo-nextest cargo-deny; do
  path=$(command -v "$program") && [[ $path != */.cargo/bin/* ]] && cp "$path" "$debian/usr/local/bin/"
done

# What this machine's network needs to be trusted, is trusted there.
cp -r /usr/local/share/ca-certificates "$debian/usr/local/share/"
install_inside "$debian" ca-certificates
npm=(NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt)
registry=$(npm config get registry 2>/dev/null) && npm+=("npm_config_registry=$registry")
# shellcheck disable=SC2016  # The shell in there expands it.
inside "$debian" env "${npm[@]}" sh -c 'PATH=$HOME/.cargo/bin:$PATH && cd /source && tests/setup.sh --tests && exec "$@"' run "$@"
