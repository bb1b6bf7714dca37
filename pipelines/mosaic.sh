#!/bin/sh
# Shows four cameras in one window, and plays the sound of the first, until Ctrl-C or until the window is closed:
#
#   pipelines/mosaic.sh "Front Door" Garden Garage Attic
#
# Cameras are names of the store, or MACs. gst-launch-1.0 reads ", ' and \ for itself: take the MAC of a camera whose
# name has them.
# resolution=360p asks the cameras for a small picture. All four have to be there at the start; one that is lost later
# comes back by itself.
# If the first camera has no sound, leave out the line that begins with first.audio.
usage='name four cameras, as in: mosaic.sh "Front Door" Garden Garage Attic'
a=${1:?"$usage"} b=${2:?"$usage"} c=${3:?"$usage"} d=${4:?"$usage"}

exec gst-launch-1.0 compositor name=mosaic background=black \
    sink_0::width=640 sink_0::height=360 \
    sink_1::width=640 sink_1::height=360 sink_1::xpos=640 \
    sink_2::width=640 sink_2::height=360 sink_2::ypos=360 \
    sink_3::width=640 sink_3::height=360 sink_3::xpos=640 sink_3::ypos=360 \
  ! video/x-raw,width=1280,height=720,framerate=20/1 ! videoconvert ! autovideosink \
  wyzesrc camera="$a" resolution=360p name=first \
  wyzesrc camera="$b" resolution=360p audio=false ! decodebin ! queue ! mosaic.sink_1 \
  wyzesrc camera="$c" resolution=360p audio=false ! decodebin ! queue ! mosaic.sink_2 \
  wyzesrc camera="$d" resolution=360p audio=false ! decodebin ! queue ! mosaic.sink_3 \
  first.video ! queue ! decodebin ! queue ! mosaic.sink_0 \
  first.audio ! queue ! decodebin ! audioconvert ! audioresample ! autoaudiosink
