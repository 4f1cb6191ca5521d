# Each folder's unit tests are listed in the local.mk of the folder under test.
AM_TESTS_ENVIRONMENT = srcdir='$(srcdir)'; export srcdir; builddir='$(builddir)'; export builddir; \
  CC='$(CC)'; export CC; CPPFLAGS='$(CPPFLAGS) $(EVENT_CFLAGS)'; export CPPFLAGS;
include tests/lint/local.mk
