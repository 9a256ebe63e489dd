#!/usr/bin/env bash
# Builds the image and looks at what is in it; runs the four jurisdictions of deploy/compose from it, settles a PvP between
# two banks on them, pays from a bank's own node, stops a validator and starts it again; plays a scenario on the simulator's
# own cluster, and another in which every node comes to another image. Renders the Kubernetes files and checks the rules
# of Prometheus where the tools for it can be had. Then takes everything down. Installs and starts a container engine where
# there is none and root may; exits 77 and says so where none can be had.
# Usage: deploy/test.sh
set -euo pipefail

root=$(realpath -- "$(dirname -- "${BASH_SOURCE[0]}")/..")
cd -- "$root"
project=causeway-test-$$
image=causeway:$project
next_image=causeway:$project-next
local_base=causeway-base:local
validators=(8101 8102 8103 8104)
hsbc=8105
# Built where there is a Go; later ones want one that is hardly anywhere yet.
kustomize=sigs.k8s.io/kustomize/kustomize/v5@v5.7.1
ready_seconds=90
work=$(mktemp -d)
cluster=$work/cluster
engine_started=
compose=()
causeway=(node dist/node/cli.js)

skip() {
  echo "SKIPPED: $*" >&2
  exit 77
}

fail() {
  echo "$*" >&2
  exit 1
}

finish() {
  local status=$?
  set +e
  if ((${#compose[@]} > 0)); then
    if ((status != 0 && status != 77)); then "${compose[@]}" logs --tail 40 2>&1 | tail -n 200; fi
    # Files there are not of this user.
    if [[ -d $work/network ]]; then "${compose[@]}" run --rm --entrypoint sh setup -c 'rm -rf /network/*' >/dev/null 2>&1; fi
    "${compose[@]}" down --volumes --timeout 20 >"$work/down.log" 2>&1
    docker image rm "$image" "$next_image" >/dev/null 2>&1
  fi
  if [[ -d $cluster ]]; then "${causeway[@]}" sim down --dir "$cluster" >"$work/sim-down.log" 2>&1; fi
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
  compose+=(--project-name "$project" --file deploy/compose/compose.yaml)
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

# member_of PORT MEMBER   Of what the node there says of itself.
member_of() {
  "${causeway[@]}" status --node "http://127.0.0.1:$1" --json | node -p "JSON.parse(require('fs').readFileSync(0)).$2"
}

curl_text() {
  node -e 'fetch(process.argv[1]).then((r) => r.text()).then((text) => process.stdout.write(text))' "$1"
}

# reaches HOST CONTAINER   Whether a container gets a connection to another one's port for nodes.
reaches() {
  docker exec "$2" node -e '
    const socket = require("net").connect({ host: process.argv[1], port: 7000, timeout: 3000 });
    for (const event of ["error", "timeout"]) socket.on(event, () => process.exit(1));
    socket.on("connect", () => process.exit(0));
  ' "$1"
}

# As Kubernetes hands keys over: files of root's that the node's group may read. One that all can read is refused.
takes_handed_keys() {
  local as_root=(docker run --rm --user 0:0 --volume "$CAUSEWAY_NETWORK:/network" --entrypoint sh "$image" -c)
  local show=(docker run --rm --read-only --volume "$CAUSEWAY_NETWORK:/network:ro" "$image" keys show /network/handed.pem)
  "${as_root[@]}" 'cp /network/hk/keys/network.pem /network/handed.pem && chown 0:1000 /network/handed.pem && chmod 440 /network/handed.pem'
  "${show[@]}" >/dev/null || fail 'a key that root gave to the group of the node is refused'
  "${as_root[@]}" 'chmod 444 /network/handed.pem'
  if "${show[@]}" >/dev/null 2>&1; then fail 'a key that all can read is taken'; fi
}

# What Prometheus would read, by its own tool.
check_rules() {
  local promtool=promtool
  if ! have promtool; then
    # Taken out of the package, since installing it would start a server.
    { (cd "$work" && apt-get download prometheus) && dpkg-deb -x "$work"/prometheus_*.deb "$work/prometheus"; } \
      >"$work/apt.log" 2>&1 || {
      echo 'no promtool: the configuration of Prometheus was not checked by it' >&2
      return
    }
    promtool=$work/prometheus/usr/bin/promtool
  fi
  "$promtool" check config deploy/compose/monitoring/prometheus.yaml >&2
  "$promtool" test rules deploy/compose/monitoring/alerts.test.yaml >&2
}

# The overlays as kustomize renders them; without it, their test renders them by hand.
check_manifests() {
  if ! have kustomize; then
    if ! { have go && GOPATH=$work/go GOFLAGS=-modcacherw GOBIN=$work/bin timeout 300 go install "$kustomize"; } \
      >"$work/go.log" 2>&1; then
      echo 'no kustomize: the Kubernetes files were not rendered by it' >&2
      return
    fi
    export KUSTOMIZE=$work/bin/kustomize
  fi
  node node/prepare.mjs --tests
  npx tap run --reporter=tap .tests/sim/kubernetes.test.js >"$work/manifests.tap" 2>&1 || {
    grep -A 20 'not ok' "$work/manifests.tap" >&2
    fail 'the Kubernetes files are not in order'
  }
  echo "Kubernetes files rendered by kustomize: $(grep '^# {' "$work/manifests.tap")" >&2
}

# Starts the simulator's cluster, breaks it, mends it, plays a scenario on it, and takes it down.
plays_scenarios() {
  "${causeway[@]}" sim up --image "$image" --dir "$cluster" --banks 2 --json >"$work/cluster.json"
  "${causeway[@]}" sim status --dir "$cluster" >&2
  "${causeway[@]}" sim partition 'HK|CN,TH,AE' --dir "$cluster"
  "${causeway[@]}" sim kill AE --dir "$cluster"
  "${causeway[@]}" sim heal --dir "$cluster"
  "${causeway[@]}" sim exec gridlock --dir "$cluster" >"$work/gridlock.log" || fail "$(cat "$work/gridlock.log")"
  tail -n 1 "$work/gridlock.log" >&2
  "${causeway[@]}" sim down --dir "$cluster"
  [[ -z $(docker ps --all --quiet --filter label=causeway.sim) ]] || fail 'a container of the cluster is left'
}

# Two versions of the image side by side, and no instruction refused or lost.
upgrades() {
  npm run --silent sim -- scenario rolling-upgrade --world containers --image "$image" --next-image "$next_image" \
    >"$work/upgrade.log" 2>&1 || fail "$(tail -n 60 "$work/upgrade.log")"
  tail -n 1 "$work/upgrade.log" >&2
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
deploy/image/test.sh "$image"
export CAUSEWAY_IMAGE=$image CAUSEWAY_BASE=$base CAUSEWAY_NETWORK=$work/network
mkdir "$CAUSEWAY_NETWORK"
"${compose[@]}" run --rm setup
"${compose[@]}" up --detach --no-build
for port in "${validators[@]}"; do wait_ready "$port"; done

# The central banks' keys, which lie in one folder of this trial network alone. Another user than root cannot read them.
copy=$work/copy
mkdir -m 700 "$copy"
docker run --rm --volume "$CAUSEWAY_NETWORK:/network:ro" --user 0:0 --entrypoint tar "$image" -C /network -c . \
  | tar --no-same-owner -C "$copy" -x
deploy/pvp.sh "$copy" http://127.0.0.1:8101 http://127.0.0.1:8103

takes_handed_keys
wait_ready "$hsbc"
container=$("${compose[@]}" ps --quiet hsbc)
reaches hk "$container" || fail "hsbc does not reach its central bank's validator"
for other in cn th ae bkkb; do
  if reaches "$other" "$container"; then fail "hsbc reaches $other, which stands in another jurisdiction"; fi
done
"${causeway[@]}" pay --node "http://127.0.0.1:$hsbc" --key "$copy/banks/HSBCHKHHXXX.pem" \
  --from HSBCHKHHXXX --to BKKBTHBKXXX --asset HKD --amount 125.00
[[ $(member_of "$hsbc" peers) == 1 ]] || fail 'hsbc has other peers than the one'
curl_text "http://127.0.0.1:$hsbc/metrics" | grep --quiet '^causeway_finality_seconds_count 1$' \
  || fail 'hsbc has not measured the payment'

before=$(member_of 8102 height)
container=$("${compose[@]}" ps --quiet cn)
"${compose[@]}" stop --timeout 20 cn
status=$(docker inspect --format '{{.State.ExitCode}}' "$container")
((status == 0)) || fail "cn ended with status $status when it was told to stop"
"${compose[@]}" start cn
wait_ready 8102
after=$(member_of 8102 height)
((after >= before)) || fail "cn came back at height $after, and had $before"
echo "cn stopped with status 0, came back at height $after, and had $before" >&2

"${compose[@]}" stop --timeout 20
plays_scenarios
upgrades
check_rules
check_manifests
