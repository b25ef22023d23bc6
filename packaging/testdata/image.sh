#!/usr/bin/env bash
# Builds the final stage of the Dockerfile without Docker, and starts its root file system as a container
# would: no rights, read-only, another user, PID 1. Usage, as root:
#
#   unshare --mount packaging/testdata/image.sh PROGRAM
#
# The first stage is replaced by the folder that it makes: its base image is in a registry.
set -euo pipefail
program=$1
source=$(cd "$(dirname "$0")/../.." && pwd)
fail() { echo "FAIL: $*" >&2; exit 1; }
want() { [ "$2" = "$3" ] || fail "$1: got $2, want $3"; }
work=$(mktemp -d)
chmod 755 "$work"
mount -t tmpfs none "$work"
chmod 755 "$work"
cd "$work"

# The context: /out of the first stage, by the commands of the Dockerfile.
mkdir -p context/out
sed -n 's/^RUN \(mkdir .*\)$/\1/p' "$source/Dockerfile" | sed "s#/out/#$work/context/out/#g" | sh -e
install -m 755 "$program" context/out/weigate
{
	printf 'FROM scratch AS build\nCOPY out /out\n'
	sed -n '/^FROM scratch/,$p' "$source/Dockerfile"
} >context/Dockerfile
buildah --storage-driver vfs --root "$work/storage" --runroot "$work/run" bud --isolation chroot \
	-t "oci:$work/image:v1" context >build.log 2>&1 || fail "$(cat build.log)"
umoci unpack --image "$work/image:v1" bundle >>build.log 2>&1 || fail "$(cat build.log)"
rootfs=$work/bundle/rootfs
want "the user of the image" "$(tr -d ' \n\t' <bundle/config.json | grep -o '"uid":65532,"gid":0')" '"uid":65532,"gid":0'
want "the owner of /data" "$(stat -c '%u:%g %a' "$rootfs/data")" "65532:0 770"
want "programs in the image" "$(cd "$rootfs" && find . -type f)" "./usr/bin/weigate"
grep -q '"WEIGATE_LISTEN=:8080"' bundle/config.json || fail "the environment: $(cat bundle/config.json)"

# A volume gets the owner and the mode of the folder in the image.
volume() {
	rm -rf data
	mkdir data
	chown "$1" data
	chmod "$2" data
	cat >data/weigate.yaml <<'END'
url: http://127.0.0.1:18432
metrics: ""
wechat: [{name: main, kind: official_account, appid: wx0123456789abcdef, secret: hushhush}]
END
	chown "$1" data/weigate.yaml
	chmod 640 data/weigate.yaml
	mount --bind data "$rootfs/data"
}
mount --bind "$rootfs" "$rootfs"
mount -o remount,bind,ro "$rootfs"
volume 65532:0 770
# contained ARGS... runs the program of the image as user 12345 of group 0.
contained() {
	env -i PATH=/usr/bin SQLITE_TMPDIR=/data WEIGATE_LISTEN=:18432 TZ=Asia/Shanghai PUID=1000 \
		setpriv --no-new-privs --groups=0 /usr/sbin/chroot --userspec=12345:0 "$rootfs" /usr/bin/weigate "$@" --config=/data/weigate.yaml
}
touch "$rootfs/x" 2>/dev/null && fail "the root file system is not read-only"
want "weigate version" "$(env -i setpriv --no-new-privs /usr/sbin/chroot --userspec=12345:0 "$rootfs" /usr/bin/weigate version | cut -c1-8)" "weigate "
export -f contained
export rootfs
unshare --pid --fork --kill-child bash -c 'exec env -i PATH=/usr/bin SQLITE_TMPDIR=/data WEIGATE_LISTEN=:18432 \
	TZ=Asia/Shanghai PUID=1000 setpriv --no-new-privs --groups=0 /usr/sbin/chroot --userspec=12345:0 "$0" \
	/usr/bin/weigate serve --config=/data/weigate.yaml' "$rootfs" >serve.log 2>&1 &
unshared=$!
for i in $(seq 600); do
	! grep -q Ctrl-C serve.log || break
	kill -0 $unshared 2>/dev/null || fail "the gateway ended: $(cat serve.log)"
	sleep 0.1
done
want "the health check" "$(contained ping)" ok
want "the liveness check" "$(contained ping --live)" ok
grep -q 'PUID and PGID have no effect' serve.log || fail "PUID was ignored silently: $(cat serve.log)"
grep -q 'time=[^ ]*+08:00' serve.log || fail "TZ was ignored: $(cat serve.log)"
want "the database" "$(stat -c '%u %a' data/weigate.db)" "12345 600"
pid=$(pgrep -P $unshared)
began=$SECONDS
kill -TERM "$pid"
wait $unshared || fail "the gateway ended with $?: $(cat serve.log)"
[ $((SECONDS - began)) -le 10 ] || fail "the stop took $((SECONDS - began)) s: docker stop kills after 10"

# init writes to a new volume as the image's user, as another user of group 0 and as root, and to a volume
# of Kubernetes with fsGroup. Without /etc/passwd, the configuration may belong to a user of the host.
# initiated USER:GROUP GROUPS runs init in the volume.
initiated() {
	printf '0123456789abcdef0123456789abcdef' | env -i setpriv --no-new-privs /usr/sbin/chroot "--userspec=$1" "--groups=$2" \
		"$rootfs" /usr/bin/weigate init --dir=/data --url=https://login.example.com --appid=wx0123456789abcdef \
		--secret-file=- --access=approved >init.log 2>&1
}
for who in "65532:0 0 65532:0 770" "12345:0 0 65532:0 770" "0:0 0 65532:0 770" "65532:0 0,2000 0:2000 2775"; do
	set -- $who
	umount "$rootfs/data"
	volume "$3" "$4"
	rm data/weigate.yaml
	initiated "$1" "$2" || fail "init as $1 in a volume of $3, mode $4: $(cat init.log)"
done
umount "$rootfs/data"
volume 12345:2001 2775
rm data/weigate.yaml
initiated 65532:0 0 && fail "init writes to a folder of another user"
umount "$rootfs/data"
volume 65532:0 770
chown 1000:1000 data/weigate.yaml
chmod 644 data/weigate.yaml
sed -i 's/, secret: hushhush/, secret_file: weigate.secret/' data/weigate.yaml
install -o 12345 -g 0 -m 600 /dev/stdin data/weigate.secret <<<hushhush
want "warnings of a file of the host" "$(contained check --offline 2>&1 | grep -c 'belongs to' || true)" 0

# A folder that the user may not write gives one error with the command that helps.
umount "$rootfs/data"
volume 0:0 755
chmod 644 data/weigate.yaml
sed -i 's/, secret: hushhush/, secret_file: weigate.secret/' data/weigate.yaml
echo hushhush >data/weigate.secret
chgrp 0 data/weigate.secret
chmod 640 data/weigate.secret
contained serve >serve.log 2>&1 && fail "it starts without its folder"
grep -q 'hint: user 12345 cannot write to /data: chown -R 12345:0 /data ' serve.log || fail "$(cat serve.log)"
echo "ok: built, started without rights, healthy, stopped"
