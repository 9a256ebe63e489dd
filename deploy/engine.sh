#!/usr/bin/env bash
# Starts a container engine by hand where none runs, for machines without an init system: dockerd with its data,
# socket and process id in FOLDER. Prints the line that sets DOCKER_HOST. Stop it with `deploy/engine.sh stop FOLDER`.
# Usage, as root: deploy/engine.sh start|stop FOLDER
set -euo pipefail

action=${1:?usage: deploy/engine.sh start|stop FOLDER}
folder=$(realpath -m -- "${2:?usage: deploy/engine.sh start|stop FOLDER}")
socket=unix://$folder/docker.sock
wait_seconds=60

case $action in
  start)
    mkdir -p "$folder"
    dockerd --data-root "$folder/data" --exec-root "$folder/exec" --pidfile "$folder/dockerd.pid" \
      --host "$socket" --storage-driver "${STORAGE_DRIVER:-overlay2}" >"$folder/dockerd.log" 2>&1 &
    for ((i = 0; i < wait_seconds * 4; i++)); do
      if docker --host "$socket" info >/dev/null 2>&1; then
        echo "export DOCKER_HOST=$socket"
        exit 0
      fi
      kill -0 $! 2>/dev/null || break
      sleep 0.25
    done
    tail -n 20 "$folder/dockerd.log" >&2
    exit 1
    ;;
  stop)
    if [[ -s $folder/dockerd.pid ]]; then
      pid=$(<"$folder/dockerd.pid")
      kill "$pid" 2>/dev/null || true
      for ((i = 0; i < wait_seconds * 4; i++)); do
        kill -0 "$pid" 2>/dev/null || break
        sleep 0.25
      done
      if kill -0 "$pid" 2>/dev/null; then kill -KILL "$pid"; fi
    fi
    # It leaves a network namespace mounted, and a folder with a mount in it cannot be removed.
    awk -v under="$folder/" 'index($2, under) == 1 { print $2 }' /proc/mounts | sort --reverse | xargs --no-run-if-empty umount
    ;;
  *)
    echo "unknown action $action" >&2
    exit 2
    ;;
esac
