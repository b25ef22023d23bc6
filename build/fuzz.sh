#!/usr/bin/env bash
# Runs every fuzz target of the module, one after the other: build/fuzz.sh [TIME EACH]
set -euo pipefail
cd "$(dirname "$0")/.."
each=${1:-60s}
found=0
while IFS=: read -r file target; do
	found=$((found + 1))
	echo "== $(dirname "$file") $target, $each"
	go test -run '^$' -fuzz "^$target\$" -fuzztime "$each" "./$(dirname "$file")"
done < <(git grep -oE '^func Fuzz[A-Za-z0-9_]+' -- '*_test.go' | sed 's/func //')
echo "$found fuzz targets, each $each, nothing found"
