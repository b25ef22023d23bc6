# make check   the quick round before a commit: formatting, vet, staticcheck, import rules, quick tests
# make test    everything; installs the browser and fonts that it needs (on Debian as root)
# make race    every test of packages with the race detector; make test leaves out sequential ones
# make demo    the demo
# make fuzz    runs every fuzz target for a minute
# make platforms  vets what only Windows and macOS compile; minutes when cold
# make pictures  renews the pictures of the documents from the screenshots of the last make test
# make tidy    brings go.mod and go.sum of every module up to date
# make release VERSION=v1.2.3  makes the files of a release in dist; TARGETS=linux/amd64 only these systems
# make release-check  makes a release twice, in two folders and as two users, and compares; minutes

.PHONY: test check race release release-check demo deps fuzz platforms pictures tidy clean

test:
	@build/test.sh test

check:
	@build/test.sh check

race:
	@build/test.sh race

demo:
	go run ./cmd/weigate demo

deps:
	@build/deps.sh

release:
	@build/release.sh "$(VERSION)" dist $(TARGETS)

release-check:
	@build/release_check.sh

fuzz:
	@build/fuzz.sh 60s

platforms:
	GOOS=windows go vet ./...
	GOOS=darwin go vet ./...

pictures:
	@build/pictures.sh

tidy:
	@for mod in go.mod $$(git ls-files '*/go.mod'); do go -C "$$(dirname $$mod)" mod tidy || exit 1; done

clean:
	rm -rf out
