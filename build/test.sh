#!/usr/bin/env bash
# Runs the stages of "make check" and "make test" and prints one line for each, with its seconds. The
# output of a stage is kept in out/, and printed when the stage failed.
#
#   build/test.sh check   formatting, vet, staticcheck, import rules and the quick tests
#   build/test.sh test    everything: the check, every test in random order, those of packages with
#                         the race detector, the browser, the examples, the benchmarks' module,
#                         the module files, and a search for secrets in the output of all tests
#   build/test.sh race    every test of packages with the race detector, also the sequential ones
set -uo pipefail
cd "$(dirname "$0")/.."

linter=honnef.co/go/tools/cmd/staticcheck@v0.8.2

export LC_ALL=C.UTF-8
tmp=$(mktemp -d)
chmod 711 "$tmp" # PostgreSQL and the tests of read-only files run as another user and must get through
trap 'rm -rf "$tmp"' EXIT
trap 'kill $(jobs -p) 2>/dev/null; exit 130' INT TERM
export TMPDIR=$tmp

# The compiler, the checks and the tests collect garbage less often, which saves a tenth of their time.
# The stage processes does not, because its tests measure the memory of the program.
# The program is static, as a release: it is started in images. One setting for all stages, so that nothing
# is compiled twice; the race detector needs cgo.
export CGO_ENABLED=0
export GOGC=400 GOMEMLIMIT=2GiB

rm -rf out
mkdir -p out
export WEIGATE_OUT=$PWD/out # where tests keep screenshots and pages
failed=()
began=$SECONDS

# cpu sets $used to the seconds that the processes of this shell have computed. It needs no process of
# its own, in which the sums would start at zero.
cpu() {
	local file=$tmp/times-$BASHPID
	times >"$file"
	used=$(sed -n 2p "$file" | awk -F'[ms ]+' '{ printf "%d", $1 * 60 + $2 + $3 * 60 + $4 }')
}

# stage NAME COMMAND... runs the command and prints its result, its seconds, and how many seconds its
# processes computed. A command may print a last line "summary: …", which is printed too.
stage() {
	local name=$1 from=$SECONDS status=0 word=ok used before
	shift
	cpu
	before=$used
	"$@" >"out/$name.log" 2>&1 || status=$?
	if [ $status -ne 0 ]; then
		word=FAIL
		failed+=("$name")
		sed 's/^/    /' "out/$name.log"
	fi
	cpu
	printf '%-4s  %-12s %4d s, computed %4d s  %s\n' "$word" "$name" $((SECONDS - from)) $((used - before)) "$(sed -n 's/^summary: //p' "out/$name.log" | tail -n 1)"
}

formatting() {
	local list
	list=$(gofmt -l $(git ls-files --cached --others --exclude-standard '*.go'))
	[ -z "$list" ] || { echo "not formatted, run gofmt -w on: $list"; return 1; }
}

vet() { go vet ./...; }

staticcheck() {
	[ -x "$tmp/staticcheck" ] || GOBIN=$tmp go install "$linter" || return 1
	"$tmp/staticcheck" ./...
}

rules() { go test -count=1 -run '^TestLayers' .; }

# tests NAME ARGS... runs go test and reports its tests. A skipped test counts as a failure.
tests() {
	local name=$1
	shift
	local status=0
	go test -json "$@" 2>"out/$name.stderr" | "$tmp/report" -raw "out/$name.jsonl" || status=1
	cat "out/$name.stderr"
	return $status
}

quick() { tests quick -short $(go list ./... | grep -v /internal/e2e); }

# outside prints the packages whose tests have nothing for the race detector: those of the root read
# source files and documents, the others drive processes of the program.
outside() { go list . ./internal/e2e ./internal/resilience; }

# sequential is a pattern of the heavy tests in which one goroutine of the test sends request after
# request. They run once, without the race detector, in which they would take five to ten times as
# long. Beside them, other tests of the same packages call the same code with many goroutines and the
# race detector, and a new test has it unless it is listed here.
sequential='TestCheckRejectsAWrongValueOfEveryKey|TestCommandsInDocsRun' # internal/cli
sequential+='|TestChanceOfAGuesserWithAllSignInsPending' # internal/chat
sequential+='|TestFloodAtEveryRouteEnds|TestWhatWasGrantedBeforeDoesNotOutliveTheRule' # internal/app
sequential+='|TestAnswers|TestBasic|TestConfig|TestFAPI2|TestPeople' # internal/oidc
sequential+='|TestFloodFromOneAddressIsLimited|TestFloodFromOneNetwork|TestMadeUpCookiesCountForNothing' # internal/route
sequential+='|TestUsersBehindAProxyAreCountedOneByOne|TestFloodOfForeignFormsIsLimited' # internal/route
sequential+='|TestFloodOfLongRequestsIsBoundedAndLeavesOthers|TestOneNetworkCannotWriteWithoutPause' # internal/savedrequest
sequential+='|TestFloodOfLongRequestsWithoutCookiesStoresNothing' # internal/savedrequest

# With -short and the race detector, the suite of stores leaves out the cases with one goroutine on
# SQLite files. They have the race detector in memory, and the stage sequential runs TestFile whole.
sequential() {
	tests sequential -vet=off -shuffle=on -count=1 -timeout 40m -run "^($sequential|TestFile)\$" \
		./internal/app ./internal/chat ./internal/cli ./internal/oidc ./internal/route ./internal/savedrequest ./internal/store/sqlite
}

# withRaces NAME ARGS... runs the tests of packages with the race detector. The stage vet has checked
# all packages already. SQLite is C that was translated to Go: with the race detector inside it, the
# tests take four times as long. Weigate's own code has the race detector.
withRaces() {
	CGO_ENABLED=1 tests "$@" -vet=off -race -gcflags='modernc.org/...=-race=false' \
		-gcflags='github.com/weigate/weigate/internal/leaktest=-race=false' -shuffle=on -count=1 -timeout 40m \
		$(go list ./... | grep -vxF "$(outside)")
}

suite() { withRaces suite -short -skip "^($sequential)\$"; }

races() { withRaces races; }

# One package at a time: the suite runs beside it, and the timeouts of a process count real seconds.
processes() { (unset GOGC GOMEMLIMIT && tests processes -vet=off -p 1 -shuffle=on -count=1 -timeout 40m $(outside)); }

# Modules of their own keep their dependencies out of the main module.
modules() {
	local status=0 mod dir total=0 tags=
	[ "$(id -u)" -ne 0 ] || tags=root # packaging/ has tests that only root can run
	for mod in $(git ls-files --cached --others --exclude-standard '*/go.mod'); do
		dir=$(dirname "$mod")
		echo "== $dir"
		total=$((total + 1))
		go -C "$dir" vet -tags="$tags" ./... || status=1
		go -C "$dir" mod tidy -diff || { echo "$dir/go.mod is stale: run make tidy"; status=1; }
		go -C "$dir" test -tags="$tags" -json -vet=off -count=1 -timeout 10m ./... | "$tmp/report" -raw "out/module-${dir//\//-}.jsonl" -notests || status=1
	done
	echo "summary: $total modules"
	return $status
}

# Files that become outdated without an edit.
freshness() {
	go mod tidy -diff || { echo "go.mod is stale: run make tidy"; return 1; }
	go mod verify || return 1
}

# Nothing that the tests wrote may contain a secret, a code or a token that they planted.
secrets() { go run ./internal/leaktest/scan out; }

# programs builds what several stages run: the program, so that the packages which drive it do not
# build it each (fixture.Program), and staticcheck.
programs() {
	local status=0 building
	go build -ldflags=-s -o "$tmp/weigate" ./cmd/weigate & # stripped, as a package has it
	building=$!
	GOBIN=$tmp go install "$linter" || status=1
	wait "$building" || status=1
	return $status
}

# lane runs stages one after another beside the other lanes, and writes the names of those that failed
# to a file.
lane() {
	local each
	failed=()
	for each in "$@"; do
		stage "$each" "$each"
	done
	echo "${failed[*]}" >"$tmp/lane-$1"
}

mode=${1:-test}
case $mode in
check | test | race) ;;
*)
	echo "usage: build/test.sh check|test|race" >&2
	exit 2
	;;
esac

# Not a stage: it prints what it installs before it does, and nothing below works without it.
[ "$mode" = check ] || build/deps.sh || exit 1

if ! go build -o "$tmp/report" ./build/report; then
	echo "FAIL  build/report does not compile"
	exit 1
fi

stage formatting formatting
if [ "$mode" = check ]; then
	stage vet vet
	stage staticcheck staticcheck
	stage imports rules
	stage quick quick
elif [ "$mode" = race ]; then
	stage races races
else
	# The lanes wait for browsers, processes and disks much of the time, so they run beside each other.
	stage programs programs
	export WEIGATE_PROGRAM=$tmp/weigate
	lane processes freshness &
	lane modules vet staticcheck sequential &
	lane suite &
	wait
	for name in processes modules suite; do
		failed+=($(cat "$tmp/lane-$name" || echo "$name"))
	done
	stage secrets secrets
fi

if [ ${#failed[@]} -gt 0 ]; then
	echo "FAIL  ${failed[*]} ($((SECONDS - began)) s); the output of each stage is in out/"
	exit 1
fi
echo "ok    make $mode ($((SECONDS - began)) s); the output of each stage is in out/"
