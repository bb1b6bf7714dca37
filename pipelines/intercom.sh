#!/usr/bin/env bash
# Shows a camera's picture, plays its sound and talks through its speaker: one pipeline, one session of the camera.
set -euo pipefail
# shellcheck source=pipelines/camera.sh
. "$(dirname "${BASH_SOURCE[0]}")/camera.sh"

usage() {
  cat <<TEXT
Usage: $(basename "$0") [-t SECONDS] [--no-echo-cancellation]

Shows the camera's picture, plays its sound and sends the microphone's to its speaker, until the window is closed or
Ctrl-C. What the loudspeaker plays is taken out of what the microphone hears.

  -t SECONDS    ends after so many seconds
  --no-echo-cancellation
                leaves the microphone's sound as it is, for headphones
  WYZE_VIDEO_SINK, WYZE_AUDIO_SINK, WYZE_AUDIO_SOURCE
                GStreamer elements to show, play and record with (autovideosink, autoaudiosink, autoaudiosrc)
TEXT
  camera_usage
}

seconds='' cancel=true
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage && exit ;;
    -t) number -t "${2:-}" && seconds=$2 && shift ;;
    --no-echo-cancellation) cancel=false ;;
    *) wrong_usage "unknown argument '$1'" ;;
  esac
  shift
done

find_camera
find_plugin
# Echo cancellation works on 10 ms of 16-bit sound at a rate of its choice, the same on both sides.
format='audio/x-raw,format=S16LE,rate=48000,channels=1'
probe=() canceller=()
if [ "$cancel" = true ]; then
  probe=(! "$format" ! webrtcechoprobe name=echo)
  canceller=(! "$format" ! webrtcdsp probe=echo)
fi
run_pipeline "$seconds" "${camera[@]}" \
  camera.video ! queue ! decodebin ! videoconvert ! "${WYZE_VIDEO_SINK:-autovideosink}" \
  camera.audio ! queue ! decodebin ! audioconvert ! audioresample "${probe[@]}" ! "${WYZE_AUDIO_SINK:-autoaudiosink}" \
  "${WYZE_AUDIO_SOURCE:-autoaudiosrc}" ! queue ! audioconvert ! audioresample "${canceller[@]}" ! "${speaker[@]}"
