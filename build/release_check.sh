#!/usr/bin/env bash
# Proves the properties of a release, in minutes. Run it as root on Debian:
#
#   build/release_check.sh [SYSTEM/ARCHITECTURE...]   (make release-check: all systems)
#
# It makes the release twice, from copies of the last commit in two folders, the second time as another
# user with an empty build cache, and compares the checksums. Then: programs for Linux are statically
# linked, the one for this machine starts on an empty root file system, and the tests of packaging/ run with
# it, with the Debian package on a fresh Debian (debootstrap).
set -euo pipefail
[ "$(id -u)" -eq 0 ] || { echo "release-check: run it as root" >&2; exit 1; }
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
chmod 755 "$work"
version=v0.0.1
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH WEIGATE_SIGNING_KEY=none
for copy in first elsewhere/second; do
	mkdir -p "$work/$copy" "$work/$copy.out"
	git archive HEAD | tar -x -C "$work/$copy"
done
"$work/first/build/release.sh" $version "$work/first.out" "$@"

mkdir "$work/home"
chown -R nobody "$work/elsewhere" "$work/home"
(cd / && umask 077 && exec setpriv --reuid=nobody --regid=nogroup --clear-groups \
	env HOME="$work/home" GOPATH="$work/home/go" GOCACHE="$work/home/cache" GOFLAGS=-modcacherw TMPDIR="$work/home" \
	"$work/elsewhere/second/build/release.sh" $version "$work/elsewhere/second.out" "$@")
cmp "$work/first.out/SHA256SUMS" "$work/elsewhere/second.out/SHA256SUMS"
cat "$work/first.out/SHA256SUMS"
echo "release-check: both releases have the same checksums"

for archive in "$work"/first.out/*linux*.tar.gz; do
	mkdir "$work/root"
	tar -x -z -C "$work/root" --strip-components=1 -f "$archive"
	file "$work/root/weigate" | grep -q 'statically linked' || { echo "release-check: $archive is not static" >&2; exit 1; }
	if [[ $archive == *_$(dpkg --print-architecture).tar.gz ]]; then
		mv "$work/root" "$work/own"
	else
		rm -r "$work/root"
	fi
done
if [ -x "$work/own/weigate" ]; then
	debootstrap --variant=minbase --include=ca-certificates,procps,systemd-standalone-sysusers stable "$work/debian" >"$work/log" 2>&1 ||
		{ tail -n 20 "$work/log" >&2; exit 1; }
	WEIGATE_PROGRAM=$work/own/weigate WEIGATE_DEBIAN_ROOT=$work/debian go -C packaging test -count=1 -tags root ./...
fi
echo "ok    release-check"
