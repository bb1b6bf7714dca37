#!/bin/sh
# Writes a camera's next picture to a JPEG file:
#
#   pipelines/snapshot.sh "Front Door" picture.jpg
#
# The camera is a name of the store, or a MAC. gst-launch-1.0 reads ", ' and \ for itself: take the MAC of a camera
# whose name has them, and no file whose name has them.
# For PNG, write pngenc in the place of jpegenc. If somebody watched the camera in another size just before, the picture
# may still have that size.
#
# `wyze-cameras snapshot` does more: it waits for the right size, and takes pictures again and again.
camera=${1:?"name the camera and a file, as in: snapshot.sh 'Front Door' picture.jpg"}
file=${2:?"name a file, as in: snapshot.sh 'Front Door' picture.jpg"}

exec gst-launch-1.0 wyzesrc camera="$camera" audio=false \
  ! decodebin ! videoconvert ! jpegenc snapshot=true ! filesink location="$file"
