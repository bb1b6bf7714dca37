# Sourced by scripts that try things in a fresh Debian. They need root and debootstrap.
# shellcheck shell=bash

# Runs the script again with mounts and processes of its own, and ends both after so many seconds. Call it first.
alone() {
  local seconds=$1
  shift
  [ -z "${ALONE:-}" ] || return 0
  for needed in debootstrap unshare; do
    command -v "$needed" >/dev/null || {
      echo "$needed is missing: apt-get install debootstrap util-linux" >&2
      exit 1
    }
  done
  ALONE=yes exec timeout --kill-after=10 "$seconds" unshare --mount --pid --mount-proc --fork --kill-child "$0" "$@"
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
