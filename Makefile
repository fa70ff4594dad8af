# SPDX-License-Identifier: Apache-2.0
# The go command fetches everything that is needed besides Go and make.
# `make` lists the targets.

GO ?= go
TOOL := $(GO) tool -modfile=tools/go.mod
COLLECTOR := build/otelcol-defender/otelcol-defender
GENERATED := build/otelcol-defender/main.go
KUBERNETES := build/otelcol-defender-kubernetes/otelcol-defender
KUBERNETES_GENERATED := build/otelcol-defender-kubernetes/main.go
SIMULATOR := build/defendersim
LOKI := build/loki
VICTORIALOGS := build/victoria-logs
APISERVER := build/kubernetes/kube-apiserver
ETCD := $(dir $(APISERVER))etcd
E2E := cd e2e && $(GO) test -count=1 -v
SOURCES := $(shell find . -name '*.go' -not -path './build/*' -not -path './e2e/*' -not -path './tools/*' -not -name '*_test.go') go.mod go.sum

# Tests make much garbage, and the machine has memory: collecting it less often
# saves a fifth of their time.
test race simulate populations: export GOGC ?= 400

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{ printf "  make %-17s %s\n", $$1, $$2 }'

.PHONY: run
run: ## Print records from the simulator, or from your tenant if DEFENDER_TENANT_ID and so on are set; API=graph uses Microsoft Graph
	@GO="$(GO)" API="$(API)" tools/run.sh

.PHONY: demo
demo: build $(VICTORIALOGS) ## Show incidents in a browser with simulator, collector and VictoriaLogs; API=graph uses Microsoft Graph
	@API="$(API)" tools/demo/run.sh

.PHONY: build
build: $(COLLECTOR) $(SIMULATOR) ## Build the collector otelcol-defender and the simulator into build/

.PHONY: build-kubernetes
build-kubernetes: $(KUBERNETES) ## Build the collector for Kubernetes, with the extension k8s_leader_elector, into build/otelcol-defender-kubernetes/

# GOOS and GOARCH choose what the collector is compiled for, not ocb. The same
# sources give the same bytes in any directory.
$(GENERATED) $(KUBERNETES_GENERATED): build/%/main.go: go.mod go.sum tools/go.mod
	@mkdir -p build
	@GOOS= GOARCH= $(TOOL) builder --skip-compilation --skip-strict-versioning --config $(filter builder-config%,$^) > build/$*.log 2>&1 || { cat build/$*.log; rm -f $@; exit 1; }

$(GENERATED): builder-config.yaml
$(KUBERNETES_GENERATED): builder-config-kubernetes.yaml

compile = @CGO_ENABLED=0 $(GO) build -C $(dir $<) -buildvcs=false -trimpath -ldflags='-s -w' -o $(abspath $@) >> $(<D).log 2>&1 || { cat $(<D).log; exit 1; }

$(COLLECTOR): $(GENERATED) $(SOURCES)
	$(compile)

$(KUBERNETES): $(KUBERNETES_GENERATED) $(SOURCES)
	$(compile)

$(SIMULATOR): $(SOURCES)
	$(GO) build -o $@ ./cmd/defendersim

.PHONY: test
test: ## Run the unit tests
	$(GO) test -timeout 30m ./...

.PHONY: race
race: ## Run the unit tests but for the longest (with LONG=1 all) under the race detector, which needs a C compiler
	CGO_ENABLED=1 $(GO) test -race $(if $(LONG),,-short) -timeout 40m ./...

.PHONY: bench
bench: ## Run the benchmarks
	$(GO) test -run '^$$' -bench . -benchmem ./...

.PHONY: measure
measure: build $(KUBERNETES) ## Measure memory, processor time and start-up of the built collector for docs/performance.md (Linux)
	$(E2E) -timeout 60m -run '^TestMeasure' ./collector -e2e.collector=$(abspath $(COLLECTOR)) -e2e.measure
	$(E2E) -timeout 60m -run '^TestMeasureDistribution' ./collector -e2e.collector=$(abspath $(KUBERNETES)) -e2e.measure -e2e.electing

.PHONY: simulate
simulate: ## Run the measurements in simulated time (change delay, cold start, faults), which take minutes
	$(GO) test -count=1 -v -timeout 30m -run "HalfOfTheAPI|EveryFaultIsOver|TenFailingIncidents|ChangeDelayOfADay|ADayOfSweeps|ADayUnderGraph|ColdStart|CostOverGrowth" ./internal/poll -simulate

.PHONY: populations
populations: ## Run SEEDS (100) random populations with random faults, and compare each record with what was served
	@GO="$(GO)" tools/populations.sh $(or $(SEEDS),100)

.PHONY: fuzz
fuzz: ## Run each fuzz target FUZZTIME times (50000x) or as long as it says (30s)
	@GO="$(GO)" tools/fuzz.sh $(or $(FUZZTIME),50000x)

.PHONY: e2e
e2e: build $(VICTORIALOGS) ## Run the built collector and the examples for backends against the simulator, and check every record
	cd e2e && $(GO) test -count=1 ./dashboards ./harness
	$(E2E) -timeout 15m ./collector -e2e.collector=$(abspath $(COLLECTOR))
	$(E2E) -timeout 15m ./backends -e2e.collector=$(abspath $(COLLECTOR)) -e2e.victorialogs=$(abspath $(VICTORIALOGS))

$(LOKI): tools/loki/go.mod tools/loki/go.sum
	@GO="$(GO)" tools/loki/build.sh $@

$(VICTORIALOGS): tools/victorialogs/go.mod tools/victorialogs/go.sum
	cd tools/victorialogs && CGO_ENABLED=0 $(GO) build -trimpath -ldflags='-s -w' -o $(abspath $@) github.com/VictoriaMetrics/VictoriaLogs/app/victoria-logs

.PHONY: e2e-backends
e2e-backends: build $(LOKI) $(VICTORIALOGS) ## Run the examples for backends with a real Loki and VictoriaLogs and with stubs of Splunk and Elastic
	$(E2E) -timeout 15m ./backends -e2e.collector=$(abspath $(COLLECTOR)) -e2e.loki=$(abspath $(LOKI)) -e2e.victorialogs=$(abspath $(VICTORIALOGS))

.PHONY: e2e-dashboards
e2e-dashboards: build ## Check the dashboard and the alerts with a real Prometheus (Linux, 4 minutes)
	$(E2E) -timeout 10m ./dashboards -e2e.collector=$(abspath $(COLLECTOR))

.PHONY: e2e-image
e2e-image: $(COLLECTOR) $(KUBERNETES) ## Build the container images with buildah and run them against the simulator (Linux, root)
	@GO="$(GO)" tools/image-test.sh $(COLLECTOR) $(KUBERNETES)

# Builds etcd, too, and that first.
$(APISERVER): $(wildcard tools/kubernetes/*/go.mod tools/kubernetes/*/go.sum)
	@GO="$(GO)" tools/kubernetes/build.sh $(@D)

.PHONY: e2e-kubernetes
e2e-kubernetes: $(APISERVER) $(KUBERNETES) ## Apply the manifests to a real kube-apiserver, and fail over between two collectors (seven minutes, the first time twenty)
	$(E2E) -timeout 20m ./cluster -e2e.apiserver=$(abspath $(APISERVER)) -e2e.etcd=$(abspath $(ETCD)) \
		-e2e.collector=$(abspath $(KUBERNETES)) -e2e.report=$(abspath build/failover.md)

.PHONY: e2e-demo
e2e-demo: build $(VICTORIALOGS) ## Run the demo and check its page with Debian's chromium (Linux)
	$(E2E) -timeout 15m ./demo -e2e.demo=$(abspath tools/demo/run.sh) $(if $(SCREENSHOT),-e2e.screenshot=$(abspath $(SCREENSHOT)))

.PHONY: soak
soak: build ## Run the built collector for SOAK (20m) under random faults, and write build/soak.md (Linux)
	$(E2E) -timeout 0 -run '^TestSoak$$' ./collector -e2e.collector=$(abspath $(COLLECTOR)) \
		-e2e.soak=$(or $(SOAK),20m) -e2e.report=$(abspath build/soak.md)

.PHONY: generate
generate: ## Regenerate code and documentation.md from metadata.yaml
	@GO="$(GO)" tools/generate.sh

.PHONY: format
format: ## Format the code
	$(TOOL) gofumpt -w $$(git ls-files -co --exclude-standard '*.go' | grep -v /generated_)

.PHONY: lint
lint: ## Run the linters
	$(TOOL) golangci-lint run ./...
	cd e2e && $(GO) tool -modfile=../tools/go.mod golangci-lint run ./...

.PHONY: validate
validate: $(COLLECTOR) $(KUBERNETES) ## Validate every file in examples/ and deploy/ with the built collectors
	@GO="$(GO)" tools/validate.sh $(COLLECTOR) $(KUBERNETES)

.PHONY: image
image: ## Build the container image with docker, podman or buildah
	@GO="$(GO)" tools/image.sh

.PHONY: image-kubernetes
image-kubernetes: ## Build the container image of what make build-kubernetes builds
	@GO="$(GO)" DISTRIBUTION=otelcol-defender-kubernetes tools/image.sh

.PHONY: release
release: $(GENERATED) $(KUBERNETES_GENERATED) ## Build archives, SBOMs and checksums for all systems into build/release
	@GO="$(GO)" tools/release.sh

.PHONY: third-party
third-party: $(GENERATED) $(KUBERNETES_GENERATED) ## Write THIRD_PARTY_LICENSES.txt, and check that each license fits an Apache-2.0 distribution
	$(GO) build -C tools/release -o $(abspath build/tools)/release .
	build/tools/release licenses -sources $(dir $(GENERATED)) -sources $(dir $(KUBERNETES_GENERATED)) -o THIRD_PARTY_LICENSES.txt

.PHONY: clean
clean: ## Remove build/
	rm -rf build
