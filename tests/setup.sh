#!/usr/bin/env bash
# Installs what this Debian machine lacks for building, testing and the demo: packages, and with --tests also the test
# runner cargo-nextest. Safe to run again: it does nothing twice.
set -euo pipefail

packages=(
  build-essential ca-certificates iproute2 pkg-config libssl-dev
  libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev libgstrtspserver-1.0-dev glib-networking
  gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-base-apps
  gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly
  gstreamer1.0-libav gstreamer1.0-rtsp gstreamer1.0-x gstreamer1.0-gl gstreamer1.0-alsa gstreamer1.0-pulseaudio
  meson ninja-build python3-gi gir1.2-gstreamer-1.0
)

install_packages() {
  local missing=() as_root=() package
  for package in "${packages[@]}"; do
    dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q '^install ok installed$' || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
      echo "setup: these packages are missing, install them as root: apt-get install ${missing[*]}" >&2
      exit 1
    }
    as_root=(sudo)
  fi
  echo "setup: installing ${missing[*]}"
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq)
  "${apt[@]}" update
  "${apt[@]}" -y --no-install-recommends install "${missing[@]}" >/dev/null
}

check_rust() {
  command -v cargo >/dev/null || {
    echo "setup: there is no cargo in PATH; install Rust 1.92 or newer, see https://rustup.rs" >&2
    exit 1
  }
}

install_test_runner() {
  if ! command -v cargo-nextest >/dev/null; then
    echo "setup: installing cargo-nextest (some minutes, once)"
    cargo install --quiet --locked cargo-nextest
  fi
}

# The tests read traces, recordings and streams, speak, press keys in a window, check scripts, look at a web page and
# speak WebRTC with them. A Node.js that is not Debian's may have brought npm along, and would then conflict with Debian's.
if [ "${1:-}" = --tests ]; then
  packages+=(tshark ffmpeg espeak-ng xvfb xdotool shellcheck python3-numpy python3-opencv chromium chromium-driver
    gstreamer1.0-nice gir1.2-gst-plugins-bad-1.0)
  command -v npm >/dev/null || packages+=(npm)
fi

if ! command -v dpkg-query >/dev/null; then
  echo "setup: this is not Debian, so nothing is installed; what is needed has names like: ${packages[*]}" >&2
else
  install_packages
fi
check_rust
[ "${1:-}" != --tests ] || install_test_runner
