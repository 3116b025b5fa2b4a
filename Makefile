# Every target does its own set-up: a fresh Debian machine (12 or newer) with Rust needs nothing else.
.DEFAULT_GOAL := help
.PHONY: help setup demo test lint bench bench-verify bench-rebuild fuzz peers corpus release-image check nightly cluster static

help: ## Say what there is
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 15

setup: ## Install or unpack builders, registry and signer, from the package registries only
	@scripts/setup

demo: ## Build an honest image and four tampered twins, and verify all five
	@scripts/demo

check: ## What is worth running after each edit: format, lints, unit tests
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings
	cargo test --lib

test: ## Run all tests, against real builders and a real registry
	@scripts/test

lint: ## Check format, lints and shell scripts
	@scripts/lint

bench: ## Run the benchmarks
	cargo bench

bench-verify: ## Time whole verifications beside cosign, against labs: make bench-verify LAB=DIR [SIGSTORE=DIR]
	@scripts/bench-verify $(LAB) $(SIGSTORE)

bench-rebuild: ## Time rebuilds beside buildctl and buildx replay, against a lab: make bench-rebuild LAB=DIR
	@scripts/bench-rebuild $(LAB)

fuzz: ## Fuzz every parser for a minute
	@scripts/fuzz 60

peers: ## Build the other tools that tests compare with (needs Go, takes minutes)
	@scripts/peers

corpus: ## Make the images of the rebuild corpus, and print their folder
	@scripts/corpus make

cluster: ## Bring a Kubernetes of one node up with hallmark in front of it, and ask it what has to hold
	@scripts/nightly cluster

nightly: ## All that takes too long for each run: cluster, fuzzing, many seeds, both release images, the static file
	@scripts/nightly

static: ## Build one file that runs on any Linux, linked with musl, and print its path
	@scripts/static

release-image: ## Build hallmark's own image and let hallmark verify it, in a lab: make release-image LAB=DIR
	@scripts/release-image $(LAB)
