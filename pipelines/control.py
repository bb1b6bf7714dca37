#!/usr/bin/env python3
"""Plays a camera's picture, and turns the camera by the arrow keys of the terminal.

It needs PyGObject and GStreamer's introspection data: python3-gi and gir1.2-gstreamer-1.0 on Debian.
"""

import argparse
import os
import pathlib
import signal
import sys
import termios
import tty

try:
    import gi

    gi.require_version("Gst", "1.0")
    from gi.repository import GLib, Gst
except (ImportError, ValueError) as error:
    sys.exit(f"control.py: {error}: install python3-gi and gir1.2-gstreamer-1.0, and use the system's Python")

KEYS_HELP = """\
Keys, in the terminal:
  arrows   turn the camera by 10 degrees (in the window of the picture, too)
  n        switch night vision: on, off, auto
  q        end, as Ctrl-C does

Where the camera looks is printed when it changes. Keys may also come from a pipe.

The camera is the argument, or taken from the environment:
  WYZE_CAMERA                   its name in the store (see wyze-cameras), or instead of that
  WYZE_URI                      wyze://HOST[:PORT]?uid=...&enr=...&mac=..., or instead of that
  WYZE_UID, WYZE_ENR, WYZE_MAC  the three values that name the camera and open it
  WYZE_HOST, WYZE_PORT          its address; without them, the local network is searched for the camera
  WYZE_MODEL                    its model; without it, the camera's own word counts
  WYZE_VIDEO_SINK               the GStreamer element to show with (autovideosink)
"""
STEP = 10  # degrees
SPEED = 5  # of 1 to 9
# Terminals send either form, by mode.
ARROWS = {"A": ("up", 0, STEP), "B": ("down", 0, -STEP), "C": ("right", STEP, 0), "D": ("left", -STEP, 0)}
KEYS = {f"\x1b{form}{letter}": arrow for form in "[O" for letter, arrow in ARROWS.items()}


def say(text):
    print(text, flush=True)


class Control:
    """A pipeline that shows a camera, and what is asked of the camera."""

    def __init__(self, identity, sink):
        line = f"wyzesrc name=camera audio=false camera.video ! queue ! decodebin ! videoconvert ! {sink}"
        self.pipeline = Gst.parse_launch(line)
        self.camera = self.pipeline.get_by_name("camera")
        for name, value in identity.items():
            self.camera.set_property(name, value)
        self.loop = GLib.MainLoop()
        self.failed = False
        self.typed = ""
        self.position = None
        self.is_asking = False
        self.has_position = True

    def run(self):
        """Plays until somebody or something ends it. Returns whether all went well."""
        bus = self.pipeline.get_bus()
        bus.add_signal_watch()
        bus.connect("message", self.on_message)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: self.loop.quit())
        GLib.io_add_watch(sys.stdin.fileno(), GLib.IO_IN | GLib.IO_HUP, self.on_input)
        GLib.timeout_add_seconds(1, self.ask_position)
        self.pipeline.set_state(Gst.State.PLAYING)
        try:
            self.loop.run()
        finally:
            self.pipeline.set_state(Gst.State.NULL)
            bus.remove_signal_watch()
        say("stopped")
        return not self.failed

    def on_message(self, _, message):
        if message.type == Gst.MessageType.ERROR:
            say(f"error: {message.parse_error()[0].message}")
            self.failed = True
            self.loop.quit()
        elif message.type == Gst.MessageType.EOS:
            self.loop.quit()
        elif message.has_name("wyze-connection") and message.src == self.camera:
            say(f"camera: {message.get_structure().get_string('state')}")

    def on_input(self, source, _):
        typed = os.read(source, 64)
        self.typed += typed.decode(errors="replace")
        while self.typed:
            key = next((key for key in KEYS if self.typed.startswith(key)), self.typed[0])
            if key == "\x1b" and any(other.startswith(self.typed) for other in KEYS):
                # The rest of an arrow key is still to come.
                break
            self.typed = self.typed[len(key) :]
            self.on_key(key)
        # The end of a pipe is not the end of the picture.
        return bool(typed)

    def on_key(self, key):
        if key in KEYS:
            direction, horizontal, vertical = KEYS[key]
            self.camera.emit("rotate", horizontal, vertical, SPEED)
            say(f"turn {direction} by {STEP} degrees")
        elif key == "n":
            self.switch_night_vision()
        elif key == "q":
            self.loop.quit()

    def switch_night_vision(self):
        """Goes to the next choice. Before the camera has told its own, that is the first."""
        now = self.camera.get_property("night-vision")
        nicks = [choice.value_nick for choice in type(now).__enum_values__.values()]
        nicks.remove("unchanged")
        at = nicks.index(now.value_nick) + 1 if now.value_nick in nicks else 0
        following = nicks[at % len(nicks)]
        Gst.util_set_object_arg(self.camera, "night-vision", following)
        say(f"night vision: {following}")

    def ask_position(self):
        if not self.is_asking:
            self.is_asking = True
            self.camera.emit("position", Gst.Promise.new_with_change_func(self.on_reply))
        return self.has_position

    def on_reply(self, promise):
        # This runs in a thread of the element's.
        reply = promise.get_reply() if promise.wait() == Gst.PromiseResult.REPLIED else None
        where = None
        if reply is not None:
            where = [reply.get_uint(name) for name in ("horizontal", "vertical")]
        GLib.idle_add(self.on_position, where)

    def on_position(self, where):
        """Takes a position; None without a connection, and fields without values from a camera that kept silent."""
        self.is_asking = False
        if where is None:
            return
        if not all(is_there for is_there, _ in where):
            say("position: this camera does not tell it")
            self.has_position = False
            return
        position = tuple(degrees for _, degrees in where)
        if position != self.position:
            self.position = position
            say("position: {} / {}".format(*position))


def identity_of(name):
    """Returns the properties that name the camera."""
    if name is not None:
        return {"uri": name} if "://" in name else {"camera": name}
    environment = {key: value for key, value in os.environ.items() if value}
    for variable, prop in (("WYZE_CAMERA", "camera"), ("WYZE_URI", "uri")):
        if variable in environment:
            return {prop: environment[variable]}
    keys = ("UID", "ENR", "MAC")
    missing = [f"WYZE_{key}" for key in keys if f"WYZE_{key}" not in environment]
    if missing:
        print(
            "control.py: no camera is named: give its name, or set WYZE_CAMERA, WYZE_URI, or WYZE_UID, WYZE_ENR and "
            f"WYZE_MAC (missing: {', '.join(missing)})",
            file=sys.stderr,
        )
        sys.exit(2)
    names = (*keys, "HOST", "PORT", "MODEL")
    identity = {key.lower(): environment[f"WYZE_{key}"] for key in names if f"WYZE_{key}" in environment}
    if "port" in identity:
        identity["port"] = int(identity["port"])
    return identity


def find_plugin():
    """Takes the plugin that was built here, where none is installed."""
    root = pathlib.Path(__file__).resolve().parent.parent
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", root / "target"))
    for folder in (None, target / "release", target / "debug", root / "builddir"):
        if folder is not None and (folder / "libgstwyze.so").exists():
            Gst.Registry.get().scan_path(str(folder))
        if Gst.ElementFactory.find("wyzesrc"):
            return
    sys.exit(f"control.py: the wyze plugin is neither installed nor built: run 'cargo build --release' in {root}")


def main():
    parser = argparse.ArgumentParser(
        description="Plays a camera's picture, and turns the camera by the arrow keys of the terminal.",
        epilog=KEYS_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("camera", nargs="?", metavar="CAMERA", help="the camera's name in the store, or a wyze:// URI")
    parser.add_argument("--headless", action="store_true", help="show no picture; keys work all the same")
    arguments = parser.parse_args()
    identity = identity_of(arguments.camera)
    Gst.init(None)
    find_plugin()
    sink = "fakesink sync=true" if arguments.headless else os.environ.get("WYZE_VIDEO_SINK") or "autovideosink"
    try:
        control = Control(identity, sink)
    except (GLib.Error, TypeError, ValueError) as error:
        sys.exit(f"control.py: {error}")
    before = termios.tcgetattr(sys.stdin) if sys.stdin.isatty() else None
    try:
        if before is not None:
            # Keys come as they are pressed, and are not shown. Ctrl-C stays what it is.
            tty.setcbreak(sys.stdin)
        is_well = control.run()
    finally:
        if before is not None:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)
    sys.exit(0 if is_well else 1)


if __name__ == "__main__":
    main()
