#!/bin/sh
# Sends a camera as an MPEG transport stream by UDP until Ctrl-C:
#
#   pipelines/ts-udp.sh "Front Door" 192.168.1.30 5000      # there: ffplay udp://@:5000, or VLC with udp://@:5000
#
# The host may be a multicast address, such as 239.1.2.3. Nothing is sent again that is lost, and nothing is encrypted.
# alignment=7 puts seven packets of the stream into a datagram, as is usual. Sound becomes AAC.
# config-interval=-1 repeats what a decoder has to know at each key frame, for those who join later.
# The camera is a name of the store, or a MAC. gst-launch-1.0 reads ", ' and \ for itself: take the MAC of a camera
# whose name has them.
# For a camera that sends H.265, write h265parse. For one without sound, leave out the line that begins with
# camera.audio: the stream waits for both.
usage="name the camera, a host and a port, as in: ts-udp.sh 'Front Door' 192.168.1.30 5000"
camera=${1:?"$usage"} host=${2:?"$usage"} port=${3:?"$usage"}

exec gst-launch-1.0 -e wyzesrc name=camera camera="$camera" \
  mpegtsmux name=stream alignment=7 ! udpsink host="$host" port="$port" \
  camera.video ! queue ! h264parse config-interval=-1 ! stream. \
  camera.audio ! queue ! decodebin ! audioconvert ! audioresample ! avenc_aac ! aacparse ! stream.
