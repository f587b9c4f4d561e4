# shellcheck shell=bash
# What the scripts share. Sourced, never run.

# Servers live in /usr/sbin, which is not in everybody's PATH.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

say() { printf '%s: %s\n' "${0##*/}" "$*" >&2; }

die() {
  say "$*"
  exit 1
}

# install_packages NAME...: installs Debian packages, as root or by sudo. Says in one line why not.
install_packages() {
  local become=() log attempt
  command -v apt-get >/dev/null || { say "cannot install $*: this is no Debian"; return 1; }
  if [ "$(id -u)" != 0 ]; then
    sudo -n true 2>/dev/null || { say "cannot install $*: neither root nor sudo without a password"; return 1; }
    become=(sudo -n)
  fi
  say "installing $*"
  # Another apt-get may be at work; only a part of its locks can be waited for.
  for attempt in 1 2 3 4; do
    log=$({ "${become[@]}" apt-get -q update &&
      "${become[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 \
        install -y --no-install-recommends "$@"; } 2>&1 </dev/null) && return 0
    [ "$attempt" = 4 ] || sleep $((attempt * 5))
  done
  say "cannot install $*: $(grep '^E: ' <<<"$log" | tail -n 1)"
  return 1
}
