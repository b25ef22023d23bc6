#!/usr/bin/env bash
# Builds the Debian package of a program that build/binary.sh has built. Two runs give the same bytes, if
# SOURCE_DATE_EPOCH is set. Tests set WEIGATE_DEB_COMPRESSION=gzip, to save time.
#
#   packaging/debian/build.sh PROGRAM NOTICES VERSION ARCHITECTURE FOLDER
set -euo pipefail
export LC_ALL=C TZ=UTC
umask 022
program=$1 notices=$2 version=${3#v} arch=$4 out=$5
version=${version/-/\~} # v1.2.3-rc.1 is older than v1.2.3
cd "$(dirname "$0")/../.."
command -v dpkg-deb >/dev/null || { echo "packaging/debian/build.sh: dpkg-deb is missing (Debian's package dpkg)" >&2; exit 1; }
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
source=packaging/debian
doc=$root/usr/share/doc/weigate

# put MODE SOURCE TARGET copies a file into the package.
put() { install -D -m "$1" "$2" "$root/$3"; }
# compress FILE compresses a file without its name and time.
compress() { gzip -9n "$1"; }

put 755 "$program" usr/bin/weigate
put 644 packaging/systemd/weigate.service usr/lib/systemd/system/weigate.service
put 644 $source/weigate.sysusers usr/lib/sysusers.d/weigate.conf
put 644 $source/weigate.lintian-overrides usr/share/lintian/overrides/weigate
put 644 $source/copyright usr/share/doc/weigate/copyright
put 644 weigate.example.yaml usr/share/doc/weigate/examples/weigate.example.yaml
put 644 packaging/systemd/port-443.conf usr/share/doc/weigate/examples/port-443.conf
for each in packaging/prometheus packaging/grafana; do
	[ ! -d "$each" ] || (cd packaging && find "${each#*/}" -type f ! -name '*.go' ! -name '*_test*' -print0) |
		while IFS= read -r -d '' file; do put 644 "packaging/$file" "usr/share/doc/weigate/examples/$file"; done
done
# The documents and what they name, with the folders of the repository. Links to other files are changed below.
for each in README.md README.zh-CN.md SECURITY.md compose.yaml docs/en docs/zh-CN docs/images \
	examples/nginx examples/nginx-auth examples/caddy examples/traefik examples/oauth2-proxy; do
	while IFS= read -r -d '' file; do put 644 "$file" "usr/share/doc/weigate/$file"; done < <(find "$each" -type f -print0)
done
install -d -m 755 "$root/etc/weigate"
put 644 CHANGELOG.md usr/share/doc/weigate/changelog
put 644 "$notices" usr/share/doc/weigate/THIRD-PARTY-NOTICES.txt
cat >"$doc/changelog.Debian" <<END
weigate ($version) unstable; urgency=medium

  * Version $version. The changes are in changelog.gz.

 -- Weigate authors <weigate@users.noreply.github.com>  $(date -R -d "@${SOURCE_DATE_EPOCH:-0}")
END
# The man page and the completions are made from the definitions of the commands, by a program for the
# machine that builds the package.
host=$program
if ! "$host" version >/dev/null 2>&1; then
	host=$root.host
	trap 'rm -rf "$root" "$host"' EXIT
	GOOS='' GOARCH='' build/binary.sh "v$version" "$host"
fi
generated() { "$host" "$1" --help >/dev/null 2>&1; }
if generated man; then
	install -d "$root/usr/share/man/man1" "$root/usr/share/man/zh_CN/man1"
	LC_ALL=C "$host" man >"$root/usr/share/man/man1/weigate.1"
	LC_ALL=zh_CN.UTF-8 "$host" man >"$root/usr/share/man/zh_CN/man1/weigate.1"
	compress "$root/usr/share/man/man1/weigate.1"
	compress "$root/usr/share/man/zh_CN/man1/weigate.1"
fi
if generated completion; then
	install -d "$root/usr/share/bash-completion/completions" "$root/usr/share/zsh/vendor-completions" \
		"$root/usr/share/fish/vendor_completions.d"
	"$host" completion bash >"$root/usr/share/bash-completion/completions/weigate"
	"$host" completion zsh >"$root/usr/share/zsh/vendor-completions/_weigate"
	"$host" completion fish >"$root/usr/share/fish/vendor_completions.d/weigate.fish"
fi
compress "$doc/changelog"
compress "$doc/changelog.Debian"
compress "$doc/THIRD-PARTY-NOTICES.txt"
go -C packaging run ./release -source "$PWD" -version "v${version/\~/-}" -documents "$doc" CHANGELOG.md=changelog.gz \
	weigate.example.yaml=examples/weigate.example.yaml packaging/=examples/

size=$(find "$root" -type f -printf '%s\n' | awk '{ n += int(($1 + 1023) / 1024) } END { print n }')
install -d -m 755 "$root/DEBIAN"
sed "s/@VERSION@/$version/; s/@ARCH@/$arch/; s/@SIZE@/$size/" $source/control >"$root/DEBIAN/control"
for script in postinst prerm postrm; do install -m 755 $source/$script "$root/DEBIAN/$script"; done
(cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
find "$root" -exec touch --no-dereference --date="@${SOURCE_DATE_EPOCH:-0}" {} +
# Renamed when it is complete, so that nobody installs half a package.
package=$out/weigate_${version}_$arch.deb
dpkg-deb --root-owner-group -Z"${WEIGATE_DEB_COMPRESSION:-xz}" --build "$root" "$package.part" >/dev/null
mv "$package.part" "$package"
