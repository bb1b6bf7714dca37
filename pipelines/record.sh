#!/bin/sh
# Records a camera to MP4 files of a minute until Ctrl-C, which finishes the last one:
#
#   pipelines/record.sh "Front Door" films
#
# The picture stays as the camera sends it, so a file is cut at the first key frame after its minute. Sound becomes AAC.
# The camera is a name of the store, or a MAC. gst-launch-1.0 reads ", ' and \ for itself: take the MAC of a camera
# whose name has them.
# For a camera that sends H.265, write h265parse. For one without sound, leave out the line that begins with
# camera.audio: files wait for both.
#
# `wyze-cameras record` does more: it takes whatever the camera sends, fills sound that is missing with silence, deletes
# what is old, and loses nothing when it is killed.
camera=${1:?"name the camera and a folder, as in: record.sh 'Front Door' films"}
folder=${2:?"name a folder for the files, as in: record.sh 'Front Door' films"}

# gst-launch-1.0 would read ", ' and \ in the folder's name, and splitmuxsink the % in it.
mkdir -p -- "$folder" && cd -- "$folder" || exit
exec gst-launch-1.0 -e wyzesrc name=camera camera="$camera" \
  splitmuxsink name=files max-size-time=60000000000 location="$(date +%Y%m%d-%H%M%S)-%05d.mp4" \
  camera.video ! queue ! h264parse ! files.video \
  camera.audio ! queue ! decodebin ! audioconvert ! audioresample ! avenc_aac ! queue ! files.audio_0
