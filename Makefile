# One line a target: what there is to do here. The work is in scripts/, tests/ and bench/.

.PHONY: run test-matrix test fuzz soak fresh check deny bench bench-quick binary image package

# nginx with TLS, a registry, htgate and a first user, on this machine
run:
	scripts/run.sh

# everything that is tested, after installing what the tests need
test:
	scripts/test.sh

# several htgates under load, each ended, replaced and frozen 50 times: an hour (ROUNDS=10 for less)
soak:
	FLEET_ROUNDS=$${ROUNDS:-50} scripts/test.sh --test fleet -- --nocapture

# random input for whatever is parsed, a minute each (FUZZ_SECONDS=600 for more; needs cargo-fuzz)
fuzz:
	scripts/fuzz.sh

# `make run`, with and without a network, and `make test` on a bare Debian (SUITE=trixie; needs root)
fresh:
	scripts/fresh.sh

# today's clients and nginx, in Debian systems of their own; one table of what they say
test-matrix:
	tests/matrix/matrix.sh

# formatting, lints and documentation
check:
	scripts/check.sh

# licences, sources and duplicates of the dependencies (needs cargo-deny)
deny:
	@command -v cargo-deny >/dev/null || { \
		echo "cargo-deny is not installed; type 'cargo install --locked cargo-deny'" >&2; exit 1; }
	cargo deny --all-features check bans licenses sources

# the measurements in the README, beside every peer
bench:
	bench/bench.sh

# a selection of them in five minutes
bench-quick:
	bench/bench.sh --quick

# a binary that needs no library: target/static/htgate
binary:
	scripts/binary.sh

# a container image around that binary: htgate:latest
image: binary
	docker build -f compose/Dockerfile --target prebuilt -t htgate:latest target/static

# a .deb and a .tar.gz around it, the same bytes for the same commit: target/package/
package:
	scripts/package.sh
