#!/bin/bash
# The first process of the peer's kernel. Its root is the host's own file system, read only.
# Says "ready" on the serial line, then runs one command a line, both in base64: COMMAND in, STATUS OUTPUT out.
export PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C TMPDIR=/run
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs tmpfs /run
mkdir -p /run/root/lib/modules
ln -s "/usr/lib/uml/modules/$(uname -r)" /run/root/lib/modules/
modprobe -d /run/root ipv6 disable_ipv6=1 # else the tunnel carries its discoveries too
modprobe -d /run/root -a ipip ip_gre
ip link set lo up
stty -F /dev/ttyS0 raw -echo
exec 3<>/dev/ttyS0
echo "ready" >&3
while read -r command <&3; do
	output="$(bash -c "$(base64 -d <<<"$command")" 2>&1 </dev/null)"
	echo "$? $(base64 -w0 <<<"$output")" >&3
done
echo o >/proc/sysrq-trigger # off
sleep 60
