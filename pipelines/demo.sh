#!/usr/bin/env bash
# Shows the plugin at work without a camera: against the simulated one.
set -euo pipefail
# shellcheck source=pipelines/camera.sh
. "$(dirname "${BASH_SOURCE[0]}")/camera.sh"

usage() {
  cat <<TEXT
Usage: $(basename "$0") [-t SECONDS] [-o FOLDER] [--debug] [--no-build]

Installs and builds what is missing, starts a simulated camera, and shows its picture in a window. Without a display it
writes a picture (PNG) and a film with sound (MP4) to FOLDER.

  -t SECONDS    how long to show or to film; the default is until the window is closed, and 5 for a film
  -o FOLDER     where to write picture and film, instead of showing them; the default is a new temporary folder
  --debug       makes and uses cargo's debug build, which is ready sooner
  --no-build    builds nothing, as everything is there already
TEXT
}

seconds='' folder='' profile=release build=true
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage && exit ;;
    -t) number -t "${2:-}" && seconds=$2 && shift ;;
    -o) folder=${2:-} && [ -n "$folder" ] || wrong_usage "-o needs a folder" && shift ;;
    --debug) profile=debug ;;
    --no-build) build=false ;;
    *) wrong_usage "unknown argument '$1'" ;;
  esac
  shift
done

target=${CARGO_TARGET_DIR:-$root/target}
if [ "$build" = true ]; then
  "$root/tests/setup.sh"
  flags=(--locked --package gst-plugin-wyze --package wyze-camera)
  [ "$profile" = debug ] || flags+=(--release)
  cargo build --manifest-path "$root/Cargo.toml" "${flags[@]}"
fi
# Uses this build, even where another one is installed.
export GST_PLUGIN_PATH=$target/$profile${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH}

work=$(mktemp -d)
camera_program=''
clean_up() {
  if [ -n "$camera_program" ]; then
    kill "$camera_program" 2>/dev/null || true
    wait "$camera_program" || true
  fi
  rm -rf "$work"
}
trap clean_up EXIT

# The port is any free one, so that several demos and a real camera do not meet.
mkfifo "$work/says"
"$target/$profile/wyze-camera" --listen 127.0.0.1:0 --size 1280x720 --audio mulaw >"$work/says" &
camera_program=$!
exec 3<"$work/says"
line='' WYZE_URI=''
while [ -z "$WYZE_URI" ] && read -r text <&3; do
  case $text in
    gst-launch-1.0*) line=$text ;;
    wyze://*) WYZE_URI=$text ;;
  esac
done
[ -n "$WYZE_URI" ] || {
  echo "the simulated camera did not start" >&2
  exit 1
}
export WYZE_URI
# Nobody needs the rest of what it says, but that has to go somewhere.
cat <&3 >/dev/null &

if [ -z "$folder" ] && [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
  echo "A camera and a window; close it or press Ctrl-C to end:"
  echo "  $line"
  find_camera
  run_pipeline "$seconds" "${camera[@]}" ! decodebin ! autovideosink
else
  # The folder is a new one, because somebody else's demo may run on this machine too.
  folder=${folder:-$(mktemp -d "${TMPDIR:-/tmp}/wyze-demo.XXXXXX")}
  mkdir -p "$folder"
  [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] || echo "There is no display to show this on:"
  echo "  $line"
  "$here/snapshot.sh" "$folder/picture.png" >/dev/null
  echo "Picture: $folder/picture.png"
  "$here/record.sh" -s 3600 -t "${seconds:-5}" "$work/film" >/dev/null
  mv "$work"/film/*.mp4 "$folder/film.mp4"
  echo "Film with sound: $folder/film.mp4"
fi
