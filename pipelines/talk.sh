#!/bin/sh
# Plays a file through a camera's speaker, in any format that GStreamer knows:
#
#   pipelines/talk.sh "Front Door" announcement.ogg
#
# The camera is a name of the store, or a MAC. gst-launch-1.0 reads ", ' and \ for itself: take the MAC of a camera
# whose name has them, and no file whose name has them.
# To talk by the microphone until Ctrl-C, write `autoaudiosrc ! queue` in the place of filesrc and decodebin.
#
# `wyze-cameras talk` does more: it reads out text, too.
camera=${1:?"name the camera and a file, as in: talk.sh 'Front Door' announcement.ogg"}
file=${2:?"name a file, as in: talk.sh 'Front Door' announcement.ogg"}

exec gst-launch-1.0 filesrc location="$file" ! decodebin ! wyzesink camera="$camera"
