#!/bin/sh
# Install Debian packages for the tests, and leave no service of theirs running: the tests start servers of their own, on
# loopback ports, as they need them. While this runs, policy-rc.d (Debian Policy 9.3.3) forbids services to start;
# afterwards slapd, when it was new, is switched off, so that it does not start with the machine either.
set -eu
policy=/usr/sbin/policy-rc.d
made=
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' > "$policy"
  chmod 755 "$policy"
  made=1
fi
trap '[ -z "$made" ] || rm -f "$policy"' EXIT
apt-get install -y -qq --no-install-recommends "$@" > /dev/null
if [ -d /run/systemd/system ]; then
  for package in "$@"; do
    case "$package" in
      slapd) systemctl disable -q slapd 2>/dev/null || true ;;
    esac
  done
fi
