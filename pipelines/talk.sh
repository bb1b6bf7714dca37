#!/usr/bin/env bash
# Plays a file, or the microphone, through a camera's speaker.
set -euo pipefail
# shellcheck source=pipelines/camera.sh
. "$(dirname "${BASH_SOURCE[0]}")/camera.sh"

usage() {
  cat <<TEXT
Usage: $(basename "$0") [-t SECONDS] [FILE]

Plays FILE, in any format that GStreamer knows, through the camera's speaker. Without FILE, it plays the microphone's
sound until Ctrl-C.

  -t SECONDS    ends after so many seconds
  WYZE_AUDIO_SOURCE
                GStreamer element to record with (autoaudiosrc)
TEXT
  camera_usage
}

seconds='' file=''
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage && exit ;;
    -t) number -t "${2:-}" && seconds=$2 && shift ;;
    -*) wrong_usage "unknown argument '$1'" ;;
    *) [ -z "$file" ] || wrong_usage "one file is enough" && file=$1 ;;
  esac
  shift
done

find_camera
find_plugin
if [ -n "$file" ]; then
  [ -r "$file" ] || wrong_usage "'$file' cannot be read"
  sound=(filesrc "location=$(quoted "$file")" ! decodebin)
else
  sound=("${WYZE_AUDIO_SOURCE:-autoaudiosrc}")
fi
run_pipeline "$seconds" "${sound[@]}" ! queue ! audioconvert ! audioresample ! "${speaker[@]}"
