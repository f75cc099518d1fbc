#!/bin/sh
# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
# units.sh CHECKOUT STAGE BASE PYTHON: before systemd is started in the emulated machine, puts units and settings where
# docs/usb.md says. Two drop-ins make a terminal of a bench: the checkout is shown where it lies, and the agent's
# self-check, which refuses TEST keys and this kernel's console, is left out, as the unit's own comment says.
set -eu
checkout=$1 stage=$2 base=$3 python=$4
echo 'tillguard:x:990:990::/nonexistent:/bin/false' >> /etc/passwd
echo 'tillguard:x:990:' >> /etc/group
grep -q '^tss:' /etc/group || echo 'tss:x:991:' >> /etc/group
mkdir -p /opt /etc/tillguard /var/lib/tillguard /var/lib/tillguard-warden
ln -s "$checkout" /opt/tillguard
cp -r "$stage/etc/." /etc/tillguard/
cp -r "$stage/agent/." /var/lib/tillguard/
cp -r "$stage/warden/usb" /var/lib/tillguard-warden/
chown -R tillguard:tillguard /var/lib/tillguard /etc/tillguard/pki
chmod 755 /etc/tillguard
rm -f /.dockerenv  # where this machine is a container: the emulated one is none, and systemd would ask nobody
for module in $(cat /run/modules/order); do  # what modprobe@cdc_acm.service would load, if it were installed here
    /usr/bin/busybox insmod /run/modules/$module.ko
    [ $module != cdc_acm ] || break
done
units=/etc/systemd/system
# What would clean this machine's /tmp, where the checkout may lie, and what asks for modules that are not here.
for unit in systemd-tmpfiles-setup systemd-udev-trigger systemd-udevd systemd-journal-flush; do
    ln -sf /dev/null $units/$unit.service
done
cp "$checkout"/scripts/units/*.service $units/
for unit in warden agent; do
    mkdir -p "$units/tillguard-$unit.service.d"
    printf '[Service]\nProtectHome=tmpfs\nBindReadOnlyPaths=%s %s\n' "$checkout" "$base" \
        > "$units/tillguard-$unit.service.d/bench.conf"
done
printf 'ExecStartPre=\n' >> $units/tillguard-agent.service.d/bench.conf
cat > $units/tillguard-proof.service <<END
[Unit]
DefaultDependencies=no
Wants=tillguard-warden.service tillguard-agent.service
[Service]
Type=oneshot
WorkingDirectory=$checkout
Environment=PYTHONDONTWRITEBYTECODE=1
ExecStart=$python -m tests.qemu.guest.main
ExecStopPost=/bin/sh -c 'echo o > /proc/sysrq-trigger'
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS0
END
