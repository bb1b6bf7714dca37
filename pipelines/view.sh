#!/usr/bin/env bash
# Shows a camera's picture and plays its sound.
set -euo pipefail
# shellcheck source=pipelines/camera.sh
. "$(dirname "${BASH_SOURCE[0]}")/camera.sh"

usage() {
  cat <<TEXT
Usage: $(basename "$0") [-t SECONDS] [--no-audio]

Shows the camera's picture and plays its sound, until the window is closed or Ctrl-C.

  -t SECONDS    ends after so many seconds
  --no-audio    shows the picture only
  WYZE_VIDEO_SINK, WYZE_AUDIO_SINK
                GStreamer elements to show and play with (autovideosink, autoaudiosink)
TEXT
  camera_usage
}

seconds='' audio=true
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage && exit ;;
    -t) number -t "${2:-}" && seconds=$2 && shift ;;
    --no-audio) audio=false ;;
    *) wrong_usage "unknown argument '$1'" ;;
  esac
  shift
done

find_camera
find_plugin
sound=()
if [ "$audio" = true ]; then
  sound=(camera.audio ! queue ! decodebin ! audioconvert ! audioresample ! "${WYZE_AUDIO_SINK:-autoaudiosink}")
fi
run_pipeline "$seconds" "${camera[@]}" "audio=$audio" \
  camera.video ! queue ! decodebin ! videoconvert ! "${WYZE_VIDEO_SINK:-autovideosink}" "${sound[@]}"
