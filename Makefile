# mobileip: `make demo` and `make test` do everything from a fresh clone, as root on Debian 12.

BIN := .venv/bin
CLANG := clang-format clang-14 libclang-rt-14-dev
PEERS := kmod user-mode-linux freeradius
TUNNELS := wireguard-go wireguard-tools openvpn fastd tinc vtun
SECONDS_EACH ?= 20
HISTORIES ?= 10000
SEED ?= 1
C_FILES = $(wildcard src/dataplane/csrc/*.[ch] tests/c/*.[ch] tests/c/*/*.[ch] benchmarks/*/*.c tests/netns/*/*.c)

.DEFAULT_GOAL := help
.PHONY: help build demo test unit check bench bench-handover bench-registration bench-throughput docs sim fuzz clean distclean

help: ## print this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

build: ## set up: missing system packages, .venv, extension
	@tools/setup.sh

demo: build ## a host roams through an internet of namespaces (root); ARGS="--json --pcap DIR --pause"
	$(BIN)/mobileip demo $(ARGS)

test: build ## every test; those in network namespaces need root
	@for package in $(PEERS); do tools/setup.sh $$package || echo "goes on without $$package"; done
	$(BIN)/python -m pytest $(ARGS)

unit: build ## the tests that take seconds and no root
	$(BIN)/python -m pytest -m "not netns and not slow" $(ARGS)

check: ## format, lint, types, import contracts, C warnings and sanitizers
	@tools/setup.sh $(CLANG)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	PATH="$(CURDIR)/$(BIN):$$PATH" cython-lint src/dataplane
	@clang-format --dry-run -Werror $(C_FILES)
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) -C tests/c test purity tsan

bench: build ## nanoseconds per operation
	$(BIN)/python -m pytest benchmarks $(ARGS)

bench-handover: build ## milliseconds per handover, p50 and p99, and a plot (root)
	$(BIN)/python -m benchmarks.handover $(ARGS)

bench-registration: build ## registrations a second of a core, beside FreeRADIUS (root)
	@tools/setup.sh freeradius freeradius-utils
	$(BIN)/python -m benchmarks.registration $(ARGS)

bench-throughput: build ## the tunnel beside others: TCP, UDP, round trips, CPU (root); ARGS="--only plain,ours"
	@tools/setup.sh ethtool iperf3
	@for package in $(TUNNELS); do tools/setup.sh $$package || echo "goes on without $$package"; done
	$(BIN)/python -m benchmarks.throughput $(ARGS)

docs: build ## write the generated pages of docs/: configuration, reasons, show, compliance
	$(BIN)/python tools/docs.py
	$(BIN)/python tools/rfc_matrix.py

sim: build ## random histories of the simulator, on every core; HISTORIES=10000 SEED=1
	$(BIN)/python -m tests.sim $(SEED) --histories $(HISTORIES)

fuzz: build ## hostile bytes into every parser, machine and (root) daemon, for a bounded time; SECONDS_EACH=20
	@tools/setup.sh $(CLANG) freeradius
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(BIN)/python -m pip install -q 'atheris>=2.3' || true
	$(MAKE) -C tests/c fuzz FUZZ_SECONDS=$(SECONDS_EACH)
	@for target in $$($(BIN)/python -m tests.fuzz --list); do \
		$(BIN)/python -m tests.fuzz $$target --seconds $(SECONDS_EACH) || exit; done
	@for daemon in home foreign1 node; do \
		$(BIN)/python -m tests.fuzz.daemons $$daemon --seconds $(SECONDS_EACH) || exit; \
		$(BIN)/python -m tests.fuzz.daemons $$daemon --seconds $(SECONDS_EACH) --challenges || exit; done

clean: ## remove what was built
	rm -rf build dist tools/pkg/*.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	rm -f src/dataplane/_core.*.so
	$(MAKE) -C tests/c clean

distclean: clean ## remove the virtual environment too
	rm -rf .venv
