# Each folder's unit tests are listed in the local.mk of the folder under test.
AM_TESTS_ENVIRONMENT = srcdir='$(srcdir)'; export srcdir; builddir='$(builddir)'; export builddir; \
  CC='$(CC)'; export CC; CPPFLAGS='$(CPPFLAGS) $(EVENT_CFLAGS)'; export CPPFLAGS;
include tests/lint/local.mk
include tests/fuzz/local.mk
include tests/faults/local.mk
include tests/bench/local.mk

EXTRA_DIST += tests/integration/clients.test.py tests/integration/squid-chain.test.py tests/replay tests/integration/lib/replay.py \
  tests/integration/replay.test.py
EXTRA_DIST += tests/README.md tests/bench/bench.py \
  tests/integration/run tests/integration/c-icap-client.sh \
  tests/integration/lib/icap.py tests/integration/lib/origin.py \
  tests/integration/lib/samples.py tests/integration/lib/squid.py \
  tests/integration/lib/tap.py tests/integration/lib/tolsey.py \
  tests/integration/client.test.py tests/integration/faults.test.py \
  tests/integration/outcomes.test.py tests/integration/good-files.test.py \
  tests/integration/lib/documents.py tests/integration/load.test.py tests/integration/operations.test.py \
  tests/integration/preview.test.py tests/integration/protocol.test.py \
  tests/integration/squid-block.test.py tests/integration/squid-download.test.py \
  tests/integration/squid-failures.test.py tests/integration/squid-status.test.py \
  tests/integration/squid-stream.test.py tests/integration/squid-tls.test.py
EXTRA_DIST += tests/integration/bootstrap.test.py
EXTRA_DIST += tests/integration/codings.test.py tests/integration/uploads.test.py \
  tests/integration/squid-uploads.test.py
EXTRA_DIST += tests/integration/attacks.test.py
EXTRA_DIST += tests/bench/gendb.py tests/bench/reload.py tests/integration/reload.test.py \
  tests/integration/freshclam.test.py tests/integration/lib/pace.py tests/integration/lib/valgrind.supp
# Whole folders: a test that is added is distributed.
EXTRA_DIST += tests/README.md tests/bench tests/integration tests/replay
dist-hook:
	find '$(distdir)' \( -name __pycache__ -o -name .deps \) -prune -exec rm -rf {} +
# What was built in these folders: make would take it for the new build's.
	find '$(distdir)' \( -name '*.o' -o -name '*.so' -o -name '*.log' -o -name '*.trs' \
	    -o -name .dirstamp \) -exec rm -f {} +
	rm -f '$(distdir)/tests/bench/cost' '$(distdir)/tests/bench/rawscan'
EXTRA_DIST += tests/integration/lib/load.py tests/integration/hostile-load.test.py \
  tests/integration/fault-matrix.test.py
EXTRA_DIST += tests/integration/attacks.test.py tests/integration/clean-files.test.py
