#!/bin/sh
# Makes the network of compose.yaml in /network: keys, genesis, and a configuration for each node. Run by its service
# `setup`, in the image; what stands there already is left alone.
set -eu

causeway() {
  node /app/dist/node/cli.js "$@"
}

# bank FOLDER BIC VALIDATOR
bank() {
  causeway node create --dir "/network/$1" --party "$2" --peers-of "/network/$3/node.toml"
}

causeway network create --dir /network --layout compose --validators HK,CN,TH,AE
bank hsbc HSBCHKHHXXX hk
bank icbk ICBKCNBJXXX cn
bank bkkb BKKBTHBKXXX th
bank ebil EBILAEADXXX ae
chown -R 1000:1000 /network
