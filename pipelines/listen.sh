#!/usr/bin/env bash
# Plays a camera's sound, or writes it to a file.
set -euo pipefail
# shellcheck source=pipelines/camera.sh
. "$(dirname "${BASH_SOURCE[0]}")/camera.sh"

usage() {
  cat <<TEXT
Usage: $(basename "$0") [-t SECONDS] [-o FILE.wav]

Plays the camera's sound until Ctrl-C. The camera is not asked for its picture.

  -t SECONDS     ends after so many seconds
  -o FILE.wav    writes the sound to a file instead
TEXT
  camera_usage
}

seconds='' output=''
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage && exit ;;
    -t) number -t "${2:-}" && seconds=$2 && shift ;;
    -o) output=${2:-} && [ -n "$output" ] || wrong_usage "-o needs a file" && shift ;;
    *) wrong_usage "unknown argument '$1'" ;;
  esac
  shift
done

find_camera
find_plugin
if [ -n "$output" ]; then
  sink=(wavenc ! filesink "location=$(quoted "$output")")
else
  sink=(autoaudiosink)
fi
run_pipeline "$seconds" "${camera[@]}" video=false camera.audio ! queue ! decodebin ! audioconvert ! audioresample ! "${sink[@]}"
