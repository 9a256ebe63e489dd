#!/usr/bin/env bash
# Makes a base image for the Dockerfile where none can be pulled: a minimal Debian tree by debootstrap, with this
# machine's Node, npm and trust store copied in, imported into the container engine.
# Usage, as root: deploy/base-image.sh NAME[:TAG]
# Needs debootstrap, tar, node, npm, and docker (or ENGINE=podman). DEBIAN_SUITE and DEBIAN_MIRROR may be set.
set -euo pipefail

name=${1:?usage: deploy/base-image.sh NAME[:TAG]}
engine=${ENGINE:-docker}
suite=${DEBIAN_SUITE:-bookworm}
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
tree=$work/tree

echo "debootstrap $suite from $mirror" >&2
if ! debootstrap --variant=minbase --include=ca-certificates,libstdc++6 "$suite" "$tree" "$mirror" >"$work/log" 2>&1; then
  tail -n 20 "$work/log" >&2
  exit 1
fi

node_binary=$(node -p process.execPath)
npm_folder=$(npm root -g 2>/dev/null)/npm
install -m 0755 "$node_binary" "$tree/usr/local/bin/node"
mkdir -p "$tree/usr/local/lib/node_modules"
cp -a "$npm_folder" "$tree/usr/local/lib/node_modules/npm"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$tree/usr/local/bin/npm"
ln -s ../lib/node_modules/npm/bin/npx-cli.js "$tree/usr/local/bin/npx"

# A machine behind a proxy of its own trusts that proxy's authority: so does the image made on it.
changes=()
if [[ -s /etc/ssl/certs/ca-certificates.crt ]]; then
  cp /etc/ssl/certs/ca-certificates.crt "$tree/etc/ssl/certs/ca-certificates.crt"
  changes+=(--change 'ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt')
fi
rm -rf "$tree"/var/cache/apt/archives/*.deb "$tree"/var/lib/apt/lists/* "$tree"/usr/share/doc/* "$tree"/usr/share/man/*

# The user that the official images of Node have too.
chroot "$tree" useradd --uid 1000 --create-home --shell /bin/bash node

tar -C "$tree" -c . | "$engine" import "${changes[@]}" --change 'CMD ["node"]' - "$name" >/dev/null
echo "imported $name with $(node --version)" >&2
