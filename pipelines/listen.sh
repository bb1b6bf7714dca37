#!/bin/sh
# Plays a camera's sound until Ctrl-C. The camera is not asked for its picture:
#
#   pipelines/listen.sh "Front Door"
#
# The camera is a name of the store, or a MAC. gst-launch-1.0 reads ", ' and \ for itself: take the MAC of a camera
# whose name has them.
# To write a file instead, put `wavenc ! filesink location=sound.wav` in the place of autoaudiosink.
camera=${1:?"name the camera, as in: listen.sh 'Front Door'"}

exec gst-launch-1.0 wyzesrc camera="$camera" video=false \
  ! queue ! decodebin ! audioconvert ! audioresample ! autoaudiosink
