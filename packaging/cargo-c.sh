#!/usr/bin/env bash
# Installs the plugin by cargo-c (cargo cinstall) into a throw-away prefix, and looks whether GStreamer takes it from
# there and whether pkg-config knows it. It needs cargo-cinstall: cargo install --locked cargo-c
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
command -v cargo-cinstall >/dev/null || {
  echo "cargo-cinstall is missing: cargo install --locked cargo-c" >&2
  exit 1
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cargo cinstall --locked --release --no-default-features --features webrtc --prefix="$work/prefix" --libdir="$work/prefix/lib"
(cd "$work/prefix" && find . -type f)
export GST_REGISTRY=$work/registry GST_PLUGIN_PATH=$work/prefix/lib/gstreamer-1.0
gst-inspect-1.0 wyze | tee "$work/plugin"
grep -qF "$work/prefix/lib/gstreamer-1.0/libgstwyze.so" "$work/plugin"
gst-inspect-1.0 wyzesrc >"$work/element"
export PKG_CONFIG_PATH=$work/prefix/lib/pkgconfig
pkg-config --print-errors --modversion gstwyze
pkg-config --libs gstwyze
