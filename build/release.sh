#!/usr/bin/env bash
# Makes the files of a release in a folder: for each system an archive and two SBOMs, Debian
# packages, SHA256SUMS, and its signature if WEIGATE_SIGNING_KEY names a key (build/sign.sh). Two
# runs give the same bytes. Debian packages need dpkg-deb.
#
#   build/release.sh VERSION FOLDER [SYSTEM/ARCHITECTURE...]
#
# All times in the files are SOURCE_DATE_EPOCH, by default the time of the last commit.
set -euo pipefail
export LC_ALL=C TZ=UTC
umask 022
version=${1:-} out=${2:-} # such as v1.2.3 and dist
[[ $version =~ ^v[0-9]+\.[0-9]+\.[0-9]+(-[0-9a-z.]+)?$ ]] && [ -n "$out" ] || {
	echo "usage: build/release.sh vMAJOR.MINOR.PATCH FOLDER [SYSTEM/ARCHITECTURE...] (make release VERSION=v1.2.3)" >&2
	exit 2
}
shift 2
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=({linux,darwin,windows}/{amd64,arm64})
case ${WEIGATE_SIGNING_KEY:-} in
'' | none | /*) ;;
*) export WEIGATE_SIGNING_KEY=$PWD/$WEIGATE_SIGNING_KEY ;; # relative to the folder of the caller
esac
mkdir -p "$out"
out=$(cd "$out" && pwd)
cd "$(dirname "$0")/.."
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
[ -z "$(ls -A "$out")" ] || { echo "release: $out is not empty" >&2; exit 1; }
build/sign.sh --check # now, and not after all builds
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for target in "${targets[@]}"; do
	os=${target%/*} arch=${target#*/}
	binary=$work/$os-$arch/weigate
	[ "$os" != windows ] || binary+=.exe
	mkdir -p "${binary%/*}"
	GOOS=$os GOARCH=$arch build/binary.sh "$version" "$binary"
	go -C packaging run ./release -source "$PWD" -binary "$binary" -version "$version" -os "$os" -arch "$arch" \
		-epoch "$SOURCE_DATE_EPOCH" -notices "$work/$os-$arch/notices.txt" -out "$out"
	if [ "$os" = linux ]; then
		packaging/debian/build.sh "$binary" "$work/$os-$arch/notices.txt" "$version" "$arch" "$out"
	fi
	echo "release: $target"
done
(cd "$out" && sha256sum -- * >"$work/SHA256SUMS" && mv "$work/SHA256SUMS" .)
chmod 644 "$out"/*
build/sign.sh "$out"
echo "release: $(find "$out" -type f | wc -l) files in $out"
