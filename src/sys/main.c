/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* tolseyd: options, users, and into the background. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include <event2/event.h>
#include <openssl/crypto.h>
#include <openssl/opensslv.h>

#include "base/log.h"
#include "sys/parent.h"
#include "sys/proc.h"
#include "sys/temproom.h"

#define OVERRIDES_MAX 256
#define DEFAULT_CONF SYSCONFDIR "/tolsey/tolsey.conf"

struct options {
	const char *conf_file; /* NULL: the default one, if it is there */
	const char *overrides[OVERRIDES_MAX];
	size_t noverrides;
	bool foreground, check_only;
};

static void
usage(FILE *f)
{
	fprintf(f,
	    "usage: tolseyd [-F] [-c FILE] [-o 'Directive value']...\n"
	    "       tolseyd --check-config [-c FILE] [-o ...]\n"
	    "       tolseyd -V\n"
	    "  -c FILE              configuration (default: %s,\n"
	    "                       or the defaults alone when it is not "
	    "there)\n"
	    "  -o 'Directive value' after the file; may be repeated\n"
	    "  -F                   stay in the foreground\n"
	    "  --check-config       check the configuration and end\n"
	    "  -V                   version, features, libraries\n",
	    DEFAULT_CONF);
}

/* What the helper says of its library; the parent does not link it. */
static void
print_helper_version(const char *name)
{
	int status = 0;
	pid_t pid;

	(void)fflush(stdout);
	pid = proc_spawn(name, "--version", STDERR_FILENO);
	if (pid == -1 || waitpid(pid, &status, 0) == -1 || status != 0)
		printf("  %s was not found or does not run\n", name);
}

#ifdef HAVE_BROTLI
#define FEATURE_BROTLI "yes"
#else
#define FEATURE_BROTLI "no"
#endif
#ifdef HAVE_ZSTD
#define FEATURE_ZSTD "yes"
#else
#define FEATURE_ZSTD "no"
#endif
#ifdef HAVE_SECCOMP
#define FEATURE_SECCOMP "yes"
#else
#define FEATURE_SECCOMP "no"
#endif

static void
print_version(void)
{
	printf("tolseyd %s\n", PACKAGE_VERSION);
	printf("  libevent           built %s, running %s\n", LIBEVENT_VERSION,
	    event_get_version());
	printf("  libcrypto          built %s, running %s\n",
	    OPENSSL_VERSION_TEXT, OpenSSL_version(OPENSSL_VERSION));
	print_helper_version("tolsey-scan");
	printf("  content coding br   " FEATURE_BROTLI "\n");
	printf("  content coding zstd " FEATURE_ZSTD "\n");
	printf("  seccomp             " FEATURE_SECCOMP "\n");
}

static int
add_override(struct options *o, const char *text)
{
	if (o->noverrides == OVERRIDES_MAX) {
		fprintf(
		    stderr, "tolseyd: more than %d times -o\n", OVERRIDES_MAX);
		return -1;
	}
	o->overrides[o->noverrides++] = text;
	return 0;
}

/* -1: go on; else the exit status. */
static int
parse_options(struct options *o, int argc, char *argv[])
{
	static const struct option longs[] = { { "check-config", no_argument,
						   NULL, 'C' },
		{ "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "c:o:FVh", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			o->conf_file = optarg;
			break;
		case 'o':
			if (add_override(o, optarg) == -1)
				return EX_USAGE;
			break;
		case 'F':
			o->foreground = true;
			break;
		case 'C':
			o->check_only = true;
			break;
		case 'V':
			print_version();
			return EX_OK;
		case 'h':
			usage(stdout);
			return EX_OK;
		default:
			usage(stderr);
			return EX_USAGE;
		}
	}
	if (optind == argc)
		return -1;
	fprintf(stderr, "tolseyd: unknown argument '%s'\n", argv[optind]);
	usage(stderr);
	return EX_USAGE;
}

static struct conf *
load(const struct options *o)
{
	struct conf_errors err;
	struct conf *c;

	conf_errors_init(&err);
	c = conf_load(o->conf_file, o->overrides, o->noverrides, &err);
	if (c == NULL)
		fprintf(stderr, "%s%u error%s; nothing was started\n",
		    buf_cstr(&err.text), err.count, err.count == 1 ? "" : "s");
	conf_errors_free(&err);
	return c;
}

static void
print_warnings(const struct conf *c)
{
	struct conf_errors warn;
	char why[512];

	conf_errors_init(&warn);
	conf_warnings(c, &warn);
	if (warn.count > 0)
		fprintf(stderr, "%s", buf_cstr(&warn.text));
	conf_errors_free(&warn);
	(void)temproom_each(&memroom_system, c, why, sizeof(why));
	if (why[0] != '\0')
		fprintf(stderr, "WorkerTempSize: %s\n", why);
}

static int
find_user(const char *directive, const char *name, uint32_t *uid, uint32_t *gid)
{
	struct passwd *pw;

	*uid = *gid = UINT32_MAX;
	if (geteuid() != 0)
		return 0;
	if ((pw = getpwnam(name)) == NULL) {
		fprintf(stderr,
		    "tolseyd: %s %s: there is no such account. Create it: "
		    "useradd --system --no-create-home --shell "
		    "/usr/sbin/nologin %s\n",
		    directive, name, name);
		return -1;
	}
	if (pw->pw_uid == 0) {
		fprintf(stderr, "tolseyd: %s must not be root\n", directive);
		return -1;
	}
	*uid = pw->pw_uid;
	*gid = pw->pw_gid;
	return 0;
}

/* The caller: ends as the start of the daemon did. */
static _Noreturn void
await_start(int fd, pid_t between)
{
	unsigned char status = EX_OSERR;
	ssize_t n;

	(void)waitpid(between, NULL, 0);
	do
		n = read(fd, &status, 1);
	while (n == -1 && errno == EINTR);
	if (n != 1)
		fprintf(stderr, "tolseyd: it ended while it started\n");
	_exit(n == 1 ? status : EX_OSERR);
}

static void
detach_stdio(void)
{
	int fd = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int i = 0; fd != -1 && i <= STDERR_FILENO; i++)
		(void)dup2(fd, i);
	if (fd > STDERR_FILENO)
		(void)close(fd);
}

/*
 * Into the background. Returns only in the daemon, with a pipe on which the
 * caller awaits how the start went, and the caller's stderr for the reason.
 */
static int
daemonize(struct parent *p)
{
	int fds[2];
	pid_t pid;

	p->say_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	if (p->say_fd == -1 || pipe2(fds, O_CLOEXEC) == -1 ||
	    (pid = fork()) == -1)
		return -1;
	if (pid > 0) {
		(void)close(fds[1]);
		await_start(fds[0], pid);
	}
	/* once more, so that no terminal can ever be ours */
	if (setsid() == -1 || (pid = fork()) == -1 || chdir("/") == -1)
		_exit(EX_OSERR);
	if (pid > 0)
		_exit(EX_OK);
	(void)close(fds[0]);
	detach_stdio();
	p->ready_pipe = fds[1];
	p->background = true;
	return 0;
}

/* We leave the folder that a relative path means. */
static int
make_absolute(struct options *o, char path[PATH_MAX])
{
	if (o->conf_file == NULL || o->conf_file[0] == '/')
		return 0;
	if (realpath(o->conf_file, path) == NULL)
		return -1;
	o->conf_file = path;
	return 0;
}

static int
check_only(struct parent *p)
{
	int status;

	/* the modules' directives are theirs to check */
	p->check_only = true;
	status = parent_run(p);
	if (status == EX_OK)
		printf("configuration ok\n");
	return status;
}

static int
serve(struct parent *p, const struct options *o)
{
	if (!o->foreground && daemonize(p) == -1) {
		fprintf(stderr, "tolseyd: %s\n", strerror(errno));
		return EX_OSERR;
	}
	return parent_run(p);
}

int
main(int argc, char *argv[])
{
	char path[PATH_MAX];
	struct options o;
	struct parent p;
	int rc;

	memset(&o, 0, sizeof(o));
	memset(&p, 0, sizeof(p));
	log_init("parent", LOG_INFO);
	passed_take(&p.passed);
	if ((rc = parse_options(&o, argc, argv)) != -1)
		return rc;
	if (o.conf_file == NULL && access(DEFAULT_CONF, R_OK) == 0)
		o.conf_file = DEFAULT_CONF;
	if ((p.next_conf = load(&o)) == NULL)
		return EX_CONFIG;
	print_warnings(p.next_conf);
	if (find_user("User", p.next_conf->user, &p.uid, &p.gid) == -1 ||
	    find_user("ScanUser", p.next_conf->scan_user, &p.scan_uid,
		&p.scan_gid) == -1 ||
	    make_absolute(&o, path) == -1) {
		conf_unref(&p.next_conf);
		return EX_CONFIG;
	}
	p.conf_file = o.conf_file;
	p.overrides = o.overrides;
	p.noverrides = o.noverrides;
	p.ready_pipe = -1;
	p.say_fd = STDERR_FILENO;
	p.metrics_fd = p.metrics_read_fd = -1;
	p.control_fd = p.metrics_listener_fd = p.scan_fd = -1;
	for (size_t i = 0; i < PARENT_MAX_CLAMD; i++)
		p.clamd_fds[i] = -1;
	return o.check_only ? check_only(&p) : serve(&p, &o);
}
