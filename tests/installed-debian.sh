#!/usr/bin/env bash
# Installs the Debian packages into a fresh Debian, and takes pictures of the simulated camera there, as root:
#
#   tests/installed-debian.sh bookworm|trixie [FOLDER]
#
# FOLDER has the packages; without it, packaging/build-deb.sh builds them. The fresh Debian is in a temporary folder,
# and gone at the end. Packages that were built on Debian 12 fit both; those of Debian 13 do not fit Debian 12.
set -euo pipefail
root=$(realpath "$(dirname "${BASH_SOURCE[0]}")/..")
# shellcheck source=tests/debian.sh
source "$root/tests/debian.sh"
alone 3600 "$@"
release=${1:?"name a release: bookworm or trixie"}
packages=${2:-}
target=$(realpath -m "${CARGO_TARGET_DIR:-$root/target}")
debian=$work/debian

if [ -z "$packages" ]; then
  packages=$work/packages
  "$root/packaging/build-deb.sh" "$packages"
fi
camera=$target/release/wyze-camera
if [ ! -e "$camera" ]; then
  (cd "$root" && cargo build --quiet --locked --package wyze-camera)
  camera=$target/debug/wyze-camera
fi

lay_debian "$release" "$debian"
for package in gstreamer1.0-wyze wyze-cameras; do
  cp "$packages/$package"_*.deb "$debian/tmp/$package.deb"
done

echo "== the program alone"
install_inside "$debian" /tmp/wyze-cameras.deb
inside "$debian" wyze-cameras --version
ROOT=$debian "$root/tests/picture.sh" "$camera" wyze-cameras

echo "== the plugin"
install_inside "$debian" /tmp/gstreamer1.0-wyze.deb gstreamer1.0-tools
inside "$debian" gst-inspect-1.0 wyze
inside "$debian" gst-inspect-1.0 wyzesrc >"$work/element"
grep -E '^ +(Long-name|Klass) ' "$work/element"
ROOT=$debian "$root/tests/picture.sh" "$camera"

echo "== what else came with them"
for file in /usr/share/man/man1/wyze-cameras-record.1.gz /usr/share/bash-completion/completions/wyze-cameras \
  /usr/share/zsh/site-functions/_wyze-cameras /usr/share/fish/vendor_completions.d/wyze-cameras.fish \
  /lib/systemd/system/wyze-serve.service /lib/systemd/system/wyze-record@.service \
  /usr/share/doc/wyze-cameras/copyright; do
  inside "$debian" ls "$file"
done
inside "$debian" getent passwd wyze-record wyze-serve

echo "== removed"
inside "$debian" apt-get -qq -y purge wyze-cameras gstreamer1.0-wyze >/dev/null
if inside "$debian" gst-inspect-1.0 wyzesrc >"$work/element" 2>&1; then
  echo "the plugin is still there" >&2
  exit 1
fi
echo "Debian $release: passed"
