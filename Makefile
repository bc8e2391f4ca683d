# Building needs Go only: the compiled hooks are committed. Changing bpf/ needs the one
# pinned clang, from Debian's packages clang-19, llvm-19 and libbpf-dev.

PORT    ?=
PREFIX  ?= /usr/local
DESTDIR ?=
SHARE   := $(PREFIX)/share
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)
COMMIT  ?= $(shell git rev-parse HEAD 2>/dev/null)
# All dates in what is built are the commit's: the same source makes the same bytes.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null)

# Loading BPF needs root; nothing else here does.
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
BPF_OBJECTS := internal/probe/bpf_bpfel.go internal/probe/bpf_bpfel.o

.PHONY: build run test test-vm soak install generate check-generate bench bench-holds dist test-dist clean

# Without cgo the program is static, and confines itself a little further.
build:
	CGO_ENABLED=0 go build -trimpath -ldflags "-X main.version=$(VERSION) -X main.commit=$(COMMIT) -X main.date=$(SOURCE_DATE_EPOCH)" \
		-o bin/porttrace ./cmd/porttrace

# make run PORT=60568 traces one port, make run all of them.
run: build
	$(SUDO) ./bin/porttrace $(if $(PORT),--port $(PORT)) $(ARGS)

# Everything that needs no root first, then, as root, what runs on the real kernel.
test:
	go vet ./...
	@test -z "$$(gofmt -l cmd internal)" || { gofmt -l cmd internal; echo "gofmt would change these"; exit 1; }
	go test -timeout 15m ./...
ifneq ($(SUDO),)
	$(SUDO) env "PATH=$$PATH" "GOCACHE=$$(go env GOCACHE)" "GOMODCACHE=$$(go env GOMODCACHE)" \
		go test -timeout 15m ./internal/scenario ./internal/probe ./internal/recording ./internal/sockdiag ./internal/check ./internal/confine ./internal/chaos ./cmd/porttrace
endif

# The same tests on other kernels: Debian's, in QEMU with software emulation, with each
# hook set. Needs no root but qemu-system-x86 and qemu-system-arm. KERNEL=6.12 (or newest,
# or a list with commas), ARCH=arm64, HOOKS=stable, PACKAGE=scenario and RUN=TestName
# narrow it; BOOT=preempt=full is for the kernels, CPUS=2 for the guests.
# COMMAND='porttrace doctor' runs that there instead. Kernels are fetched once.
test-vm:
	@go run ./internal/vm $(foreach o,KERNEL ARCH HOOKS PACKAGE RUN BOOT CPUS COMMAND,$(if $($o),-$(vm_$o) '$($o)')) $(VM)

vm_KERNEL := kernel
vm_ARCH := arch
vm_HOOKS := hooks
vm_PACKAGE := package
vm_RUN := run
vm_BOOT := boot
vm_CPUS := cpus
vm_COMMAND := command

# Random sockets and real clients for an hour (SOAK=10m: less), with the kernel's tables as
# judge; memory, descriptors and goroutines of the tracer are to be constant. SOAK_DIR=folder
# keeps the recording, samples of the tracer as CSV and a chart of them as SVG.
SOAK ?= 1h
SOAK_DIR ?=
soak:
	$(if $(SOAK_DIR),mkdir -p '$(abspath $(SOAK_DIR))')
	$(SUDO) env "PATH=$$PATH" "GOCACHE=$$(go env GOCACHE)" "GOMODCACHE=$$(go env GOMODCACHE)" \
		PORTTRACE_CHAOS_DURATION=$(SOAK) PORTTRACE_CHAOS_PACE=30 $(if $(SOAK_DIR),PORTTRACE_CHAOS_DIR='$(abspath $(SOAK_DIR))') \
		go test -count=1 -timeout 0 -v -run 'TestChaos$$' ./internal/chaos

# What a release consists of, in dist/: static binaries, .deb, .rpm and .tar.gz for amd64
# and arm64, their SBOMs, an OCI image for both, and SHA256SUMS. The same commit and Go
# make the same bytes anywhere.
MAINTAINER ?= The porttrace authors <porttrace@localhost>
dist:
	go -C internal/dist run . -source '$(CURDIR)' -output '$(CURDIR)/dist' -version '$(VERSION)' \
		-commit '$(COMMIT)' -date '$(SOURCE_DATE_EPOCH)' -maintainer '$(MAINTAINER)'

# dist made twice and compared, and what it makes tried with each format's own tools; as
# root and on Debian, the package is installed in a chroot, too.
test-dist:
	go -C internal/dist vet ./...
	go -C internal/dist test -count=1 -timeout 15m ./...

install: build
	install -D -m 0755 bin/porttrace $(DESTDIR)$(PREFIX)/bin/porttrace
	./bin/porttrace man | install -D -m 0644 /dev/stdin $(DESTDIR)$(SHARE)/man/man1/porttrace.1
	./bin/porttrace completion bash | install -D -m 0644 /dev/stdin $(DESTDIR)$(SHARE)/bash-completion/completions/porttrace
	./bin/porttrace completion zsh | install -D -m 0644 /dev/stdin $(DESTDIR)$(SHARE)/zsh/site-functions/_porttrace
	./bin/porttrace completion fish | install -D -m 0644 /dev/stdin $(DESTDIR)$(SHARE)/fish/vendor_completions.d/porttrace.fish

generate:
	cd internal/probe && BPF2GO_CFLAGS="-I/usr/include/$$(gcc -dumpmachine)" go generate .

check-generate: generate
	git diff --exit-code -- $(BPF_OBJECTS)

# A connect/close storm with nothing attached, with porttrace and with its peers (Debian's
# libbpf-tools), interleaved, and the last recording read again: once with clients as Go
# programs are, once as fast as system calls go, where losses show. BENCH='-runs 1
# -seconds 2' makes it short, -hooks fentry,stable measures both hook sets, -known 23 adds
# what each tells of known ports.
bench: build
	go build -o bin/bench ./internal/bench
	$(SUDO) ./bin/bench -porttrace ./bin/porttrace -stats $(BENCH) -dial net
	$(SUDO) ./bin/bench -porttrace ./bin/porttrace $(BENCH) -dial raw

# The same in a guest of another kernel, where the peers that need kprobes run, too: both
# hook sets and the peers, with ratios from one boot, and what each tells of ports whose
# lifetimes are known. KERNEL=6.12 takes another kernel than the newest, and BENCH adds
# to the flags.
BENCH_VM := bench -porttrace /bin/porttrace -hooks fentry,stable -clients 1 -runs 3 -seconds 1 -replay=false -known 23
.PHONY: bench-vm
bench-vm:
	@go run ./internal/vm -kernel '$(or $(KERNEL),newest)' -command '$(BENCH_VM) $(BENCH)' $(VM)

# What porttrace takes in memory, its own and the kernel's, while HOLDS ports are held.
HOLDS ?= 250000
bench-holds: build
	go build -o bin/bench ./internal/bench
	$(SUDO) ./bin/bench -porttrace ./bin/porttrace -runs 0 -holds $(HOLDS) $(BENCH)

clean:
	rm -rf bin dist
