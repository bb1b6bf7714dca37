#!/bin/sh
# Records a camera to one Matroska file until Ctrl-C, picture and sound as the camera sends them:
#
#   pipelines/mkv.sh "Front Door" film.mkv
#
# The file can be played while it grows. A file that is there already is written over.
# The camera is a name of the store, or a MAC. gst-launch-1.0 reads ", ' and \ for itself: take the MAC of a camera
# whose name has them, and no file whose name has them.
# For a camera that sends H.265, write h265parse. For one whose sound is AAC, write `queue ! aacparse` in the last line.
# For one without sound, leave out the line that begins with camera.audio: the file waits for both.
#
# `wyze-cameras record --format mkv --copy-audio` does all that by itself, and begins a new file every ten minutes.
camera=${1:?"name the camera and a file, as in: mkv.sh 'Front Door' film.mkv"}
file=${2:?"name a file, as in: mkv.sh 'Front Door' film.mkv"}

exec gst-launch-1.0 -e wyzesrc name=camera camera="$camera" \
  matroskamux name=film ! filesink location="$file" \
  camera.video ! queue ! h264parse ! film.video_0 \
  camera.audio ! queue ! film.audio_0
