#!/bin/sh
# Measures Portreeve alone and writes bench/out/quick.json; see bench/quick.
set -eu
cd "$(dirname "$0")/.."
mkdir -p bench/out
go build -o bin/quick ./bench/quick
exec bin/quick -binary bin/portreeve -out bench/out/quick.json
