#!/usr/bin/env bash
# Takes a picture of the simulated camera, by the plugin or by wyze-cameras, and looks whether it is one:
#
#   tests/picture.sh CAMERA            by gst-launch-1.0, with the plugin that it finds
#   tests/picture.sh CAMERA PROGRAM    by the program
#
# CAMERA is the program wyze-camera, which gets a free port of 127.0.0.1. ROOT, where set, is a folder with another
# system: gst-launch-1.0 or PROGRAM is run there.
set -euo pipefail
camera=$1 program=${2:-} root=${ROOT:-}
work=$(mktemp -d -p "$root/tmp")
# The same folder, as those who are run see it.
seen=${work#"$root"}
simulated=
trap '[ -z "$simulated" ] || kill "$simulated" || true; rm -rf "$work"' EXIT

run() {
  if [ -n "$root" ]; then
    timeout 60 chroot "$root" env -i PATH=/usr/bin:/bin HOME="$seen" "$@"
  else
    # A registry of its own remembers no plugin from elsewhere.
    GST_REGISTRY=$work/registry timeout 60 "$@"
  fi
}

exec 3< <(exec "$camera" --listen 127.0.0.1:0 --duration 100)
simulated=$!
url=
while [ -z "$url" ]; do
  read -r -t 30 line <&3 || {
    echo "the simulated camera did not start" >&2
    exit 1
  }
  [[ $line != wyze:* ]] || url=$line
done

if [ -n "$program" ]; then
  run "$program" snapshot "$url" "$seen/picture.jpg"
else
  run gst-launch-1.0 -q wyzesrc uri="$url" audio=false \
    ! decodebin ! videoconvert ! jpegenc snapshot=true ! filesink location="$seen/picture.jpg"
fi

size=$(stat -c %s "$work/picture.jpg")
start=$(head -c 2 "$work/picture.jpg" | od -An -tx1) end=$(tail -c 2 "$work/picture.jpg" | od -An -tx1)
if [ "$start$end" != " ff d8 ff d9" ] || [ "$size" -lt 2000 ]; then
  echo "this is no picture: $size bytes, from$start to$end" >&2
  exit 1
fi
echo "a picture of $size bytes"
