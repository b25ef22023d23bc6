# make check   the quick round before a commit: formatting, vet, staticcheck, walls, quick tests
# make test    everything; brings the browser and fonts it needs (on Debian as root)
# make demo    the first look
# make fuzz    a minute of every fuzz target

.PHONY: test check demo deps fuzz clean

test:
	@build/test.sh test

check:
	@build/test.sh check

demo:
	go run ./cmd/weigate demo

deps:
	@build/deps.sh

fuzz:
	@build/fuzz.sh 60s

clean:
	rm -rf out
