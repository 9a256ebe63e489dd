#!/usr/bin/env bash
# Settles a PvP between two commercial banks on a running network, with nothing but the command line client, and checks
# its certificate offline. The network is one of `causeway network create`, with HK and TH among its validators, and
# nothing on its ledger yet. Banks' keys are made in the network's folder, as `banks/HSBCHKHHXXX.pem`; a bank whose node
# has a folder there, as `hsbc`, registers that node.
# Usage: deploy/pvp.sh NETWORK_FOLDER URL_OF_HK URL_OF_TH [CAUSEWAY_COMMAND…]
set -euo pipefail

network=$(realpath -- "${1:?usage: deploy/pvp.sh NETWORK_FOLDER URL_OF_HK URL_OF_TH [CAUSEWAY_COMMAND…]}")
hk=${2:?the URL of HK\'s node}
th=${3:?the URL of TH\'s node}
shift 3
root=$(realpath -- "$(dirname -- "${BASH_SOURCE[0]}")/..")
(($# > 0)) || set -- node "$root/dist/node/cli.js"
causeway=("$@")

work=$(mktemp -d)
trap 'rm -rf -- "$work"' EXIT
umask 077
banks=$network/banks
mkdir -p "$banks"

# admit NODE JURISDICTION BIC NAME LEI
admit() {
  local folder=${3:0:4}
  local proof=$network/${folder,,}/node.proof.json
  "${causeway[@]}" keys generate --out "$banks/$3.pem" --alg ES256
  "${causeway[@]}" keys prove "$banks/$3.pem" --party "$3" --node "$1" --json >"$work/$3.proof.json" || {
    cat "$work/$3.proof.json" >&2
    return 1
  }
  "${causeway[@]}" party admit --node "$1" --key "$network/${2,,}/keys/authority.pem" --jurisdiction "$2" \
    --party "$3" --name "$4" --lei "$5" --proof "$work/$3.proof.json"
  if [[ -e $proof ]]; then
    "${causeway[@]}" key add-node --node "$1" --key "$banks/$3.pem" --party "$3" --proof "$proof"
  fi
}

# issue NODE JURISDICTION ASSET NAME TO AMOUNT
issue() {
  local key=$network/${2,,}/keys/authority.pem
  "${causeway[@]}" asset define --node "$1" --key "$key" --jurisdiction "$2" --asset "$3" --name "$4" --cap 1000000000.00
  "${causeway[@]}" issue --node "$1" --key "$key" --asset "$3" --to "$5" --amount "$6"
}

admit "$hk" HK HSBCHKHHXXX 'HSBC Hong Kong' 98450000BANKHSBCHK93
admit "$th" TH BKKBTHBKXXX 'Bangkok Bank' 98450000BANKBKKBTH81
issue "$hk" HK HKD 'Hong Kong dollar' HSBCHKHHXXX 1000000.00
issue "$th" TH THB 'Thai baht' BKKBTHBKXXX 5000000.00

settled=$("${causeway[@]}" pvp --node "$hk" --json --key "$banks/HSBCHKHHXXX.pem" --key "$banks/BKKBTHBKXXX.pem" \
  --leg HSBCHKHHXXX:BKKBTHBKXXX:HKD:250000.00 --leg BKKBTHBKXXX:HSBCHKHHXXX:THB:1037500.00) || {
  echo "$settled" >&2
  exit 1
}
echo "$settled"
digest=$(node -p 'JSON.parse(process.argv[1]).digest' "$settled")

# The other bank's node has the same, and vouches for it with a certificate that needs no node to be checked.
"${causeway[@]}" receipt "$digest" --node "$th" --out "$work/receipt.json"
"${causeway[@]}" verify "$work/receipt.json" --genesis "$network/genesis.json" --digest "$digest"
