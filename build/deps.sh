#!/usr/bin/env bash
# Brings what the tests need besides Go: a browser, a font with Chinese characters, one with
# emoji, a reader of QR codes, the servers of PostgreSQL, MariaDB and Redis, node with npm, nginx,
# Caddy, systemd and the tools of packages and images, curl, make, promtool, strace, ssh-keygen, the
# C compiler that Go's race detector needs, and clients of OpenID Connect: Apache's module, Python's
# and Ruby's libraries, and git-credential-oauth.
# On Debian as root it says in one line what it installs and installs it. Elsewhere it says
# what to install and fails. "deps.sh --check" only looks.
set -euo pipefail

browser() {
	[ -x /usr/lib/chromium/chromium-headless-shell ] && return
	local name
	for name in chromium-headless-shell chrome-headless-shell chromium chromium-browser google-chrome google-chrome-stable; do
		command -v "$name" >/dev/null && return
	done
	return 1
}
chinese() { command -v fc-list >/dev/null && [ -n "$(fc-list :lang=zh family)" ]; }
postgres() { command -v initdb >/dev/null || compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null; }
python3_has() { local p=/usr/bin/python3; [ -x "$p" ] || p=python3; "$p" -c "import $1" 2>/dev/null; }
redis() { command -v redis-server >/dev/null || command -v valkey-server >/dev/null; }
emoji() { command -v fc-list >/dev/null && fc-list : family | grep -qi emoji; }

missing=()
browser || missing+=(chromium-headless-shell)
chinese || missing+=(fontconfig fonts-wqy-microhei)
emoji || missing+=(fonts-noto-color-emoji)
command -v zbarimg >/dev/null || missing+=(zbar-tools)
postgres || missing+=(postgresql)
command -v mariadbd >/dev/null || [ -x /usr/sbin/mariadbd ] || missing+=(mariadb-server-core)
command -v my_print_defaults >/dev/null || missing+=(mariadb-client-core) # for mariadb-install-db
redis || missing+=(redis-server)
command -v node >/dev/null || missing+=(nodejs)
command -v npm >/dev/null || missing+=(npm)
command -v nginx >/dev/null || [ -x /usr/sbin/nginx ] || missing+=(nginx)
command -v caddy >/dev/null || missing+=(caddy)
python3_has "authlib.integrations.flask_client, requests_oauthlib, django" ||
	missing+=(python3-flask python3-django python3-authlib python3-requests python3-requests-oauthlib)
ruby -e 'require "omniauth_openid_connect"; require "webrick"' 2>/dev/null || missing+=(ruby-omniauth-openid-connect ruby-webrick)
[ -e /usr/lib/apache2/modules/mod_auth_openidc.so ] || missing+=(apache2-bin libapache2-mod-auth-openidc)
command -v git-credential-oauth >/dev/null || missing+=(git-credential-oauth)
command -v python3 >/dev/null || missing+=(python3)
command -v curl >/dev/null || missing+=(curl ca-certificates)
command -v promtool >/dev/null || missing+=(prometheus)
command -v make >/dev/null || missing+=(make)
# Packaging: the unit, the Debian package and the image, which need root.
command -v systemd-analyze >/dev/null || missing+=(systemd)
if [ "$(id -u)" -eq 0 ]; then
	command -v lintian >/dev/null || missing+=(lintian)
	command -v buildah >/dev/null || missing+=(buildah)
	command -v umoci >/dev/null || missing+=(umoci)
	command -v pgrep >/dev/null || missing+=(procps)
fi
command -v ssh-keygen >/dev/null || missing+=(openssh-client) # signs the checksums of a release
command -v strace >/dev/null || missing+=(strace) # records the outgoing connections of the gateway
command -v mandoc >/dev/null || missing+=(mandoc) # checks the man page
for shell in zsh fish; do command -v $shell >/dev/null || missing+=($shell); done # read their completions
command -v gcc >/dev/null || command -v cc >/dev/null || missing+=(gcc libc6-dev)

[ ${#missing[@]} -eq 0 ] && exit 0

if [ "${1:-}" != --check ] && [ "$(id -u)" -eq 0 ] && [ -e /etc/debian_version ] && command -v apt-get >/dev/null; then
	echo "deps: installing with apt-get, for the tests: ${missing[*]}"
	export DEBIAN_FRONTEND=noninteractive
	log=$(mktemp)
	trap 'rm -f "$log"' EXIT
	if apt-get update >"$log" 2>&1 && apt-get install -y --no-install-recommends "${missing[@]}" >"$log" 2>&1; then
		exit 0
	fi
	tail -n 20 "$log" >&2
	echo "deps: apt-get failed: install these by hand and run again: ${missing[*]}" >&2
	exit 1
fi

cat >&2 <<MSG
deps: the tests need these (Debian's names of the packages): ${missing[*]}
deps: install them (as root on Debian, build/deps.sh does it) and run again.
MSG
exit 1
