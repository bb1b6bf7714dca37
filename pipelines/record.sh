#!/usr/bin/env bash
# Records a camera to MP4 files, one after the other.
set -euo pipefail
# shellcheck source=pipelines/camera.sh
. "$(dirname "${BASH_SOURCE[0]}")/camera.sh"

usage() {
  cat <<TEXT
Usage: $(basename "$0") [-s SECONDS] [-t SECONDS] [--no-audio] [--h265] FOLDER

Records picture and sound to FOLDER as MP4 files that follow each other without a gap, until Ctrl-C. The picture is
stored as the camera sends it, and so is AAC; other sound, which MP4 cannot hold, is encoded as AAC.

  -s SECONDS    length of a file (60); it may be some seconds shorter, as each file begins with a key frame
  -t SECONDS    ends after so many seconds
  --no-audio    records the picture only; a camera that sends no sound needs this, as a file waits for both
  --h265        is for a camera that sends H.265 instead of H.264
TEXT
  camera_usage
}

segment=60 seconds='' audio=true codec=h264 folder=''
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage && exit ;;
    -s) number -s "${2:-}" && segment=$2 && shift ;;
    -t) number -t "${2:-}" && seconds=$2 && shift ;;
    --no-audio) audio=false ;;
    --h265) codec=h265 ;;
    -*) wrong_usage "unknown argument '$1'" ;;
    *) [ -z "$folder" ] || wrong_usage "one folder is enough" && folder=$1 ;;
  esac
  shift
done
[ -n "$folder" ] || wrong_usage "say which folder to record to"

find_camera
find_plugin
mkdir -p "$folder"
# A file is written when a whole group of pictures is there, so the queues hold more than the longest group.
queue=(queue max-size-time=20000000000 max-size-bytes=0 max-size-buffers=0)
sound=()
if [ "$audio" = true ]; then
  # Decodes everything but AAC, and encodes only what is not AAC.
  sound=(camera.audio ! "${queue[@]}"
    ! decodebin 'caps="audio/x-raw;audio/mpeg,mpegversion=4"'
    ! encodebin 'profile="audio/mpeg,mpegversion=4,stream-format=raw,base-profile=lc"'
    ! "${queue[@]}" ! files.audio_0)
fi
started=$(date +%Y%m%d-%H%M%S)
# splitmuxsink reads a % as the beginning of the number; a % in the folder's name is doubled.
files=${folder//%/%%}/$started-%05d.mp4
echo "Recording to $folder; Ctrl-C ends it"
status=0
run_pipeline "$seconds" "${camera[@]}" "audio=$audio" \
  splitmuxsink name=files muxer-factory=mp4mux "max-size-time=${segment}000000000" "location=$(quoted "$files")" \
  camera.video ! "${queue[@]}" ! "${codec}parse" ! files.video "${sound[@]}" || status=$?
[ -n "$(find "$folder" -name "$started-*.mp4" -size +0 -print -quit)" ] || {
  echo "$(basename "$0"): nothing was recorded; for a camera that sends no sound, use --no-audio" >&2
  exit 1
}
exit "$status"
