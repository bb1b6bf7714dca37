#!/bin/sh
# Shows a camera's picture, plays its sound, and sends the microphone's sound to its speaker, until Ctrl-C:
#
#   pipelines/intercom.sh "Front Door"
#
# What the loudspeaker plays is taken out of what the microphone hears: webrtcechoprobe listens to the one, webrtcdsp
# mends the other, and both want this format. With headphones, leave them out.
# wyzesrc and wyzesink share one session of the camera, as they are in one process.
# The camera is a name of the store, or a MAC. gst-launch-1.0 reads ", ' and \ for itself: take the MAC of a camera
# whose name has them.
#
# `wyze-cameras watch` does more: its key t is push to talk.
camera=${1:?"name the camera, as in: intercom.sh 'Front Door'"}

exec gst-launch-1.0 wyzesrc name=camera camera="$camera" \
  camera.video ! queue ! decodebin ! videoconvert ! autovideosink \
  camera.audio ! queue ! decodebin ! audioconvert ! audioresample \
    ! audio/x-raw,format=S16LE,rate=48000,channels=1 ! webrtcechoprobe name=echo ! autoaudiosink \
  autoaudiosrc ! queue ! audioconvert ! audioresample \
    ! audio/x-raw,format=S16LE,rate=48000,channels=1 ! webrtcdsp probe=echo ! wyzesink camera="$camera"
