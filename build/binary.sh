#!/bin/sh
# Builds a release binary for GOOS and GOARCH. It is statically linked, and byte-equal for the same
# source, version and Go, in any folder and by any user: no paths (-trimpath), no date, no state of git,
# no build id. The Dockerfile and build/release.sh call it.
#
#   GOOS=linux GOARCH=arm64 build/binary.sh VERSION FILE
set -eu
version=$1 file=$2
case $file in /*) ;; *) file=$PWD/$file ;; esac
cd "$(dirname "$0")/.."
export CGO_ENABLED=0 GOWORK=off GOFLAGS=-mod=readonly GOAMD64=v1 GOARM64=v8.0
exec go build -trimpath -buildvcs=false \
	-ldflags "-s -w -buildid= -X github.com/weigate/weigate/internal/cli.release=$version" -o "$file" ./cmd/weigate
