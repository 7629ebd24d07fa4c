# Every target has one line of help: make help.

SHELL      := /bin/sh
PREFIX     ?= /usr/local
FUZZTIME   ?= 10m
FUZZDOOR   ?= 30m
# What parses the words of a peer that has not proved a key, and whole conversations with one that has.
DOOR       := ^Fuzz(Stranger|Unproved|ServersAnswer|ParsePreamble|ParseHeader|ParseMessage|ParseJoin|Receiver|Sender|Giver|Fetcher)$$
# A number of inputs, not a time: at the end of a time go test sometimes reports its own deadline as a failure.
FUZZSMOKE  ?= 1000x

LINT       := .tools/golangci-lint-v2.15.0

# Builds work in a checkout whose owner is another user, and in one without git.
export GOFLAGS := $(filter-out -buildvcs%,$(GOFLAGS)) -buildvcs=false

.DEFAULT_GOAL := help
.PHONY: help build build-arm64 install uninstall dist check check-slow vet lint fmt fmt-check test test-arm64 test-kubernetes test-package test-rdma test-rdma-two test-rdma-power fuzz-smoke fuzz slow demo bench bench-full bench-rdma clean go

help: ## show this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-16s %s\n", $$1, $$2 }' Makefile

# What compiling with verbs takes, for this host and for arm64.
NATIVE     := gcc:gcc libc6-dev:/usr/include/stdlib.h libibverbs-dev:/usr/include/infiniband/verbs.h
ARM64      := gcc-aarch64-linux-gnu:aarch64-linux-gnu-gcc libc6-dev-arm64-cross:/usr/aarch64-linux-gnu/include/stdlib.h \
              libibverbs-dev:/usr/include/infiniband/verbs.h

# With the headers of libibverbs the program has verbs; the library itself is opened when it runs, if it is there.
build: go ## build bin/scp_rdma, with RDMA where the headers are (libibverbs-dev); GOARCH=arm64 and GOOS=darwin build for others
	@deploy/build

build-arm64: go ## build bin/scp_rdma-linux-arm64, with RDMA, by Debian's cross compiler
	@test/need $(ARM64)
	@GOARCH=arm64 deploy/build

# Built only where it is not there yet: root often has no compiler in its PATH.
install: | bin/scp_rdma ## the program, manual page, completion, units and documents into $(DESTDIR)$(PREFIX), which is /usr/local
	DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' deploy/install

bin/scp_rdma:
	$(MAKE) build

uninstall: ## remove exactly what install installs, with the same DESTDIR and PREFIX
	DESTDIR='$(DESTDIR)' PREFIX='$(PREFIX)' deploy/install --remove

dist: build ## a tar ball and a Debian package of what is built, into dist; GOARCH=arm64 of that
	@test/need dpkg:dpkg-deb $(if $(filter arm64,$(GOARCH)),$(ARM64),$(NATIVE))
	deploy/dist

check: fmt-check vet lint test test-arm64 test-kubernetes test-package fuzz-smoke test-rdma ## all that a change must pass: format, vet, lint, tests with the race detector, on soft RDMA, a little fuzzing
	@echo "make check: passed"

check-slow: export TOOLCHAIN_TREE = src
check-slow: export RDMA_SESSIONS = 1000
check-slow: export RDMA_ALL = 1
check-slow: fuzz slow test-rdma test-rdma-power ## hours: long fuzzing, a million files, many GiB, 200 kills, power cuts, speed against cp, a whole toolchain's source and 1,000 sessions over RDMA
	@echo "make check-slow: passed"

fmt: go ## format the Go source
	gofmt -w -s .

fmt-check: go
	@bad=$$(gofmt -l -s .); test -z "$$bad" || { echo "not formatted (make fmt):"; echo "$$bad"; exit 1; }

vet: go ## go vet, with the slow tests, with those on soft RDMA, without cgo, for arm64 and darwin
	@test/need $(NATIVE)
	go vet ./...
	go vet -tags slow ./test/...
	go vet -tags rdma ./transport/verbs/... ./test/rdma/...
	go vet -tags rdma_siw ./transport/verbs/... ./test/rdma/...
	go vet -tags rdma_matrix ./transport/verbs/... ./test/rdma/...
	go vet -tags rdma_two ./test/rdma/...
	go vet -tags rdma_power ./test/rdma/...
	go vet -tags rdma,slow ./bench
	CGO_ENABLED=0 go vet ./transport/verbs/...
	GOARCH=arm64 CGO_ENABLED=0 go vet ./...
	@test/need $(ARM64)
	GOARCH=arm64 deploy/cc go vet ./transport/verbs/...
	test/darwin

lint: $(LINT) ## golangci-lint, installed into .tools at first
	$(LINT) run

# About a minute on two cores, once.
$(LINT): | go
	mkdir -p .tools
	GOBIN=$(CURDIR)/.tools go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
	mv .tools/golangci-lint $(LINT)

# The race detector needs a C compiler, the end-to-end tests network namespaces and a real sshd.
test: go ## all tests with the race detector, as root: the end-to-end tests make namespaces and mounts
	@test/need $(NATIVE) iproute2:ip util-linux:nsenter rsync:rsync openssh-server:/usr/sbin/sshd openssh-client:ssh procps:pgrep netcat-openbsd:nc bash-completion:/usr/share/bash-completion/bash_completion zsh:zsh fish:fish man-db:man systemd:systemd-socket-activate acl:setfacl xxhash:xxh128sum chromium:chromium prometheus:prometheus
	CGO_ENABLED=1 go test -race -shuffle=on -timeout 20m ./...

# Two minutes of CPU time; an emulator of single processes, no guest.
test-arm64: go ## the program for arm64 with RDMA, and tests of its parts, under user-mode emulation
	@test/need $(ARM64) binutils-aarch64-linux-gnu:aarch64-linux-gnu-readelf qemu-user:qemu-aarch64 diffutils:diff
	test/arm64

test-kubernetes: go ## the Kubernetes example against the types of its API, which are a module of their own
	cd test/kubernetes && go vet ./... && go test ./...

# As root, in a mount namespace whose /etc, /usr and /var are layers over this machine's.
test-package: dist ## the Debian package: installed, used, removed and purged, and nothing is left
	@test/need util-linux:unshare man-db:man bash-completion:/usr/share/bash-completion/bash_completion
	test/package

# Minutes on an emulated CPU; as root it installs what it needs, and Debian's kernel is fetched into .cache/rdma.
test-rdma: go ## the tests on real verbs, in a QEMU guest with soft-RoCE and soft-iWARP devices
	@test/need $(NATIVE)
	test/rdma/check

test-rdma-two: go ## whole transfers between two QEMU guests with two wires
	@test/need $(NATIVE)
	@test/rdma/two

test-rdma-power: go ## power cuts: a QEMU guest that receives is killed, and goes on with the disk it had
	@test/need $(NATIVE)
	@test/rdma/power

fuzz-smoke: go ## each fuzz target for FUZZSMOKE (1000 inputs)
	test/fuzz $(FUZZSMOKE)

fuzz: go ## each fuzz target for FUZZTIME (10m), those that matter most for FUZZDOOR (30m)
	test/fuzz $(FUZZDOOR) '$(DOOR)'
	test/fuzz $(FUZZTIME)

slow: go ## the big end-to-end tests and the speed measurements, without the race detector
	@test/need iproute2:ip util-linux:nsenter coreutils:cp openssh-server:/usr/sbin/sshd openssh-client:ssh procps:pgrep netcat-openbsd:nc
	go test -tags slow -v -count=1 -timeout 120m ./test/...

demo: ## send the Go toolchain's directory over loopback and verify it
	@test/demo

# Rivals that are not installed are named and left out.
bench: go ## some minutes: the benchmarks of all packages, briefly, then whole transfers beside cp, rsync, scp and others
	go test -run '^$$' -bench . -benchmem -benchtime 3x ./...
	go run ./bench/sidebyside --scale 0.05 --rounds 2 --out ''

bench-full: go ## an hour: whole transfers beside others, 7 rounds, full size, into bench/results
	go run ./bench/sidebyside

bench-rdma: go ## verbs beside ib_write_bw and tar | nc, in a QEMU guest
	@test/need $(NATIVE)
	@test/rdma/bench
	@test/rdma/bench --type siw

clean: ## remove what was built
	rm -rf bin dist .tools .cache

go:
	@test/need-go 1.26
