# `make` alone says what there is.

GO          ?= go
FUZZTIME    ?= 30s
STATICCHECK ?= honnef.co/go/tools/cmd/staticcheck@v0.8.2
ERRCHECK    ?= github.com/kisielk/errcheck@v1.30.0
REVIVE      ?= github.com/mgechev/revive@v1.17.0
UNPARAM     ?= mvdan.cc/unparam@v0.0.0-20260823230713-2fa3d841b0c8
MISSPELL    ?= github.com/golangci/misspell/cmd/misspell@v0.8.0
GOVULNCHECK ?= golang.org/x/vuln/cmd/govulncheck@v1.9.0
GOLICENSES  ?= github.com/google/go-licenses@v1.6.0
NFPM        ?= github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.43.4
HELM        ?= helm.sh/helm/v3/cmd/helm@v3.18.6
CYCLONEDX   ?= $(GO) run github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.9.0
VALIDATE    ?= sigs.k8s.io/kubectl-validate@v0.0.4

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

# Where the deb and the rpm are put, what they are made from, and their version: a tag's number, or one below all tags.
DIST            ?= dist
NFPM_CONFIG     ?= deploy/packages/nfpm.yaml
PACKAGE_VERSION ?= $(subst -,.,$(if $(filter v%,$(VERSION)),$(VERSION:v%=%),0.0.0+$(VERSION)))

# Packages under the race detector: all but those that hold no code of the gateway's own.
RACE_PACKAGES = $(shell $(GO) list ./... | grep -vE '/(test|conformance)(/|$$)')

# The packages whose tests run against a real Pulsar, which the build tag pulsar marks. They run one at a time, each with a
# broker of its own, so that two cores are enough; the slow ones come last. The attacks have a target of their own, which
# prints what they did. A package has more time than its tests wait for anything, so that it is they who say what does
# not come.
REAL_PACKAGES = $(filter-out ./test/attack,$(shell grep -rlE '^//go:build pulsar' --include='*_test.go' . | xargs -n 1 dirname | sort -u))
REAL_LAST     = ./test/clients ./test/restart
REAL_FLAGS    = -tags pulsar -p 1 -count 1 -timeout 25m

# Another release of Pulsar for every target that runs a real one, such as PULSAR_VERSION=2.10.5.
PULSAR_VERSION := $(PULSEGATE_TEST_PULSAR_VERSION)
NEWEST_PULSAR  ?= 4.2.4
export PULSEGATE_TEST_PULSAR_VERSION := $(PULSAR_VERSION)

.PHONY: help build run test test-fast unit race real attack conformance conformance-on newest protocol protocol-test clients restart \
	packages charts image dist release release-test bench record lint fmt vet staticcheck errcheck unparam revive misspell shellcheck vulncheck licences fuzz deps clean

help: ## say what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 20

build: ## build bin/pulsegate and the load generator bin/pulsegate-bench, static binaries
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/ ./cmd/pulsegate ./cmd/pulsegate-bench

image: ## build the container image pulsegate:VERSION with docker, or with IMAGE_BUILDER=buildah
	$(or $(IMAGE_BUILDER),docker) build --build-arg VERSION=$(VERSION) -t pulsegate:$(VERSION) .

dist: build ## build the deb and the rpm, into dist/
	mkdir -p $(DIST)
	for kind in deb rpm; do \
		GOARCH=$$($(GO) env GOARCH) PACKAGE_VERSION=$(PACKAGE_VERSION) $(GO) run $(NFPM) package -f $(NFPM_CONFIG) -p $$kind -t $(DIST) || exit 1; \
	done

release: ## build what is published with a release, into dist/VERSION: archives for linux amd64 and arm64, SBOM, checksums, notes
	GO="$(GO)" CYCLONEDX="$(CYCLONEDX)" deploy/release.sh $(VERSION) $(DIST)/$(VERSION)

release-test: ## build a release twice and compare
	GO="$(GO)" CYCLONEDX="$(CYCLONEDX)" $(GO) test -tags release -timeout 40m -count 1 ./test/release

# FLAGS are more flags of the server, such as FLAGS="--set webServicePort=8081".
run: build ## serve on port 8080 without a Pulsar; what is sent lives until Ctrl-C (FLAGS="--set webServicePort=8081": elsewhere)
	./bin/pulsegate serve --embedded $(FLAGS)

# The cheap comes first, so that what is wrong shows early.
test: ## everything; needs Java and more, see deps
	@$(MAKE) --no-print-directory lint
	@$(MAKE) --no-print-directory unit
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory shellcheck
	@$(MAKE) --no-print-directory race
	@$(MAKE) --no-print-directory vulncheck
	@$(MAKE) --no-print-directory licences
	@$(MAKE) --no-print-directory protocol-test
	@$(MAKE) --no-print-directory release-test
	@$(MAKE) --no-print-directory real
	@$(MAKE) --no-print-directory attack
	@$(MAKE) --no-print-directory newest
	@if [ "$$(id -u)" = 0 ]; then $(MAKE) --no-print-directory packages; else echo "not run, as it needs root: make packages"; fi
	@echo "all tests passed"

test-fast: fmt vet unit ## what needs only Go

unit:
	$(GO) test ./...

race: ## unit tests under the race detector (needs a C compiler)
	CGO_ENABLED=1 $(GO) test -race $(RACE_PACKAGES)

real: ## the tests against a real Pulsar: the conformance matrix, restarts, the examples
	$(GO) test $(REAL_FLAGS) $(filter-out $(REAL_LAST),$(REAL_PACKAGES)) $(REAL_LAST)

# ATTACK picks some, as go test -run does, such as ATTACK=deflate or ATTACK=broker.
attack: ## attack a gateway while others use it, and bound what they notice and what it costs (three minutes; ATTACK=word: some)
	$(GO) test $(REAL_FLAGS) -timeout 40m -v -run 'TestAttacks/.*$(ATTACK)' ./test/attack

clients: ## the examples in each language against a real Pulsar, and with connections that are cut
	$(GO) test $(REAL_FLAGS) -v ./test/clients

restart: ## the broker and the gateway restarted under load
	$(GO) test $(REAL_FLAGS) -v ./test/restart

packages: ## build, install, start and remove the image, the deb and the rpm; check the unit and the examples (needs root on Debian)
	$(GO) test -tags packages -timeout 25m -count 1 ./test/packages

# Not a part of test: from nothing, its tools take two processors four minutes to build.
charts: ## check the Helm chart with helm and kubectl-validate
	HELM=$(HELM) VALIDATE=$(VALIDATE) $(GO) test -tags charts -timeout 30m -count 1 ./test/packages

# BENCH takes flags, such as BENCH="-quick" or BENCH="-only 'readers at 20/s'"; -help lists them.
bench: build ## measure pulsegate beside the Java proxy and write BENCHMARKS.md (takes about 45 minutes; BENCH=-quick: 15 minutes)
	$(GO) build -tags pulsar -o bin/benchmarks ./bench/cmd/benchmarks
	./bin/benchmarks $(BENCH)

RECORD ?= 1000000
record: build ## open RECORD (1000000) idle readers, send them one message, and write that into BENCHMARKS.md (ten minutes, 16 GiB of memory)
	$(GO) build -tags pulsar -o bin/benchmarks ./bench/cmd/benchmarks
	./bin/benchmarks -record $(RECORD)

protocol: ## make the schemas and types in protocol from asyncapi.yaml anew
	npm --prefix protocol/tools ci --ignore-scripts --no-audit --no-fund
	node protocol/tools/generate.mjs protocol

protocol-test: ## check the protocol's description, its schemas and types against what the conformance suite sends and gets
	$(GO) test -tags node -count 1 ./protocol

conformance: ## run the conformance suite on all targets and write CONFORMANCE.md
	$(GO) run -tags pulsar ./conformance/cmd/conformance > CONFORMANCE.md.new && mv CONFORMANCE.md.new CONFORMANCE.md

conformance-on: ## the conformance suite, the ledger over restarts and the examples on PULSAR_VERSION, such as PULSAR_VERSION=2.10.5
	@[ -n "$(PULSAR_VERSION)" ] || { echo "name a release of Pulsar: make conformance-on PULSAR_VERSION=2.10.5"; exit 1; }
	$(GO) test $(REAL_FLAGS) ./conformance ./test/restart ./test/clients

# Names are what the newest brokers treat otherwise: cases of paths, statistics and ids, and the programs with v1 paths.
newest: ## a short run on the newest Pulsar that Maven has whole, which differs in what it calls topics
	PULSEGATE_TEST_PULSAR_VERSION=$(NEWEST_PULSAR) PULSEGATE_TEST_CASES='^(path|stats|exchange)/' \
		$(GO) test $(REAL_FLAGS) -run 'TestCluster|TestPython|TestNode' ./conformance ./test/clients

lint: fmt vet staticcheck errcheck unparam revive misspell ## gofmt, go vet, staticcheck, errcheck, unparam, revive and misspell

fmt:
	@files=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go')); \
	if [ -n "$$files" ]; then echo "not formatted (gofmt -w):"; echo "$$files"; exit 1; fi

vet:
	$(GO) vet ./...
	$(GO) vet -tags pulsar,packages,charts,node,release ./...

staticcheck:
	$(GO) run $(STATICCHECK) -tags pulsar,packages,charts,node,release ./...

errcheck:
	$(GO) run $(ERRCHECK) -ignoretests -exclude test/tools/errcheck.txt -tags "pulsar packages charts node release" ./...

# Tests are left out: their helpers may say what all tests have in common. It has no flag for build tags, but reads the
# environment as go list does.
unparam:
	GOFLAGS="$$($(GO) env GOFLAGS) -tags=pulsar,packages,charts,node,release" $(GO) run $(UNPARAM) ./...

revive:
	$(GO) run $(REVIVE) -config test/tools/revive.toml -formatter friendly -set_exit_status ./...

misspell:
	@git ls-files -z --cached --others --exclude-standard '*.go' '*.md' '*.conf' '*.yaml' '*.sh' Makefile | xargs -0 $(GO) run $(MISSPELL) -error

shellcheck: ## look for mistakes in the scripts
	shellcheck deploy/pulsar/bin/* deploy/release.sh

vulncheck: ## look for known vulnerabilities in what the binary uses
	./test/tools/vulncheck $(GO) run $(GOVULNCHECK) ./...

# What is ignored is permissive, but the tool does not know it: asm is MIT-0; freetype is under the FreeType License, of the
# two to choose from; svgo is CC BY 4.0. The latter two come with gonum/plot, into the load generator only.
licences: ## refuse dependencies of the binaries whose licence is not permissive
	CGO_ENABLED=0 ./test/tools/licences $(GO) run $(GOLICENSES) check ./cmd/pulsegate ./cmd/pulsegate-bench --ignore github.com/segmentio/asm \
		--ignore github.com/golang/freetype --ignore github.com/ajstarks/svgo \
		--disallowed_types=forbidden,restricted,unknown

# go test runs one fuzz target of one package at a time.
fuzz: ## run each fuzz target for FUZZTIME (30s)
	@set -e; grep -rHoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sort | \
	while IFS=: read -r file func; do \
		echo "== $$(dirname $$file) $${func#func }"; \
		$(GO) test -run '^$$' -fuzz "^$${func#func }\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x "$$(dirname $$file)"; \
	done

deps: ## install what the tests need beside Go, or name it, and bring what they need from registries
	@./test/tools/deps
	@$(GO) run ./test/installed/cmd/install

clean: ## remove what was built and what the tests cached
	rm -rf bin dist protocol/tools/node_modules examples/node/node_modules examples/python/.venv
	cache="$$(dirname "$$($(GO) run ./test/pulsar/cmd/devpulsar -cache)")" && rm -rf "$$cache"/pulsar-* "$$cache"/python-* "$$cache"/node-*
