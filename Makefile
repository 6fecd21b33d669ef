# The front door. The work is done by CMake and by the scripts in scripts/; `make help` lists
# what there is.

BUILD     ?= build
JOBS      ?= $(shell nproc)
PREFIX    ?= /usr/local
LLVM      ?= 22
CMAKE_FLAGS ?=

# Say LUCET_NO_DEPS=1 to keep every target from installing packages.
export LUCET_NO_DEPS
export BUILD JOBS LLVM

configure = cmake -G Ninja -S . -DCMAKE_INSTALL_PREFIX=$(PREFIX) -DLUCET_LLVM=$(LLVM) $(CMAKE_FLAGS)

.PHONY: all build configure run test spec test-real bench bench-runtime bench-slices lint format sanitize tsan fuzz fuzz-diff install deps \
        clean help

all: build

deps: ## install what building needs (Debian packages)
	@scripts/install-deps.sh build $(if $(filter 19,$(LLVM)),llvm19)

# CMake keeps its cache: it is asked again only when the options differ from the last time.
configure: deps
	@mkdir -p $(BUILD)
	@echo '$(configure)' | cmp -s - $(BUILD)/configured && test -e $(BUILD)/build.ninja || \
	{ $(configure) -B $(BUILD) && echo '$(configure)' > $(BUILD)/configured; }

build: configure ## build libraries and programs (the default)
	@cmake --build $(BUILD) -j $(JOBS)

run: configure ## a short tour: compile a C program to WebAssembly, to native code, and run it
	@cmake --build $(BUILD) -j $(JOBS) --target lucetc lucet-wasi lucet-objdump
	@scripts/install-deps.sh guest
	@scripts/run-example.sh

test: ## all tests that need no big downloads: unit, run, and a cut of the official suite
	@scripts/install-deps.sh build guest test
	@$(MAKE) --no-print-directory build
	@scripts/test.sh

spec: build ## the official WebAssembly test suite, whole
	@scripts/install-deps.sh test
	@scripts/test.sh --spec

test-real: build ## real programs (CPython, Yosys, …) as guests; downloads about 100 MB
	@scripts/install-deps.sh test real
	@scripts/test.sh --real

bench: build ## benchmarks: start, code and compile time of guests, then the runtime's (150 MB, half an hour)
	@scripts/install-deps.sh guest test real
	@BUILD=$(BUILD) bench/run.sh $(BENCH_FLAGS)

bench-slices: build ## what preemptive time slices cost a guest that computes
	@scripts/install-deps.sh guest
	@BUILD=$(BUILD) bench/slices/run.sh

bench-runtime: build ## instances, calls, stops: Lucet and wasmtime's C library side by side (10 MB)
	@scripts/install-deps.sh test
	@BUILD=$(BUILD) bench/runtime/run.sh $(BENCH_FLAGS)

lint: ## formatting, width of documents, warnings of gcc and clang, static analysis, shell scripts
	@scripts/install-deps.sh build test lint
	@scripts/lint.sh

format: ## rewrite the C sources in the project's format
	@scripts/lint.sh --format

sanitize: ## build with AddressSanitizer and UBSan in build-sanitize/ and run the tests
	@scripts/install-deps.sh build guest test
	@scripts/test.sh --sanitize

tsan: ## build with ThreadSanitizer in build-tsan/ and run the runtime's tests (LUCET_TSAN=quick: a part)
	@scripts/install-deps.sh build test lint
	@scripts/test.sh --tsan

fuzz-diff: build ## compare with other engines on generated modules; FUZZ="--time 600 --seed 1"
	@scripts/install-deps.sh guest test fuzz
	@fuzz/diff/run.sh $(FUZZ)

fuzz: ## build the libFuzzer targets in build-fuzz/
	@scripts/install-deps.sh build lint
	cmake -G Ninja -S . -B build-fuzz -DCMAKE_C_COMPILER=clang-22 -DLUCET_FUZZ=ON \
	    -DLUCET_SANITIZE=ON -DLUCET_TESTS=OFF -DLUCET_LLVM=$(LLVM) $(CMAKE_FLAGS)
	cmake --build build-fuzz -j $(JOBS)

install: configure ## install to PREFIX (default /usr/local); DESTDIR is honoured
	@cmake --build $(BUILD) -j $(JOBS) --target installed
	@cmake --install $(BUILD)
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" = 0 ]; then ldconfig; fi

clean: ## remove everything that was built or downloaded
	rm -rf build build-*

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo '  Variables: BUILD JOBS PREFIX DESTDIR LLVM=22|19 CMAKE_FLAGS LUCET_NO_DEPS=1'
