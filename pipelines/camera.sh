# shellcheck shell=bash
# The scripts beside this one source it. It finds the camera and the plugin, and runs a pipeline.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(dirname "$here")

camera_usage() {
  cat <<'TEXT'

The camera is taken from the environment:
  WYZE_CAMERA                   its name in the store (see wyze-cameras), or instead of that
  WYZE_URI                      wyze://HOST[:PORT]?uid=...&enr=...&mac=..., or instead of that
  WYZE_UID, WYZE_ENR, WYZE_MAC  the three values that name the camera and open it
  WYZE_HOST, WYZE_PORT          its address; without them, the local network is searched for the camera
  WYZE_MODEL                    its model; without it, the camera's own word counts

While gst-launch-1.0 runs, other users of this machine can see these values in its arguments. With WYZE_CAMERA, the
camera's keys are not among them.
TEXT
}

wrong_usage() {
  echo "$(basename "$0"): $1; --help tells more" >&2
  exit 2
}

# Prints a text in such a way that gst-launch-1.0 reads it back, whatever characters it has: GStreamer takes each byte
# as a backslash and three octal digits within quotes, and gst-launch-1.0 wants a backslash before quotes and
# backslashes. Quotes alone would not do, as the parser takes a backslash before the last one for a part of the text.
quoted() {
  local LC_ALL=C text='' char number i
  for ((i = 0; i < ${#1}; i++)); do
    char=${1:i:1}
    case $char in
      [[:alnum:]/:.+_-]) ;;
      *)
        # Bytes from 128 on come as negative numbers.
        printf -v number %d "'$char"
        printf -v char '\\\\%03o' $((number & 255))
        ;;
    esac
    text+=$char
  done
  # NULL would be no text at all.
  if [ "$text" != "$1" ] || [ "$text" = NULL ]; then
    text="\\\"$text\\\""
  fi
  printf %s "$text"
}

number() {
  case $2 in
    '' | *[!0-9]* | 0) wrong_usage "$1 needs a whole number of seconds, not '$2'" ;;
  esac
}

# Sets `camera` and `speaker` to the source's and the sink's part of a gst-launch line.
find_camera() {
  local identity=()
  identify
  # shellcheck disable=SC2034 # for the scripts
  camera=(wyzesrc name=camera "${identity[@]}")
  # shellcheck disable=SC2034 # for the scripts that talk
  speaker=(wyzesink name=speaker "${identity[@]}")
}

# Sets `identity` to the properties that name the camera.
identify() {
  if [ -n "${WYZE_CAMERA:-}" ]; then
    identity=("camera=$(quoted "$WYZE_CAMERA")")
    return
  fi
  if [ -n "${WYZE_URI:-}" ]; then
    identity=("uri=$(quoted "$WYZE_URI")")
    return
  fi
  local missing=() name
  for name in UID ENR MAC; do
    local variable=WYZE_$name
    if [ -n "${!variable:-}" ]; then
      identity+=("${name,,}=$(quoted "${!variable}")")
    else
      missing+=("$variable")
    fi
  done
  [ ${#missing[@]} -eq 0 ] || wrong_usage "no camera is named: set WYZE_CAMERA, WYZE_URI, or WYZE_UID, WYZE_ENR and WYZE_MAC (missing: ${missing[*]})"
  [ -z "${WYZE_HOST:-}" ] || identity+=("host=$(quoted "$WYZE_HOST")")
  [ -z "${WYZE_PORT:-}" ] || identity+=("port=$(quoted "$WYZE_PORT")")
  [ -z "${WYZE_MODEL:-}" ] || identity+=("model=$(quoted "$WYZE_MODEL")")
}

has_elements() {
  gst-inspect-1.0 --exists --atleast-version=0.0 wyzesrc && gst-inspect-1.0 --exists --atleast-version=0.0 wyzesink
}

# Takes the plugin that was built here, where none is installed.
find_plugin() {
  command -v gst-launch-1.0 >/dev/null || {
    echo "gst-launch-1.0 is missing: run $root/tests/setup.sh" >&2
    exit 1
  }
  ! has_elements || return 0
  local before=${GST_PLUGIN_PATH:-} target=${CARGO_TARGET_DIR:-$root/target} folder
  for folder in "$target/release" "$target/debug" "$root/builddir"; do
    if [ -e "$folder/libgstwyze.so" ]; then
      export GST_PLUGIN_PATH=$folder${before:+:$before}
      ! has_elements || return 0
    fi
  done
  echo "the wyze plugin is neither installed nor built: run 'cargo build --release' in $root" >&2
  exit 1
}

# How many seconds a pipeline may take to finish its files.
finishing=10

# Runs a pipeline to its end, at most $1 seconds where $1 is not empty. Ctrl-C, SIGTERM and the end of the time let it
# finish its files. A pipeline that cannot finish, because it still waits for a stream, is then ended.
run_pipeline() {
  local seconds=${1:-infinity} status=0 asked='' pipeline timer
  shift
  # SIGTERM may come to the whole group, and gst-launch-1.0 would die of it. It is ignored here and translated below.
  (trap '' TERM HUP && exec gst-launch-1.0 -q -e "$@") &
  pipeline=$!
  # A second SIGINT would make it drop everything, and Ctrl-C reaches it from the terminal already.
  trap 'asked=yes' INT
  trap 'ask_to_finish' TERM HUP
  start_timer "$seconds"
  while running "$pipeline" && running "$timer" && [ -z "$asked" ]; do
    wait -n "$pipeline" "$timer" || true
  done
  ask_to_finish
  # SIGTERM may come more than once, and must not end the next timer before its time.
  trap '' TERM HUP
  stop_timer || true

  start_timer "$finishing"
  while running "$pipeline" && running "$timer"; do
    wait -n "$pipeline" "$timer" || true
  done
  stop_timer || kill -INT "$pipeline" 2>/dev/null || true
  trap - INT TERM HUP
  wait "$pipeline" || status=$?
  return "$status"
}

running() {
  kill -0 "$1" 2>/dev/null
}

start_timer() {
  sleep "$1" >/dev/null 2>&1 &
  timer=$!
}

# Fails when the timer had run out. SIGKILL it is, because a shell that has not become sleep yet would run the script's
# EXIT trap on any other signal.
stop_timer() {
  {
    kill -KILL "$timer" && ! wait "$timer"
  } 2>/dev/null
}

ask_to_finish() {
  local before
  # This is one command, because the trap of a second SIGTERM may run between two.
  before=$asked asked=yes
  [ -n "$before" ] || kill -INT "$pipeline" 2>/dev/null || true
}
