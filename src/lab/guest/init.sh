#!/bin/sh
# The first process of a lab guest. Kernel command line: lab.agent=vbal|qga|none, lab.respawn=1 to start the agent
# again whenever it ends, lab.budget=N for the agent's configuration. The kernel shows both to us as environment variables of other names, so read them here.
export PATH=/bin:/sbin:/usr/bin:/usr/sbin

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm /dev/virtio-ports
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /run
mount -t tmpfs tmpfs /tmp
mount -t tracefs tracefs /sys/kernel/tracing
mount -t cgroup2 cgroup2 /sys/fs/cgroup

# virtio_ring first: in any other order the rest fails with unknown symbols.
for module in $(cat /lab/modules); do
  insmod "/lab/$module" || echo "lab: module $module did not load"
done

# There is no udev here to name the ports. The driver makes them and gives them their names one by one, in any order.
tries=0
while [ "$tries" -lt 100 ]; do
  for port in /sys/class/virtio-ports/*; do
    [ -e "$port/name" ] || continue
    name=$(cat "$port/name")
    [ -n "$name" ] && ln -sf "../${port##*/}" "/dev/virtio-ports/$name"
  done
  missing=
  for name in org.vbal.agent.0 org.qemu.guest_agent.0 org.vbal.lab.0; do
    [ -e "/dev/virtio-ports/$name" ] || missing=$name
  done
  [ -z "$missing" ] && break
  tries=$((tries + 1))
  usleep 20000
done

agent=none
respawn=0
budget=
for word in $(cat /proc/cmdline); do
  case "$word" in
    lab.agent=*) agent=${word#lab.agent=} ;;
    lab.respawn=*) respawn=${word#lab.respawn=} ;;
    lab.budget=*) budget=${word#lab.budget=} ;;
  esac
done
/lab/agent "$agent" "$respawn" "$budget"

while :; do
  /lab/runner /dev/virtio-ports/org.vbal.lab.0
  echo "lab: the runner ended ($?), starting it again"
  sleep 1
done
