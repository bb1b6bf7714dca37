#!/usr/bin/env python3
"""Shows a camera's edges with OpenCV, which needs GStreamer in it, as Debian's python3-opencv has.

  examples/python/opencv.py NAME

NAME is a camera of the store (see wyze-cameras). q or Ctrl-C ends it.
"""

import sys

import cv2

if len(sys.argv) != 2:
    sys.exit(__doc__)
line = f'wyzesrc camera="{sys.argv[1]}" audio=false ! decodebin ! videoconvert ! video/x-raw,format=BGR ! appsink'
camera = cv2.VideoCapture(f"{line} max-buffers=1 drop=true", cv2.CAP_GSTREAMER)
if not camera.isOpened():
    # OpenCV has printed the error.
    sys.exit(1)
try:
    while True:
        is_read, picture = camera.read()
        if not is_read:
            sys.exit("opencv.py: the camera is lost")
        cv2.imshow(sys.argv[1], cv2.Canny(picture, 100, 200))
        if cv2.waitKey(1) == ord("q"):
            break
except KeyboardInterrupt:
    pass
finally:
    camera.release()
