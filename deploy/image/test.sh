#!/usr/bin/env bash
# Whether an image of the Dockerfile is what it is said to be: small, for a user without rights on a root file system that
# nobody writes, with nothing in it that builds or installs, labelled, and with a bill of materials that names what is there.
# Usage: deploy/image/test.sh IMAGE
set -euo pipefail

image=${1:?usage: deploy/image/test.sh IMAGE}
root=$(realpath -- "$(dirname -- "${BASH_SOURCE[0]}")/../..")
bytes_max=250000000

fail() {
  echo "$image: $*" >&2
  exit 1
}

# inside COMMAND…   Runs a shell command in the image as it is meant to run, or as root to see everything.
inside() { docker run --rm --read-only --cap-drop ALL --entrypoint sh "$image" -c "$1"; }
inside_as_root() { docker run --rm --read-only --user 0:0 --entrypoint sh "$image" -c "$1"; }

bytes=$(docker image inspect --format '{{.Size}}' "$image")
((bytes < bytes_max)) || fail "it has $bytes bytes, and may have $bytes_max"
[[ $(inside 'id -u') == 1000 ]] || fail 'it runs as another user than 1000'
if inside 'touch /app/x || touch /x' 2>/dev/null; then fail 'its root file system can be written'; fi

tools=$(inside_as_root 'for tool in npm npx corepack yarn pnpm gcc cc g++ make python3 git curl; do command -v $tool; done; true')
[[ -z $tools ]] || fail "it holds $tools"
unwanted=$(inside_as_root '
  find /app \( -name "*.ts" -o -name "*.map" -o -name "*.test.*" -o -name "*.pem" -o -name ".git*" \) -print
  find /app -path "*/prebuilds/*" -name "*.node" -not -path "*/linux-*" -print
  find / -xdev \( -name "package-lock.json" -o -path "*/node_modules/typescript" -o -path "*/node_modules/npm" \) -print
  find / -xdev -type f -perm /6000 -print')
[[ -z $unwanted ]] || fail "it holds $unwanted"

for label in title description licenses version revision created; do
  value=$(docker image inspect --format "{{index .Config.Labels \"org.opencontainers.image.$label\"}}" "$image")
  [[ -n $value ]] || fail "it has no label $label"
done
told=$(docker run --rm --read-only "$image" --version)
labelled=$(docker image inspect --format '{{index .Config.Labels "org.opencontainers.image.version"}}' "$image")
[[ $told == "$labelled" ]] || fail "it tells version $told, and its label $labelled"

# The bill names every package that is there, and none that is not; of ours, those that it depends on to run.
# shellcheck disable=SC2016
docker run --rm --read-only --entrypoint node "$image" --input-type=module --eval '
  import assert from "node:assert";
  import { existsSync, readdirSync, readFileSync } from "node:fs";
  import { join } from "node:path";
  const read = (path) => JSON.parse(readFileSync(path, "utf8"));
  const found = new Set();
  function look(folder) {
    if (!existsSync(folder)) return;
    for (const name of readdirSync(folder)) {
      if (name.startsWith("@")) for (const inner of readdirSync(join(folder, name))) take(join(folder, name, inner));
      else take(join(folder, name));
    }
  }
  function take(place) {
    const { name, version } = read(join(place, "package.json"));
    found.add(`${name}@${version}`);
    look(join(place, "node_modules"));
  }
  look("/app/node_modules");
  const { bomFormat, components } = read("/app/sbom.json");
  const { dependencies, devDependencies } = JSON.parse(process.argv[1]);
  assert.equal(bomFormat, "CycloneDX");
  const told = new Set(components.filter(({ type }) => type === "library").map(({ name, version }) => `${name}@${version}`));
  assert.deepEqual([...told].sort(), [...found].sort());
  for (const [name, version] of Object.entries(dependencies)) assert(told.has(`${name}@${version}`), name);
  for (const [name, version] of Object.entries(devDependencies)) assert(!told.has(`${name}@${version}`), name);
  console.error(`${told.size} packages, all in the bill of materials`);
' "$(<"$root/package.json")"
echo "$image has $((bytes / 1000000)) MB" >&2
