#!/usr/bin/env bash
# Signs SHA256SUMS of a release with an SSH key: writes SHA256SUMS.sig beside it.
#
#   WEIGATE_SIGNING_KEY=FILE build/sign.sh FOLDER
#   WEIGATE_SIGNING_KEY=FILE build/sign.sh --check   # tries the key, for build/release.sh
#
# FILE is a private key, or a public key whose private key an ssh-agent has. Without the variable,
# the release stays unsigned. If the repository has a file allowed_signers, users expect a signature
# of a key in it: then the variable is required, and WEIGATE_SIGNING_KEY=none leaves files unsigned
# that are not for publication. A signature of an earlier release is deleted in any case.
#
# The signature is for the name weigate-release only: it is worthless as a signature of anything
# else that the key signs. docs/en/verify-release.md has the verification.
set -euo pipefail
folder=${1:-}
[ "$folder" = --check ] || [ -f "$folder/SHA256SUMS" ] || {
	echo "usage: build/sign.sh FOLDER (with SHA256SUMS), or build/sign.sh --check" >&2
	exit 2
}
signers=$(dirname "$0")/../allowed_signers
key=${WEIGATE_SIGNING_KEY:-}
if [ "$folder" = --check ]; then
	work=$(mktemp -d)
	trap 'rm -rf "$work"' EXIT
	echo "a trial, not a release" >"$work/SHA256SUMS"
else
	work=$folder
	rm -f "$work/SHA256SUMS.sig" # of an earlier release; and ssh-keygen asks before it replaces a file
fi
if [ -z "$key" ] && [ -e "$signers" ]; then
	echo "sign: the repository has allowed_signers: set WEIGATE_SIGNING_KEY to the key, or to none" >&2
	exit 1
fi
if [ "$key" = none ]; then
	echo "sign: WEIGATE_SIGNING_KEY is none, the files are not signed"
	exit 0
fi
if [ -z "$key" ]; then
	echo "sign: WEIGATE_SIGNING_KEY is not set, the release is not signed"
	exit 0
fi
ssh-keygen -q -Y sign -f "$key" -n weigate-release "$work/SHA256SUMS" </dev/null || {
	echo "sign: WEIGATE_SIGNING_KEY=$key cannot sign" >&2
	exit 1
}
if [ -e "$signers" ] && ! ssh-keygen -q -Y verify -f "$signers" -I release@weigate -n weigate-release \
	-s "$work/SHA256SUMS.sig" <"$work/SHA256SUMS" >/dev/null; then
	rm "$work/SHA256SUMS.sig"
	echo "sign: users would reject the signature: the key of WEIGATE_SIGNING_KEY is not in allowed_signers" >&2
	exit 1
fi
[ "$folder" != --check ] || exit 0
chmod 644 "$folder/SHA256SUMS.sig"
echo "sign: wrote $folder/SHA256SUMS.sig"
