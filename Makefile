# Everything a newcomer needs: `make demo` shows the product, `make test` proves it.

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS  = -s -w -X github.com/portreeve/portreeve/internal/cli.Version=$(VERSION)

.PHONY: build demo test msgraph lint packages bench bench-quick clean

# One static binary.
build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/portreeve ./cmd/portreeve

# The main job on embedded defaults: no root, no configuration, loopback only.
demo: build
	./bin/portreeve demo

# Every test, with the race detector, against the real programs.
test: packages build lint
	CGO_ENABLED=1 $(GO) test -race -timeout 20m ./...
	$(MAKE) msgraph

# Microsoft's own Go SDK against the built program. It is a module of its own:
# its models take 160 s of processor time and 5 GB of memory to build, once.
msgraph: build
	cd test/msgraph && PORTREEVE_BINARY=$(CURDIR)/bin/portreeve $(GO) test -p 1 -count=1 -timeout 20m ./...

lint:
	@test -z "$$(gofmt -l cmd internal test bench 2>/dev/null)" || { echo "gofmt would change:"; gofmt -l cmd internal test bench; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	CGO_ENABLED=0 GOOS=darwin GOARCH=arm64 $(GO) build -o /dev/null ./cmd/portreeve # people's own machines: portreeve token

# Installs what the tests run against, or says what is missing.
packages:
	@test/packages.sh

# The figures of docs/performance.md. bench-quick needs no peers and takes under a minute.
bench-quick: build
	bench/quick.sh

bench: build
	bench/bench.sh
	bench/replay.sh

clean:
	rm -rf bin bench/out bench/proxybench/run
