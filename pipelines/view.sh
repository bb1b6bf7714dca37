#!/bin/sh
# Shows a camera's picture and plays its sound, until Ctrl-C or until the window is closed:
#
#   pipelines/view.sh "Front Door"
#
# The camera is a name of the store, or a MAC. gst-launch-1.0 reads ", ' and \ for itself: take the MAC of a camera
# whose name has them.
# For a camera without sound, leave out the line that begins with camera.audio.
#
# `wyze-cameras watch` does more: keys turn the camera, take a picture and talk.
camera=${1:?"name the camera, as in: view.sh 'Front Door'"}

exec gst-launch-1.0 wyzesrc name=camera camera="$camera" \
  camera.video ! queue ! decodebin ! videoconvert ! autovideosink \
  camera.audio ! queue ! decodebin ! audioconvert ! audioresample ! autoaudiosink
