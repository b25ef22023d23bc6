#!/usr/bin/env bash
# Signs SHA256SUMS of a release with an SSH key: writes SHA256SUMS.sig beside it.
#
#   WEIGATE_SIGNING_KEY=FILE build/sign.sh FOLDER
#
# FILE is a private key, or a public key whose private key an ssh-agent has. Without the variable, the
# release stays unsigned. The signature is for the name weigate-release only: it is worthless as a signature
# of anything else that the key signs. docs/en/verify-release.md has the verification.
set -euo pipefail
folder=${1:-}
[ -f "$folder/SHA256SUMS" ] || { echo "usage: build/sign.sh FOLDER (with SHA256SUMS)" >&2; exit 2; }
if [ -z "${WEIGATE_SIGNING_KEY:-}" ]; then
	echo "sign: WEIGATE_SIGNING_KEY is not set, the release is not signed"
	exit 0
fi
rm -f "$folder/SHA256SUMS.sig" # ssh-keygen asks before it replaces a file
ssh-keygen -q -Y sign -f "$WEIGATE_SIGNING_KEY" -n weigate-release "$folder/SHA256SUMS" </dev/null
chmod 644 "$folder/SHA256SUMS.sig"
echo "sign: wrote $folder/SHA256SUMS.sig"
