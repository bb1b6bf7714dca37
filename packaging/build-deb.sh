#!/usr/bin/env bash
# Builds the Debian packages gstreamer1.0-wyze and wyze-cameras, from any folder:
#
#   packaging/build-deb.sh [FOLDER]
#
# The packages go to FOLDER, by default target/debian; what is there with their names is overwritten. It tells which
# packages it lacks for building (tests/setup.sh installs nearly all). Built on Debian 12, they fit Debian 13 too.
# With DEB_BUILD_OPTIONS=nocheck, the tests (a picture of the simulated camera) are left out.
#
# debhelper is what Debian itself builds with: meson installs as for everybody else, and dependencies, users and units
# come from its helpers. cargo-deb would be one more tool to build, with the same lists in Cargo.toml.
set -euo pipefail
root=$(realpath "$(dirname "${BASH_SOURCE[0]}")/..")
mkdir -p "${1:-$root/target/debian}"
folder=$(realpath "${1:-$root/target/debian}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# debhelper gives the build another HOME.
export CARGO_HOME=${CARGO_HOME:-$HOME/.cargo} RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup}
target=$(realpath -m "${CARGO_TARGET_DIR:-$root/target}")
export CARGO_TARGET_DIR=$target

# The packages are built in a copy, since debian/ has to be at the top and packages are written beside it.
mkdir "$work/source"
if [ -e "$root/.git" ]; then
  git -C "$root" ls-files -z --cached --others --exclude-standard |
    (cd "$root" && xargs -0 cp --parents --preserve=mode,timestamps --no-dereference -t "$work/source")
else
  find "$root" -mindepth 1 -maxdepth 1 ! -name target ! -name '*.deb' -exec cp -a -t "$work/source" {} +
fi
cp -r "$root/packaging/debian" "$work/source/debian"
(cd "$work/source" && dpkg-buildpackage --build=binary --no-sign)
cp "$work"/*.deb "$work"/*.changes "$folder"
echo "in $folder:"
(cd "$folder" && ls -- *.deb)
