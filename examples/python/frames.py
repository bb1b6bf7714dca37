#!/usr/bin/env python3
"""Takes a camera's pictures as numpy arrays, with the time of capture.

  examples/python/frames.py NAME [COUNT]

NAME is a camera of the store (see wyze-cameras), COUNT after how many pictures to end. On Debian it needs python3-gi,
gir1.2-gstreamer-1.0 and python3-numpy.
"""

import datetime
import sys

import gi

gi.require_version("Gst", "1.0")
import numpy
from gi.repository import Gst

# A program that is slower than the camera gets the newest picture.
PIPELINE = """
wyzesrc name=camera audio=false ! decodebin ! videoconvert ! video/x-raw,format=BGR
    ! appsink name=sink sync=false max-buffers=1 drop=true
"""


def array_of(sample):
    """Returns a copy of the picture as an array of lines, columns and colours: blue, green, red."""
    caps = sample.get_caps().get_structure(0)
    width, height = caps.get_value("width"), caps.get_value("height")
    buffer = sample.get_buffer()
    is_mapped, mapped = buffer.map(Gst.MapFlags.READ)
    assert is_mapped
    # A line may be longer than its pixels.
    lines = numpy.frombuffer(mapped.data, numpy.uint8).reshape(height, -1)
    picture = lines[:, : 3 * width].reshape(height, width, 3).copy()
    buffer.unmap(mapped)
    return picture


def capture_time(sample):
    """Returns when the camera took the picture, or None before its clock is known to be set and to run."""
    meta = sample.get_buffer().get_reference_timestamp_meta(Gst.Caps.from_string("timestamp/x-unix"))
    return meta and datetime.datetime.fromtimestamp(meta.timestamp / Gst.SECOND, datetime.timezone.utc)


def look_at(number, sample):
    """Here goes what is done with the pictures."""
    picture, time = array_of(sample), capture_time(sample)
    height, width, _ = picture.shape
    taken = time.isoformat(timespec="milliseconds") if time else "at an unknown time"
    print(f"picture {number}: {width}x{height}, brightness {picture.mean():.1f}, taken {taken}", flush=True)


def run(pipeline, count):
    """Looks at so many pictures. Returns the exit code."""
    sink, bus = pipeline.get_by_name("sink"), pipeline.get_bus()
    number = 0
    while number < count:
        # A call into GStreamer holds Ctrl-C up until it returns.
        sample = sink.emit("try-pull-sample", Gst.SECOND // 10)
        message = bus.pop_filtered(Gst.MessageType.ERROR | Gst.MessageType.EOS)
        if message and message.type == Gst.MessageType.ERROR:
            print(f"frames.py: {message.parse_error()[0].message}", file=sys.stderr)
            return 1
        if message:
            return 0
        if sample:
            number += 1
            look_at(number, sample)
    return 0


def main():
    """Returns the exit code."""
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    Gst.init(None)
    pipeline = Gst.parse_launch(PIPELINE)
    pipeline.get_by_name("camera").set_property("camera", sys.argv[1])
    pipeline.set_state(Gst.State.PLAYING)
    try:
        return run(pipeline, int(sys.argv[2]) if len(sys.argv) == 3 else sys.maxsize)
    except KeyboardInterrupt:
        return 0
    finally:
        pipeline.set_state(Gst.State.NULL)


if __name__ == "__main__":
    code = main()
    # GST_TRACERS=leaks reports here.
    Gst.deinit()
    sys.exit(code)
