#!/usr/bin/env bash
# Installs, upgrades, removes and purges the Debian package on a copy of a Debian that vanishes afterwards.
# systemd does not run there: a stand-in for systemctl records what the package asks of it. Usage, as root:
#
#   unshare --mount packaging/testdata/debian.sh LOWER OLD.deb NEW.deb
#
# LOWER is the root of the Debian to copy, such as / or a folder made by debootstrap.
set -euo pipefail
lower=$1 old=$(realpath "$2") new=$(realpath "$3")
fail() { echo "FAIL: $*" >&2; exit 1; }
want() { [ "$2" = "$3" ] || fail "$1: got $2, want $3"; }

work=$(mktemp -d)
mount -t tmpfs none "$work"
mkdir "$work"/{upper,work,root}
mount -t overlay -o "lowerdir=$lower,upperdir=$work/upper,workdir=$work/work" overlay "$work/root"
root=$work/root
mount --rbind /dev "$root/dev"
mount -t tmpfs none "$root/tmp"
mkdir -p "$root/run/systemd/system"
cp "$old" "$root/tmp/old.deb"
cp "$new" "$root/tmp/new.deb"
inside() { chroot "$root" env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
	DEBIAN_FRONTEND=noninteractive "$@"; }

# The stand-in: is-active as /tmp/active says; reload runs the first ExecReload of the unit.
cat >"$root/usr/local/bin/systemctl" <<'END'
#!/bin/sh
echo "$*" >>/tmp/systemctl.log
case "$*" in
*is-active*) [ -e /tmp/active ] ;;
reload*) exec setpriv --reuid=weigate --regid=weigate --clear-groups \
	$(sed -n 's/^ExecReload=//p' /usr/lib/systemd/system/weigate.service | head -n 1) ;;
esac
END
chmod 755 "$root/usr/local/bin/systemctl"
printf '#!/bin/sh\nexit 0\n' >"$root/usr/sbin/policy-rc.d"
chmod 755 "$root/usr/sbin/policy-rc.d"
asked() { grep -c "$1" "$root/tmp/systemctl.log" || true; }
forget() { : >"$root/tmp/systemctl.log"; }

# A fresh install has a user, folders with the right owners, and no configuration.
message=$(inside dpkg -i /tmp/old.deb)
[[ $message == *"next: weigate init (documents: /usr/share/doc/weigate/docs/en/install.md)"* ]] || fail "the message: $message"
message=$(inside env LC_ALL=zh_CN.UTF-8 /var/lib/dpkg/info/weigate.postinst configure)
[[ $message == *"下一步请运行 weigate init"* ]] || fail "the message in a Chinese terminal: $message"
want "the mode of /etc/weigate" "$(inside stat -c '%U:%G %a' /etc/weigate)" "root:weigate 750"
want "the mode of /var/lib/weigate" "$(inside stat -c '%U:%G %a' /var/lib/weigate)" "weigate:weigate 700"
want "the mode of /var/backups/weigate" "$(inside stat -c '%U:%G %a' /var/backups/weigate)" "weigate:weigate 700"
for file in docs/en/install.md docs/zh-CN/install.md examples/nginx-auth/wiki.example.com.conf; do
	[ -s "$root/usr/share/doc/weigate/$file" ] || fail "the package has no $file"
done
want "conffiles" "$(inside dpkg-query -W -f '${Conffiles}' weigate)" ""
want "restarts at the first installation" "$(asked restart)" 0
[ "$(ls -A "$root/etc/weigate")" = "" ] || fail "the package ships a configuration"

# Started by its own command line, as its own user. The configuration is owned by root, as "weigate init"
# writes it.
cat >"$root/etc/weigate/weigate.yaml" <<'END'
url: http://127.0.0.1:18431
listen: 127.0.0.1:18431
metrics: ""
store: sqlite:/var/lib/weigate/weigate.db
master_key_file: /var/lib/weigate/weigate.key
wechat: [{name: main, kind: official_account, appid: wx0123456789abcdef, secret: hushhush}]
END
inside chown root:weigate /etc/weigate/weigate.yaml
chmod 640 "$root/etc/weigate/weigate.yaml"
unit=$root/usr/lib/systemd/system/weigate.service
start=$(sed -n 's/^ExecStart=//p' "$unit")
# serve ARGS... starts the gateway with further arguments of setpriv, and sets pid.
serve() {
	(umask 077; exec chroot "$root" env -i PATH=/usr/bin:/bin ${listen:+WEIGATE_LISTEN=$listen} \
		setpriv --reuid=weigate --regid=weigate --clear-groups --no-new-privs "$@" $start) >"$root/tmp/serve.log" 2>&1 &
	pid=$!
	local i
	for i in $(seq 600); do
		! grep -q Ctrl-C "$root/tmp/serve.log" || return 0
		kill -0 $pid 2>/dev/null || fail "the gateway ended: $(cat "$root/tmp/serve.log")"
		sleep 0.1
	done
	fail "the gateway is not ready: $(cat "$root/tmp/serve.log")"
}
listen= serve --bounding-set=-all
want "weigate ping" "$(inside weigate ping --config=/etc/weigate/weigate.yaml)" ok
want "the database" "$(inside stat -c '%U:%G %a' /var/lib/weigate/weigate.db)" "weigate:weigate 600"
kill $pid && wait $pid || fail "the gateway ended with $?"

# Port 443 as the service user, with the capabilities of the drop-in.
listen=127.9.9.9:443 serve --inh-caps=+net_bind_service --ambient-caps=+net_bind_service
kill $pid && wait $pid || fail "the gateway ended with $?"

# An upgrade keeps what was edited, and restarts what was running (TecharoHQ/anubis#1391,
# Devolutions/devolutions-gateway#1234).
echo "# edited" >>"$root/etc/weigate/weigate.yaml"
echo "HTTPS_PROXY=http://proxy.example.com" >"$root/etc/weigate/environment"
before=$(cd "$root/etc/weigate" && sha256sum -- *)
forget
inside dpkg -i /tmp/new.deb
want "restarts of a stopped service" "$(asked restart)" 0
want "starts of a stopped service" "$(asked '^start')" 0
inside dpkg -i /tmp/old.deb # back, and again
touch "$root/tmp/active"
forget
inside dpkg -i /tmp/new.deb
want "restarts of a running service" "$(asked 'restart weigate.service')" 1
want "the edited files" "$(cd "$root/etc/weigate" && sha256sum -- *)" "$before"

# With a broken configuration the upgrade succeeds, the old process keeps running, and the message says why.
sed -i 's/^listen:/lsten:/' "$root/etc/weigate/weigate.yaml"
forget
message=$(inside dpkg -i /tmp/new.deb 2>&1) || fail "the upgrade failed: $message"
want "restarts with a broken configuration" "$(asked restart)" 0
[[ $message == *"unknown key lsten"*"the old one keeps running"* ]] || fail "the message: $message"
sed -i 's/^lsten:/listen:/' "$root/etc/weigate/weigate.yaml"

# Removal stops the service and keeps data, configuration and user. A new installation has them again.
forget
inside dpkg -r weigate
want "stops at the removal" "$(asked 'stop weigate.service')" 1
for kept in /etc/weigate/weigate.yaml /var/lib/weigate/weigate.db /var/lib/weigate/weigate.key; do
	[ -e "$root$kept" ] || fail "the removal deleted $kept"
done
rm "$root/tmp/active"
inside dpkg -i /tmp/new.deb
want "the edited files after removal and installation" "$(cd "$root/etc/weigate" && sha256sum -- *)" "$before"
inside getent passwd weigate >/dev/null || fail "the user is gone"

# Purge deletes everything but the user and backups elsewhere.
echo backup >"$root/srv/weigate-backup"
inside dpkg -P weigate
left=$(find "$root"/{etc,usr,var} -path "$root/var/lib/dpkg" -prune -o -path "$root/usr/local" -prune -o -name '*weigate*' -print)
want "files after the purge" "$left" ""
[ -e "$root/srv/weigate-backup" ] || fail "the purge deleted a backup"
echo "ok: installed, started, upgraded, removed and purged"
