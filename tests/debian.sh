# Sourced by scripts that try things in a fresh Debian. They need root and debootstrap.
# shellcheck shell=bash

# Runs the script again, with mounts and processes of its own and a temporary folder $work, and ends all of that after so
# many seconds at the latest. Call it first.
#
# The folder is deleted from outside, where nothing is mounted in it: within, that would delete what is mounted.
alone() {
  local seconds=$1 needed
  shift
  work=${ALONE:-}
  [ -z "$work" ] || return 0
  for needed in debootstrap unshare; do
    command -v "$needed" >/dev/null || {
      echo "$needed is missing: apt-get install debootstrap util-linux" >&2
      exit 1
    }
  done
  work=$(mktemp -d)
  trap 'rm -rf --one-file-system "$work"' EXIT
  local code=0
  ALONE=$work timeout --foreground --kill-after=10 "$seconds" \
    unshare --mount --propagation private --pid --mount-proc --fork --kill-child "$0" "$@" || code=$?
  exit "$code"
}

# Lays a Debian of this release into an empty folder, from the mirror that this machine uses.
lay_debian() {
  local release=$1 folder=$2 mirror
  # shellcheck disable=SC2016  # apt-get itself reads $(REPO_URI).
  mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' | head -n 1)
  echo "laying Debian $release (a minute or two)"
  debootstrap --variant=minbase "$release" "$folder" "$mirror" >"$folder.log" || {
    tail -n 20 "$folder.log" >&2
    exit 1
  }
  # No service starts there.
  printf '#!/bin/sh\nexit 101\n' >"$folder/usr/sbin/policy-rc.d"
  chmod +x "$folder/usr/sbin/policy-rc.d"
  # Programs in there can have mounts of their own only where the root is one.
  mount --bind "$folder" "$folder"
  mount -t proc proc "$folder/proc"
}

# Runs a command in that Debian, with nothing of this machine's environment.
inside() {
  local folder=$1
  shift
  chroot "$folder" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LC_ALL=C.UTF-8 \
    DEBIAN_FRONTEND=noninteractive ${http_proxy:+"http_proxy=$http_proxy"} "$@"
}

# Installs packages there: names, or files by their path there. Only what they need comes with them.
install_inside() {
  local folder=$1
  shift
  inside "$folder" apt-get -qq update
  inside "$folder" apt-get -qq -y --no-install-recommends install "$@" >"$folder.log" 2>&1 || {
    tail -n 20 "$folder.log" >&2
    exit 1
  }
}

# Copies the source as it is here, with what is not committed yet, into an empty folder.
copy_source() {
  local folder=$1 top
  top=$(realpath "$(dirname "${BASH_SOURCE[0]}")/..")
  git -C "$top" ls-files -z --cached --others --exclude-standard |
    (cd "$top" && xargs -0 cp --parents --preserve=mode,timestamps --no-dereference -t "$folder")
}
