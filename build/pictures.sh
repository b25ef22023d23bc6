#!/usr/bin/env bash
# Renews the pictures of the documents from the screenshots of the last run of internal/e2e:
# docs/images/pictures.txt says which picture is which screenshot. Nothing changes if one is missing.
set -euo pipefail
cd "$(dirname "$0")/.."
from=${WEIGATE_OUT:-out}/screenshots
list=$(grep -v '^#' docs/images/pictures.txt)
while read -r picture screenshot; do
	if [ ! -e "$from/$screenshot" ]; then
		echo "pictures: $from/$screenshot for $picture is missing: run make test" >&2
		exit 1
	fi
done <<<"$list"
while read -r picture screenshot; do
	cp "$from/$screenshot" "docs/images/$picture"
done <<<"$list"
