#!/usr/bin/env bash
# Builds the image, runs the four validators of compose.yaml from it, settles a PvP between two banks on them, restarts
# one and looks whether it comes back with its ledger; then takes everything down. Installs and starts a container
# engine where there is none and root may; exits 77 and says so where none can be had.
# Usage: deploy/test.sh
set -euo pipefail

root=$(realpath -- "$(dirname -- "${BASH_SOURCE[0]}")/..")
cd -- "$root"
project=causeway-test-$$
image=causeway:$project
local_base=causeway-base:local
ports=(8101 8102 8103 8104)
ready_seconds=90
work=$(mktemp -d)
engine_started=
compose=()

skip() {
  echo "SKIPPED: $*" >&2
  exit 77
}

finish() {
  local status=$?
  set +e
  if ((${#compose[@]} > 0)); then
    if ((status != 0 && status != 77)); then "${compose[@]}" logs --tail 40 2>&1 | tail -n 200; fi
    "${compose[@]}" down --volumes --timeout 20 >"$work/down.log" 2>&1
    docker image rm "$image" >/dev/null 2>&1
  fi
  if [[ -n $engine_started ]]; then deploy/engine.sh stop "$engine_started"; fi
  rm -rf -- "$work"
  exit "$status"
}
trap finish EXIT

have() { command -v "$1" >/dev/null 2>&1; }

ensure_engine() {
  if have docker && docker info >/dev/null 2>&1; then return; fi
  ((EUID == 0)) || skip 'no container engine answers, and only root could start one'
  if ! have dockerd || ! have docker; then
    have apt-get || skip 'no container engine, and no apt-get to install one with'
    { apt-get update && apt-get install --yes --no-install-recommends docker.io docker-compose; } >"$work/apt.log" 2>&1 \
      || skip "docker.io could not be installed: $(tail -n 1 "$work/apt.log")"
  fi
  engine_started=$work/engine
  deploy/engine.sh start "$engine_started" >"$work/host" || {
    engine_started=
    skip 'dockerd could not be started'
  }
  # shellcheck source=/dev/null
  source "$work/host"
}

ensure_compose() {
  if docker compose version >/dev/null 2>&1; then
    compose=(docker compose)
  elif have docker-compose; then
    compose=(docker-compose)
  elif ((EUID == 0)) && have apt-get && apt-get install --yes --no-install-recommends docker-compose >"$work/apt.log" 2>&1; then
    compose=(docker-compose)
  else
    skip 'no docker compose'
  fi
  compose+=(--project-name "$project" --file deploy/compose.yaml)
}

ensure_base() {
  local wanted
  wanted=$(sed -n 's/^ARG BASE=//p' Dockerfile)
  for base in "$local_base" "$wanted"; do
    if docker image inspect "$base" >/dev/null 2>&1; then return; fi
  done
  base=$wanted
  if docker pull --quiet "$base" >/dev/null 2>&1; then return; fi
  base=$local_base
  ((EUID == 0)) || skip "$wanted cannot be pulled, and only root could make a base image"
  if ! have debootstrap; then
    apt-get install --yes --no-install-recommends debootstrap >"$work/apt.log" 2>&1 \
      || skip "$wanted cannot be pulled, and debootstrap could not be installed"
  fi
  deploy/base-image.sh "$base" || skip "$wanted cannot be pulled, and no base image could be made"
}

wait_ready() {
  local port=$1 i
  for ((i = 0; i < ready_seconds; i++)); do
    # The engine accepts connections before the node does, and such a fetch may never settle: then Node just ends.
    if node -e 'process.exitCode = 1; fetch(process.argv[1]).then((r) => process.exit(r.ok ? 0 : 1), () => {})' \
      "http://127.0.0.1:$port/readyz"; then
      return
    fi
    sleep 1
  done
  echo "the node on port $port was not ready within $ready_seconds s" >&2
  return 1
}

height_of() {
  node dist/node/cli.js status --node "http://127.0.0.1:$1" --json | node -p 'JSON.parse(require("fs").readFileSync(0)).height'
}

ensure_engine
ensure_compose
ensure_base
node node/prepare.mjs

echo "building $image on $base" >&2
docker build --network host --build-arg "BASE=$base" --tag "$image" . >"$work/build.log" 2>&1 || {
  tail -n 40 "$work/build.log" >&2
  exit 1
}
export CAUSEWAY_IMAGE=$image CAUSEWAY_BASE=$base
"${compose[@]}" up --detach --no-build
for port in "${ports[@]}"; do wait_ready "$port"; done

# The central banks' keys, which lie in the shared volume of this trial network alone.
mkdir -m 700 "$work/network"
docker run --rm --volume "${project}_network:/network:ro" --entrypoint tar "$image" -C /network -c . | tar -C "$work/network" -x
deploy/pvp.sh "$work/network" http://127.0.0.1:8101 http://127.0.0.1:8103

before=$(height_of 8102)
"${compose[@]}" restart --timeout 20 cn
wait_ready 8102
after=$(height_of 8102)
((after >= before)) || {
  echo "cn came back at height $after, and had $before" >&2
  exit 1
}
echo "cn came back at height $after, and had $before" >&2
