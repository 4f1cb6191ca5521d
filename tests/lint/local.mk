LINTS = tests/lint/check-layers.sh tests/lint/check-size.sh \
  tests/lint/check-banned.sh tests/lint/check-format.sh \
  tests/lint/check-headers.sh tests/lint/check-rules.sh \
  tests/lint/check-lints.sh
LINTS += tests/lint/check-configure.sh
LINTS += tests/lint/check-readme.sh
TESTS += $(LINTS)
EXTRA_DIST += $(LINTS) tests/lint/size-exceptions.txt
