#!/usr/bin/python3
"""A camera made of GStreamer's webrtcbin. Offer and candidates come in on stdin, a JSON object a line; answer and
candidates go out on stdout."""

import json
import re
import sys

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstSdp", "1.0")
gi.require_version("GstWebRTC", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

# A key frame comes once a minute, or when it is asked for.
LINE = """
    webrtcbin name=camera bundle-policy=max-bundle
    videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=20/1
        ! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=1200 ! video/x-h264,profile=constrained-baseline
        ! rtph264pay config-interval=-1 aggregate-mode=zero-latency
        ! application/x-rtp,media=video,encoding-name=H264,payload={h264} ! camera.
    audiotestsrc is-live=true ! audio/x-raw,rate=48000,channels=2 ! opusenc ! rtpopuspay
        ! application/x-rtp,media=audio,encoding-name=OPUS,payload={opus} ! camera.
"""


class Camera:
    def __init__(self, offer):
        text = offer["sdp"]
        # Of several kinds of H.264, the one that may cut pictures into packets of any size.
        modes = re.findall(r"a=fmtp:(\d+) .*packetization-mode=1", text)
        h264 = next(mode for mode in modes if re.search(rf"a=rtpmap:{mode} H264/", text))
        opus = re.search(r"a=rtpmap:(\d+) opus/", text, re.IGNORECASE)[1]
        self.pipeline = Gst.parse_launch(LINE.format(h264=h264, opus=opus))
        self.webrtc = self.pipeline.get_by_name("camera")
        self.webrtc.connect("on-ice-candidate", self.on_candidate)
        self.pipeline.set_state(Gst.State.PLAYING)
        description = self.description(GstWebRTC.WebRTCSDPType.OFFER, text)
        self.webrtc.emit("set-remote-description", description, Gst.Promise.new_with_change_func(self.on_offer_set))

    @staticmethod
    def description(kind, text):
        result, message = GstSdp.SDPMessage.new_from_text(text)
        assert result == GstSdp.SDPResult.OK
        return GstWebRTC.WebRTCSessionDescription.new(kind, message)

    def on_offer_set(self, _promise):
        self.webrtc.emit("create-answer", None, Gst.Promise.new_with_change_func(self.on_answer))

    def on_answer(self, promise):
        # Owns the answer.
        reply = promise.get_reply()
        answer = reply.get_value("answer")
        self.webrtc.emit("set-local-description", answer, Gst.Promise.new())
        say({"type": "answer", "sdp": answer.sdp.as_text()})

    @staticmethod
    def on_candidate(_webrtc, line, candidate):
        say({"candidate": candidate, "sdpMLineIndex": line})

    def add_candidate(self, candidate):
        self.webrtc.emit("add-ice-candidate", candidate["sdpMLineIndex"], candidate["candidate"])


def say(message):
    print(json.dumps(message), flush=True)


def main():
    Gst.init(None)
    cameras = []

    def on_line(source, _condition):
        line = source.readline()
        if not line:
            loop.quit()
            return False
        message = json.loads(line)
        if "sdp" in message:
            cameras.append(Camera(message))
        else:
            cameras[0].add_candidate(message)
        return True

    loop = GLib.MainLoop()
    # Python's own buffer would hide lines from the loop.
    source = open(0, "rb", buffering=0)
    GLib.io_add_watch(source, GLib.PRIORITY_DEFAULT, GLib.IOCondition.IN | GLib.IOCondition.HUP, on_line)
    loop.run()
    for camera in cameras:
        camera.pipeline.set_state(Gst.State.NULL)


if __name__ == "__main__":
    sys.exit(main())
