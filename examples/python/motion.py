#!/usr/bin/env python3
"""Writes a file whenever something moves before a camera, from some seconds before on.

  examples/python/motion.py NAME FOLDER [--threshold 4] [--before 3] [--after 5]

NAME is a camera of the store (see wyze-cameras) that sends H.264 or H.265. On Debian it needs python3-gi,
gir1.2-gstreamer-1.0 and python3-numpy.
"""

import argparse
import collections
import datetime
import pathlib
import sys

import gi

gi.require_version("Gst", "1.0")
import numpy
from gi.repository import Gst

SIZE = (64, 36)
# One branch keeps the pictures as the camera encoded them, the other looks at small grey ones.
PIPELINE = f"""
wyzesrc name=camera audio=false camera.video ! tee name=split
split. ! queue ! appsink name=encoded sync=false
split. ! queue ! decodebin ! videoscale ! videoconvert ! video/x-raw,format=GRAY8,width={SIZE[0]},height={SIZE[1]}
    ! appsink name=grey sync=false
"""


def time_of(sample):
    return sample.get_buffer().pts / Gst.SECOND


def is_key_frame(sample):
    return not sample.get_buffer().has_flags(Gst.BufferFlags.DELTA_UNIT)


class Failed(Exception):
    pass


def error_of(pipeline):
    """Returns what has failed in the pipeline, or None."""
    message = pipeline.get_bus().pop_filtered(Gst.MessageType.ERROR)
    return message and message.parse_error()[0].message


class Recording:
    """A file that is being written, by a pipeline of its own."""

    def __init__(self, folder, caps):
        self.file = folder / datetime.datetime.now().strftime("%Y%m%d-%H%M%S.mkv")
        parser = "h265parse" if "h265" in caps.to_string() else "h264parse"
        line = f"appsrc name=source format=time ! {parser} ! matroskamux offset-to-zero=true ! filesink name=file"
        self.pipeline = Gst.parse_launch(line)
        self.pipeline.get_by_name("file").set_property("location", str(self.file))
        self.source = self.pipeline.get_by_name("source")
        self.pipeline.set_state(Gst.State.PLAYING)

    def add(self, sample):
        self.source.emit("push-sample", sample)
        error = error_of(self.pipeline)
        if error:
            self.pipeline.set_state(Gst.State.NULL)
            raise Failed(error)

    def finish(self):
        self.source.emit("end-of-stream")
        self.pipeline.get_bus().timed_pop_filtered(Gst.CLOCK_TIME_NONE, Gst.MessageType.EOS | Gst.MessageType.ERROR)
        self.pipeline.set_state(Gst.State.NULL)
        print(f"finished {self.file}", flush=True)


class Watch:
    def __init__(self, options):
        self.options = options
        self.recent = collections.deque()  # encoded pictures, from a key frame on
        self.last_look = None
        self.moved_at = None
        self.recording = None

    def look(self, sample):
        """Compares a grey picture with the one before."""
        buffer = sample.get_buffer()
        look = numpy.frombuffer(buffer.extract_dup(0, buffer.get_size()), numpy.uint8).astype(int)
        if self.last_look is not None and abs(look - self.last_look).mean() > self.options.threshold:
            self.moved_at = time_of(sample)
        self.last_look = look

    def keep(self, sample):
        """Keeps an encoded picture for a file that may begin, and writes it to one that has begun."""
        now = time_of(sample)
        is_moving = self.moved_at is not None and now - self.moved_at < self.options.after
        if self.recent or is_key_frame(sample):
            self.recent.append(sample)
        self.forget(now - self.options.before)
        if self.recording and not is_moving:
            self.finish()
        elif self.recording:
            self.recording.add(sample)
        elif is_moving and self.recent:
            self.recording = Recording(self.options.folder, sample.get_caps())
            print(f"motion, and {now - time_of(self.recent[0]):.1f} s before it: {self.recording.file}", flush=True)
            for recent in self.recent:
                self.recording.add(recent)

    def forget(self, time):
        """Drops what comes before the last key frame of that time: a file can only begin with a key frame."""
        keys = [i for i, sample in enumerate(self.recent) if is_key_frame(sample) and time_of(sample) <= time]
        for _ in range(keys[-1] if keys else 0):
            self.recent.popleft()

    def finish(self):
        if self.recording:
            self.recording.finish()
        self.recording = None


def run(pipeline, watch):
    encoded, grey = pipeline.get_by_name("encoded"), pipeline.get_by_name("grey")
    while True:
        # A call into GStreamer holds Ctrl-C up until it returns.
        sample = encoded.emit("try-pull-sample", Gst.SECOND // 10)
        error = error_of(pipeline)
        if error:
            watch.finish()
            raise Failed(error)
        # None is left out: two pictures that are far apart differ without motion.
        while small := grey.emit("try-pull-sample", 0):
            watch.look(small)
        if sample:
            watch.keep(sample)


def main():
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description="Writes a file whenever something moves before a camera.")
    parser.add_argument("camera", metavar="NAME")
    parser.add_argument("folder", metavar="FOLDER", type=pathlib.Path)
    parser.add_argument("--threshold", type=float, default=4, help="mean change of brightness, 0 to 255")
    parser.add_argument("--before", type=float, default=3, help="seconds that are kept from before the motion")
    parser.add_argument("--after", type=float, default=5, help="seconds without motion after which a file ends")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    Gst.init(None)
    pipeline = Gst.parse_launch(PIPELINE)
    pipeline.get_by_name("camera").set_property("camera", options.camera)
    pipeline.set_state(Gst.State.PLAYING)
    watch = Watch(options)
    try:
        run(pipeline, watch)
    except Failed as error:
        print(f"motion.py: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        watch.finish()
        return 0
    finally:
        pipeline.set_state(Gst.State.NULL)


if __name__ == "__main__":
    code = main()
    # GST_TRACERS=leaks reports here.
    Gst.deinit()
    sys.exit(code)
