#!/bin/sh
# Install Debian packages for the tests, and leave no service of theirs running: the tests start servers of their own, on
# loopback ports, as they need them. While this runs, policy-rc.d (Debian Policy 9.3.3) forbids services to start;
# afterwards services of slapd and Samba that came with it are switched off, so that they do not start with the machine either.
set -eu
policy=/usr/sbin/policy-rc.d
made=
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' > "$policy"
  chmod 755 "$policy"
  made=1
fi
fresh=
for service in slapd samba-ad-dc smbd nmbd winbind; do
  [ -e "/lib/systemd/system/$service.service" ] || [ -e "/etc/init.d/$service" ] || fresh="$fresh $service"
done
trap '[ -z "$made" ] || rm -f "$policy"' EXIT
apt-get install -y -qq --no-install-recommends "$@" > /dev/null
if [ -d /run/systemd/system ]; then
  for service in $fresh; do
    systemctl disable -q "$service" 2>/dev/null || true
  done
fi
