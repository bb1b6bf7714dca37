#!/usr/bin/env bash
# Shows the plugin at work without a camera: against four simulated ones.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

usage() {
  cat <<TEXT
Usage: $(basename "$0") [-t SECONDS] [-o FOLDER] [--debug] [--no-build]

Installs and builds what is missing, starts four simulated cameras, and shows them in a window with the sound of the
first. Then it turns that camera, and talks through its speaker. Without a display it writes pictures (PNG), a film with
sound (MP4) and what the camera heard (WAV) to FOLDER.

  -t SECONDS    how long to show or to film; the default is until the window is closed, and 5 for a film
  -o FOLDER     where to write, instead of showing a window; the default is a new temporary folder
  --debug       makes and uses cargo's debug build, which is ready sooner
  --no-build    builds nothing, as everything is there already
TEXT
}

wrong_usage() {
  echo "$(basename "$0"): $1; --help tells more" >&2
  exit 2
}

seconds='' folder='' profile=release build=true
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage && exit ;;
    -t)
      seconds=${2:-}
      [[ $seconds =~ ^[1-9][0-9]*$ ]] || wrong_usage "-t needs a whole number of seconds, not '$seconds'"
      shift
      ;;
    -o)
      folder=${2:-}
      [ -n "$folder" ] || wrong_usage "-o needs a folder"
      shift
      ;;
    --debug) profile=debug ;;
    --no-build) build=false ;;
    *) wrong_usage "unknown argument '$1'" ;;
  esac
  shift
done

target=${CARGO_TARGET_DIR:-$root/target}
if [ "$build" = true ]; then
  "$root/tests/setup.sh"
  flags=(--locked --package gst-plugin-wyze --package wyze-camera)
  [ "$profile" = debug ] || flags+=(--release)
  cargo build --manifest-path "$root/Cargo.toml" "${flags[@]}"
fi

work=$(mktemp -d)
# Uses this build, even where another one is installed, and a store of its own.
export GST_PLUGIN_PATH=$target/$profile${GST_PLUGIN_PATH:+:$GST_PLUGIN_PATH} PATH=$target/$profile:$PATH
export XDG_CONFIG_HOME=$work/config

# Whatever runs for more than a moment runs in the background, so that Ctrl-C and SIGTERM end all of it at once.
clean_up() {
  local running
  running=$(jobs -p)
  # shellcheck disable=SC2086 # one word for each job
  [ -z "$running" ] || kill $running 2>/dev/null || true
  wait
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

run() {
  "$@" &
  wait $!
}

# Shows a command as one would type it.
show() {
  echo "\$ $1"
}

# Starts the cameras on free ports, and puts them into the store.
start_cameras() {
  : >"$work/says"
  wyze-camera --listen 127.0.0.1:0 --cameras "${#names[@]}" --model HL_PAN3 --size 640x360 --audio mulaw \
    --talk-output "$work/heard" >"$work/says" &
  local program=$! number=0 uri
  while [ "$(grep -c 'wyze://' "$work/says")" -lt "${#names[@]}" ]; do
    kill -0 "$program" 2>/dev/null || {
      echo "the simulated cameras did not start" >&2
      exit 1
    }
    run sleep 0.1
  done
  # By standard input, as everybody can read arguments.
  while read -r uri; do
    wyze-cameras import - --name "${names[number]}" <<<"$uri" >/dev/null 2>&1
    number=$((number + 1))
  done < <(grep -o 'wyze://.*' "$work/says")
  show "wyze-cameras list"
  wyze-cameras list
}

# The simulated camera turns by 100 degrees in a second.
turn() {
  show "wyze-cameras control Porch rotate right 90"
  run wyze-cameras control Porch rotate right 90
  run sleep 1
  show "wyze-cameras control Porch position"
  run wyze-cameras control Porch position
}

talk() {
  gst-launch-1.0 -q audiotestsrc num-buffers=86 wave=ticks ! wavenc ! filesink location="$work/ticks.wav"
  show "pipelines/talk.sh Porch ticks.wav"
  run "$root/pipelines/talk.sh" Porch "$work/ticks.wav" >/dev/null
  echo "The simulated camera says:"
  # Its words come a moment later than the end of the talk.
  until grep -q 'back channel closed' "$work/says"; do
    run sleep 0.1
  done
  grep -E 'talk|back channel' "$work/says" | sed 's/^/  /'
}

show_window() {
  show "pipelines/mosaic.sh ${names[*]}"
  "$root/pipelines/mosaic.sh" "${names[@]}" >"$work/mosaic" &
  local mosaic=$!
  # Turns and talks once there is something to see.
  until grep -q 'client 1: video on' "$work/says" || ! kill -0 $mosaic 2>/dev/null; do
    run sleep 0.1
  done
  run sleep 2
  turn
  talk
  if [ -n "$seconds" ]; then
    run sleep "$seconds"
  else
    echo "Close the window or press Ctrl-C to end."
    # A window that is closed is an error to gst-launch-1.0.
    wait $mosaic || true
  fi
}

# Runs the recipe with a file in the place of the window, and a picture a second.
write_mosaic() {
  local to_file='videorate ! video/x-raw,framerate=1/1 ! pngenc ! multifilesink location=mosaic.png'
  sed "s|autovideosink|$to_file|; s|autoaudiosink|fakesink|" "$root/pipelines/mosaic.sh" >"$work/mosaic.sh"
  (cd "$work" && exec timeout --signal=INT 5 sh mosaic.sh "${names[@]}" >/dev/null) &
  wait $! || true
  mv "$work/mosaic.png" "$folder/mosaic.png"
  echo "Mosaic: $folder/mosaic.png"
}

# Runs the recipe without an end of a file. SIGINT finishes the one that there is.
write_film() {
  sed 's/max-size-time=[0-9]*/max-size-time=0/' "$root/pipelines/record.sh" >"$work/record.sh"
  run timeout --signal=INT "${seconds:-5}" sh "$work/record.sh" Porch "$work/film" >/dev/null || true
  mv "$work"/film/*-00000.mp4 "$folder/film.mp4"
  echo "Film with sound: $folder/film.mp4"
}

write_files() {
  # The folder is a new one, because somebody else's demo may run on this machine too.
  folder=${folder:-$(mktemp -d "${TMPDIR:-/tmp}/wyze-demo.XXXXXX")}
  mkdir -p "$folder"
  show "wyze-cameras snapshot Porch picture.png"
  run wyze-cameras snapshot Porch "$folder/picture.png"
  turn
  show "wyze-cameras snapshot Porch turned.png"
  run wyze-cameras snapshot Porch "$folder/turned.png"
  write_mosaic
  write_film
  talk
  gst-launch-1.0 -q filesrc location="$work/heard" ! rawaudioparse use-sink-caps=false format=mulaw \
    sample-rate=8000 num-channels=1 ! wavenc ! filesink location="$work/heard.wav"
  mv "$work/heard.wav" "$folder/heard.wav"
  echo "What the camera heard: $folder/heard.wav"
}

names=(Porch Garden Garage Attic)
start_cameras
if [ -n "$folder" ]; then
  write_files
elif [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
  show_window
else
  echo "There is no display to show the cameras on, so pictures are written."
  write_files
fi
