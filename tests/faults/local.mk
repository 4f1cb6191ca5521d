# The installed programs with a fault put in by the linker; never installed.
noinst_PROGRAMS += tests/faults/tolsey-faultscan \
  tests/faults/tolsey-net-no-memfd tests/faults/tolsey-net-no-files
tests_faults_tolsey_faultscan_SOURCES = tests/faults/faultscan.c $(src_tolsey_scan_SOURCES)
tests_faults_tolsey_faultscan_LDFLAGS = $(src_tolsey_scan_LDFLAGS) \
  -Wl,--wrap=engine_scan -Wl,--wrap=chan_block_send
tests_faults_tolsey_faultscan_LDADD = $(src_tolsey_scan_LDADD)
tests_faults_tolsey_net_no_memfd_SOURCES = tests/faults/no_memfd.c $(src_tolsey_net_SOURCES)
tests_faults_tolsey_net_no_memfd_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=memfd_create
tests_faults_tolsey_net_no_memfd_LDADD = $(src_tolsey_net_LDADD)
tests_faults_tolsey_net_no_files_SOURCES = tests/faults/no_files.c $(src_tolsey_net_SOURCES)
tests_faults_tolsey_net_no_files_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=accept4 \
  -Wl,--wrap=memfd_create -Wl,--wrap=openat
tests_faults_tolsey_net_no_files_LDADD = $(src_tolsey_net_LDADD)
