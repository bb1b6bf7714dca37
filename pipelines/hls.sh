#!/bin/sh
# Writes a camera as HLS, for browsers and phones, until Ctrl-C:
#
#   pipelines/hls.sh "Front Door" web &
#   python3 -m http.server --directory web      # then play http://HOST:8000/live.m3u8
#
# The folder has the playlist and the newest segments. Each begins with a key frame, so it has 2 s or a little more.
# send-keyframe-requests=false takes key frames as they come, and leaves the camera's encoder alone.
# The camera is a name of the store, or a MAC. gst-launch-1.0 reads ", ' and \ for itself: take the MAC of a camera
# whose name has them.
# For a camera without sound, leave out the line that begins with camera.audio: segments wait for both.
# Browsers play H.264 only.
camera=${1:?"name the camera and a folder, as in: hls.sh 'Front Door' web"}
folder=${2:?"name a folder for the segments, as in: hls.sh 'Front Door' web"}

# gst-launch-1.0 would read ", ' and \ in the folder's name, and hlssink2 the % in it.
mkdir -p -- "$folder" && cd -- "$folder" || exit
exec gst-launch-1.0 -e wyzesrc name=camera camera="$camera" \
  hlssink2 name=hls send-keyframe-requests=false target-duration=2 playlist-length=5 max-files=10 \
    location=%05d.ts playlist-location=live.m3u8 \
  camera.video ! queue ! h264parse ! hls.video \
  camera.audio ! queue ! decodebin ! audioconvert ! audioresample ! avenc_aac ! hls.audio
