#!/bin/sh
# Starts the guest's agent, in the background: vbal, qga or none, 1 to start it again whenever it ends, and what its load
# monitor may use of a vCPU in percent, if anything is to be said about that.
agent=$1
respawn=$2
budget=$3

[ "$agent" = none ] && exit 0
[ -z "$budget" ] || echo "{\"budgetPercent\": $budget}" > /etc/vbal-agent.json

start_agent() {
  case "$agent" in
    vbal) /bin/vbal-agent --port /dev/virtio-ports/org.vbal.agent.0 ;;
    qga) /usr/sbin/qemu-ga -m virtio-serial -p /dev/virtio-ports/org.qemu.guest_agent.0 -t /run ;;
  esac
}

(
  start_agent
  while [ "$respawn" = 1 ]; do
    echo "lab: the agent ended ($?), starting it again"
    sleep 1
    start_agent
  done
) >/dev/console 2>&1 </dev/null &
