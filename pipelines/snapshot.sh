#!/usr/bin/env bash
# Takes one picture of a camera.
set -euo pipefail
# shellcheck source=pipelines/camera.sh
. "$(dirname "${BASH_SOURCE[0]}")/camera.sh"

usage() {
  cat <<TEXT
Usage: $(basename "$0") [-n PICTURES] FILE.jpg|FILE.png

Writes one picture of the camera to FILE.

  -n PICTURES    writes the PICTURES-th picture (20); the first ones may have the size that an earlier viewer asked for
TEXT
  camera_usage
}

count=20 output=''
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage && exit ;;
    -n)
      case ${2:-} in '' | *[!0-9]* | 0) wrong_usage "-n needs a whole number" ;; esac
      count=$2 && shift
      ;;
    -*) wrong_usage "unknown argument '$1'" ;;
    *) [ -z "$output" ] || wrong_usage "one file is enough" && output=$1 ;;
  esac
  shift
done
case $output in
  *.jpg | *.jpeg) encoder=jpegenc ;;
  *.png) encoder=pngenc ;;
  '') wrong_usage "say which file to write" ;;
  *) wrong_usage "the file's name has to end in .jpg or .png" ;;
esac

find_camera
find_plugin
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# identity counts the picture at which it ends too.
run_pipeline '' "${camera[@]}" audio=false \
  camera.video ! decodebin ! identity "eos-after=$((count + 1))" ! videoconvert ! "$encoder" \
  ! multifilesink max-files=1 "location=$(quoted "$work/%d")"
picture=("$work"/*)
[ -s "${picture[0]}" ] || {
  echo "$(basename "$0"): the camera sent no picture" >&2
  exit 1
}
# Two steps, so that whoever reads FILE meanwhile sees the old picture or the new one.
cp "${picture[0]}" "$output.part"
mv "$output.part" "$output"
echo "$output"
