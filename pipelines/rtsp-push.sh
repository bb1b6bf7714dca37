#!/bin/sh
# Sends a camera to an RTSP server that takes streams, such as MediaMTX, until Ctrl-C:
#
#   pipelines/rtsp-push.sh "Front Door" rtsp://127.0.0.1:8554/front-door
#
# The picture stays as the camera sends it, and sound becomes AAC.
# The camera is a name of the store, or a MAC. gst-launch-1.0 reads ", ' and \ for itself: take the MAC of a camera
# whose name has them; a URL has %22, %27 and %5C for them.
# A password in the URL can be read by all users of this machine.
# For a camera that sends H.265, write h265parse. For one without sound, leave out the line that begins with
# camera.audio: the server is told of both.
# There is no -e: a server needs no end of stream, and rtspclientsink 1.22 may wait for it for ever.
#
# `wyze-cameras serve` does more: it is an RTSP server itself.
camera=${1:?"name the camera and a URL, as in: rtsp-push.sh 'Front Door' rtsp://127.0.0.1:8554/front-door"}
url=${2:?"name the server's URL, as in: rtsp-push.sh 'Front Door' rtsp://127.0.0.1:8554/front-door"}

exec gst-launch-1.0 wyzesrc name=camera camera="$camera" \
  rtspclientsink name=server protocols=tcp location="$url" \
  camera.video ! queue ! h264parse ! server. \
  camera.audio ! queue ! decodebin ! audioconvert ! audioresample ! avenc_aac ! aacparse ! server.
