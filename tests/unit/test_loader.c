/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * The whole tolsey-scan with its embedded signatures, driven as the parent and
 * two nets drive it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/prio.h"
#include "conf/conf.h"
#include "engine/engine.h"
#include "engine/engine_db.h"
#include "ipc/chan.h"

#define WAIT_MS 30000
#define NETS 2
#define GENERATION 5
#define NOBODY 65534

struct fixture {
	pid_t pid;
	char dir[64];
	struct chan_block parent, nets[NETS];
	struct msg_worker id; /* of the worker met last */
};
static struct fixture fx;

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st, (void)type, (void)ftw;
	return remove(path);
}

static void
exec_scan(int channel)
{
	char path[512];
	const char *builddir = getenv("builddir");

	(void)snprintf(path, sizeof(path), "%s/src/tolsey-scan",
	    builddir != NULL ? builddir : ".");
	if (channel == 3)
		(void)fcntl(3, F_SETFD, 0);
	else
		(void)dup2(channel, 3);
	(void)close_range(4, ~0u, 0);
	(void)execl(path, "tolsey-scan", (char *)NULL);
	_exit(127);
}

static void
launch(void)
{
	int fds[2];

	memset(&fx, 0, sizeof(fx));
	(void)strcpy(fx.dir, "/tmp/test_loader.XXXXXX");
	assert_non_null(mkdtemp(fx.dir));
	assert_int_equal(chan_pair(fds), 0);
	fx.pid = fork();
	if (fx.pid == 0)
		exec_scan(fds[1]);
	assert_true(fx.pid > 0);
	assert_int_equal(close(fds[1]), 0);
	for (int i = 0; i < NETS; i++)
		fx.nets[i].fd = -1;
	assert_int_equal(
	    chan_block_init(&fx.parent, fds[0], ROLE_PARENT, ROLE_SCAN), 0);
}

static void
tell(uint16_t type, const void *payload, int fd)
{
	assert_int_equal(
	    chan_block_send(&fx.parent, type, payload, SLICE_NONE, fd), 0);
}

/* The next message, of that type, or a failure after WAIT_MS. */
static struct chan_msg
expect(struct chan_block *c, uint16_t type)
{
	struct pollfd p = { .fd = c->fd, .events = POLLIN };
	struct chan_msg m;

	assert_int_equal(poll(&p, 1, WAIT_MS), 1);
	assert_int_equal(chan_block_recv(c, &m), 1);
	if (m.type == MSG_REFUSED && type != MSG_REFUSED)
		fail_msg(
		    "refused: %s", ((const struct msg_text *)m.payload)->text);
	assert_string_equal(msg_name(m.type), msg_name(type));
	return m;
}

static void
tell_conf(const char *const overrides[], size_t n)
{
	struct conf_errors err;
	struct conf *c;
	struct buf text;
	struct msg_conf m = { .generation = 1 };
	int fd = memfd_create("conf", MFD_CLOEXEC);

	conf_errors_init(&err);
	c = conf_load(NULL, overrides, n, &err);
	if (c == NULL)
		fail_msg("%s", buf_cstr(&err.text));
	buf_init(&text, 1 << 20);
	assert_int_equal(conf_dump(c, &text), 0);
	assert_int_equal(write(fd, text.p, text.len), text.len);
	m.len = (uint32_t)text.len;
	tell(MSG_CONF, &m, fd);
	assert_int_equal(close(fd), 0);
	buf_free(&text);
	conf_unref(&c);
	conf_errors_free(&err);
}

static void
attach_net(int i)
{
	struct msg_number n = { (uint64_t)i };
	int fds[2];

	chan_block_free(&fx.nets[i]);
	assert_int_equal(chan_pair(fds), 0);
	tell(MSG_NET_CHANNEL, &n, fds[1]);
	assert_int_equal(close(fds[1]), 0);
	assert_int_equal(
	    chan_block_init(&fx.nets[i], fds[0], ROLE_NET, ROLE_SCAN), 0);
}

static void
add_slot(uint32_t number, uint32_t uid)
{
	struct msg_slot_dir s = {
		.slot = number, .jail = MSG_JAIL_DIR, .size = 64 << 20
	};

	(void)snprintf(s.path, sizeof(s.path), "%s/slot%u", fx.dir, number);
	assert_int_equal(mkdir(s.path, 0700), 0);
	if (uid != UINT32_MAX)
		assert_int_equal(chown(s.path, uid, uid), 0);
	tell(MSG_SLOT, &s, -1);
}

/* Everything up to GO, with one slot for each net. */
static void
prepare_as(const char *const overrides[], size_t n, uint32_t uid)
{
	struct msg_start start = {
		.instance = GENERATION, .nets = NETS, .uid = uid, .gid = uid
	};
	struct msg_none none = { 0 };

	launch();
	if (uid != UINT32_MAX)
		assert_int_equal(chmod(fx.dir, 0711), 0);
	tell(MSG_START, &start, -1);
	tell_conf(overrides, n);
	for (int i = 0; i < NETS; i++) {
		add_slot((uint32_t)i, uid);
		attach_net(i);
	}
	tell(MSG_GO, &none, -1);
}

static void
prepare(const char *const overrides[], size_t n)
{
	prepare_as(overrides, n, UINT32_MAX);
}

#define LOG_LEVEL "LogLevel warn"

static const char *const embedded[] = { "DatabaseDirectory embedded",
	"WorkerTempSize 64M", LOG_LEVEL };

static int
start_serving(void **state)
{
	struct msg_none none = { 0 };
	const struct msg_loaded *l;
	struct chan_msg m;

	(void)state;
	prepare(embedded, COUNTOF(embedded));
	m = expect(&fx.parent, MSG_LOADED);
	l = m.payload;
	assert_int_equal(l->generation, GENERATION);
	assert_int_equal(l->embedded, 1);
	assert_true(l->signatures >= 3);
	assert_string_equal(l->database, "embedded");
	tell(MSG_SERVE, &none, -1);
	return 0;
}

static int
clean_up(void **state)
{
	(void)state;
	chan_block_free(&fx.parent);
	for (int i = 0; i < NETS; i++)
		chan_block_free(&fx.nets[i]);
	if (fx.pid > 0) {
		(void)kill(fx.pid, SIGKILL);
		(void)waitpid(fx.pid, NULL, 0);
	}
	return nftw(fx.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* The exit status of a loader that ends by itself. */
static int
exit_status(void)
{
	int status = -1;

	for (int i = 0; i < WAIT_MS / 10; i++) {
		if (waitpid(fx.pid, &status, WNOHANG) == fx.pid) {
			fx.pid = 0;
			return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
		}
		(void)usleep(10000);
	}
	fail_msg("the loader does not end");
	return -1;
}

/* A worker as net gets to know it. */
static void
meet(int net, struct chan_block *w)
{
	struct chan_msg m = expect(&fx.nets[net], MSG_WORKER);

	memcpy(&fx.id, m.payload, sizeof(fx.id));
	assert_int_equal(fx.id.slot % NETS, net);
	assert_int_equal(fx.id.generation, GENERATION);
	assert_int_equal(chan_block_init(w, m.fd, ROLE_NET, ROLE_WORKER), 0);
}

static struct scan_answer
scan(struct chan_block *w, const void *p, size_t len)
{
	struct msg_scan_request rq = { .scan_id = 1,
		.size = len,
		.budget_us = 20000000,
		.kind = SCAN_WHOLE };
	struct slice body = { p, len };
	struct scan_answer a;
	struct chan_msg m;

	engine_plain_opts(&rq.opts, 1 << 29);
	assert_int_equal(
	    chan_block_send(w, MSG_SCAN_REQUEST, &rq, body, -1), 0);
	(void)expect(w, MSG_SCAN_STARTED);
	m = expect(w, MSG_SCAN_RESULT);
	assert_int_equal(msg_scan_result_check(m.payload, m.tail, &a), 0);
	return a;
}

/* A sparse memfd of more than 2 GiB: neither mapped whole nor clean. */
static void
test_over_2_gib(void **state)
{
	uint64_t size = ((uint64_t)1 << 31) + 1000;
	struct msg_scan_request rq = { .scan_id = 1,
		.size = size,
		.budget_us = 20000000,
		.kind = SCAN_WHOLE };
	int fd = memfd_create("body", MFD_CLOEXEC);
	struct scan_answer a;
	struct chan_block w;
	struct chan_msg m;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, (off_t)size), 0);
	meet(0, &w);
	engine_plain_opts(&rq.opts, (uint64_t)2000 << 20);
	rq.opts.max_file_size = rq.opts.max_scan_size = 0;
	assert_int_equal(
	    chan_block_send(&w, MSG_SCAN_REQUEST, &rq, SLICE_NONE, fd), 0);
	(void)expect(&w, MSG_SCAN_STARTED);
	m = expect(&w, MSG_SCAN_RESULT);
	assert_int_equal(msg_scan_result_check(m.payload, m.tail, &a), 0);
	assert_int_equal(a.complete, 0);
	assert_int_equal(a.reason, OUTCOME_TOO_LARGE);
	(void)close(fd);
	chan_block_free(&w);
}

static const char page[] = "<!DOCTYPE html><html><body><p>x</p></body></html>";

static unsigned int
entries(const char *path)
{
	DIR *d = opendir(path);
	unsigned int n = 0;

	assert_non_null(d);
	while (readdir(d) != NULL)
		n++;
	(void)closedir(d);
	return n - 2;
}

static void
test_scans(void **state)
{
	unsigned char eicar[DB_EICAR_LEN];
	struct chan_block w;

	(void)state;
	db_eicar_bytes(eicar);
	for (int i = 0; i < NETS; i++) {
		struct scan_answer a;

		meet(i, &w);
		a = scan(&w, page, sizeof(page) - 1);
		if (a.complete != 1 || a.nfindings != 0)
			fail_msg("not clean: %s", a.text);
		a = scan(&w, eicar, sizeof(eicar));
		assert_true(a.nfindings > 0);
		assert_int_equal(a.findings[0].outcome, OUTCOME_INFECTED);
		chan_block_free(&w);
	}
}

/* The loader may have a root of its own. */
static void
slot_path(char *path, size_t len)
{
	(void)snprintf(path, len, "/proc/%d/root%s/slot0", (int)fx.pid, fx.dir);
	if (access(path, F_OK) != 0)
		(void)snprintf(path, len, "%s/slot0", fx.dir);
}

/* A worker that ends is reported, its folder removed, and it is replaced. */
static void
test_replaced(void **state)
{
	struct msg_worker first;
	struct msg_lost lost;
	struct chan_block w;
	char path[128];

	(void)state;
	meet(0, &w);
	assert_int_equal(scan(&w, page, sizeof(page) - 1).complete, 1);
	first = fx.id;
	slot_path(path, sizeof(path));
	assert_int_equal(entries(path), 1);
	chan_block_free(&w);
	memcpy(
	    &lost, expect(&fx.nets[0], MSG_WORKER_LOST).payload, sizeof(lost));
	assert_int_equal(lost.worker.incarnation, first.incarnation);
	assert_int_equal(lost.signal, 0);
	assert_int_equal(lost.status, 0);
	meet(0, &w);
	assert_true(fx.id.incarnation != first.incarnation);
	assert_int_equal(scan(&w, page, sizeof(page) - 1).complete, 1);
	assert_int_equal(entries(path), 1);
	chan_block_free(&w);
}

static void
test_overdue(void **state)
{
	struct msg_lost lost;
	struct chan_block w;
	struct msg_worker wrong;

	(void)state;
	meet(1, &w);
	wrong = fx.id;
	wrong.incarnation += 1000;
	/* of another incarnation, and from the wrong net: not this worker */
	assert_int_equal(
	    chan_block_send(&fx.nets[1], MSG_OVERDUE, &wrong, SLICE_NONE, -1),
	    0);
	assert_int_equal(
	    chan_block_send(&fx.nets[0], MSG_OVERDUE, &fx.id, SLICE_NONE, -1),
	    0);
	assert_int_equal(scan(&w, page, sizeof(page) - 1).complete, 1);
	assert_int_equal(
	    chan_block_send(&fx.nets[1], MSG_OVERDUE, &fx.id, SLICE_NONE, -1),
	    0);
	memcpy(
	    &lost, expect(&fx.nets[1], MSG_WORKER_LOST).payload, sizeof(lost));
	assert_int_equal(lost.signal, SIGKILL);
	assert_int_equal(lost.overdue, 1);
	chan_block_free(&w);
	meet(1, &w);
	chan_block_free(&w);
}

/* A worker whose channel is not closed is ended after a second. */
static void
test_retire(void **state)
{
	struct msg_lost lost;
	struct chan_block w;

	(void)state;
	meet(0, &w);
	assert_int_equal(
	    chan_block_send(&fx.nets[0], MSG_RETIRE, &fx.id, SLICE_NONE, -1),
	    0);
	memcpy(
	    &lost, expect(&fx.nets[0], MSG_WORKER_LOST).payload, sizeof(lost));
	assert_int_equal(lost.signal, SIGKILL);
	assert_int_equal(lost.overdue, 0);
	chan_block_free(&w);
}

static void
test_drain(void **state)
{
	struct msg_number n = { 0 };
	struct chan_block w[NETS];

	(void)state;
	for (int i = 0; i < NETS; i++)
		meet(i, &w[i]);
	tell(MSG_DRAIN, &n, -1);
	/* they go on until net has done with them */
	assert_int_equal(scan(&w[0], page, sizeof(page) - 1).complete, 1);
	assert_int_equal(scan(&w[1], page, sizeof(page) - 1).complete, 1);
	for (int i = 0; i < NETS; i++)
		chan_block_free(&w[i]);
	assert_int_equal(exit_status(), 0);
}

/* Workers outlive their loader. */
static void
test_loader_killed(void **state)
{
	struct chan_block w;

	(void)state;
	meet(0, &w);
	assert_int_equal(kill(fx.pid, SIGKILL), 0);
	assert_int_equal(waitpid(fx.pid, NULL, 0), fx.pid);
	fx.pid = 0;
	assert_int_equal(scan(&w, page, sizeof(page) - 1).complete, 1);
	chan_block_free(&w);
}

/* A net that is started again gets workers of its own. */
static void
test_net_again(void **state)
{
	struct chan_block w;

	(void)state;
	meet(0, &w);
	chan_block_free(&w);
	attach_net(0);
	meet(0, &w);
	assert_int_equal(scan(&w, page, sizeof(page) - 1).complete, 1);
	chan_block_free(&w);
}

static void
test_refused(void **state)
{
	static const char *const missing[] = {
		"DatabaseDirectory /nonexistent/database", "LogLevel error"
	};
	static const char *const few[] = { "DatabaseDirectory embedded",
		"MinSignatures 1000", "LogLevel error" };
	struct chan_msg m;

	(void)state;
	prepare(missing, COUNTOF(missing));
	m = expect(&fx.parent, MSG_REFUSED);
	assert_non_null(strstr(((const struct msg_text *)m.payload)->text,
	    "/nonexistent/database"));
	assert_int_equal(exit_status(), EXIT_FAILURE);
	assert_int_equal(clean_up(state), 0);
	prepare(few, COUNTOF(few));
	m = expect(&fx.parent, MSG_REFUSED);
	assert_non_null(strstr(
	    ((const struct msg_text *)m.payload)->text, "MinSignatures"));
	assert_int_equal(exit_status(), EXIT_FAILURE);
	assert_int_equal(clean_up(state), 0);
}

/* The next word to the parent about priorities; others are skipped. */
static struct msg_priority
expect_priority(void)
{
	struct pollfd p = { .fd = fx.parent.fd, .events = POLLIN };
	struct chan_msg m;

	do {
		assert_int_equal(poll(&p, 1, WAIT_MS), 1);
		assert_int_equal(chan_block_recv(&fx.parent, &m), 1);
	} while (m.type == MSG_SERVING);
	assert_string_equal(msg_name(m.type), "PRIORITY");
	return *(const struct msg_priority *)m.payload;
}

/* In ns, as the kernel has it; 0: it does not tell (before 6.12). */
static uint64_t
slice_of_time(pid_t pid)
{
	uint64_t attributes[6] = { 0 };

	assert_int_equal(
	    syscall(SYS_sched_getattr, pid, attributes, sizeof(attributes), 0),
	    0);
	return attributes[3];
}

/* The loader changes slices itself; for the rest it asks, with no right to. */
static void
test_yields(void **state)
{
	struct msg_yield y = { .on = 1 };
	struct msg_priority p;
	struct chan_block w;
	uint64_t usual = slice_of_time(0);

	(void)state;
	meet(0, &w);
	y.worker = fx.id;
	for (y.on = 1; y.on <= 1; y.on--) {
		assert_int_equal(
		    chan_block_send(&fx.nets[0], MSG_YIELD, &y, SLICE_NONE, -1),
		    0);
		p = expect_priority();
		assert_int_equal(p.gives_way, y.on);
		assert_true(p.pid != fx.pid);
		assert_int_equal(getpgid(p.pid), fx.pid);
		assert_int_equal(getpriority(PRIO_PROCESS, (id_t)p.pid),
		    getpriority(PRIO_PROCESS, 0));
		if (usual != 0)
			assert_int_equal(slice_of_time(p.pid),
			    y.on ? PRIO_LONG_SLICE_NS : usual);
	}
	/* what it gained for others it does not keep for itself */
	if (usual != 0)
		assert_int_equal(slice_of_time(fx.pid), usual);
	chan_block_free(&w);
}

/* Started as root, as in real life: loader and workers are somebody else. */
static void
test_drops_root(void **state)
{
	struct msg_none none = { 0 };
	struct chan_block w;
	struct stat st;
	char path[160];

	if (geteuid() != 0) {
		print_message("skipped: not root\n");
		skip();
	}
	prepare_as(embedded, COUNTOF(embedded), NOBODY);
	(void)expect(&fx.parent, MSG_LOADED);
	tell(MSG_SERVE, &none, -1);
	meet(0, &w);
	assert_int_equal(scan(&w, page, sizeof(page) - 1).complete, 1);
	slot_path(path, sizeof(path));
	assert_int_equal(entries(path), 1);
	(void)snprintf(path + strlen(path), sizeof(path) - strlen(path),
	    "/w%08x%08x", GENERATION, (unsigned int)fx.id.incarnation);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, NOBODY);
	chan_block_free(&w);
	assert_int_equal(clean_up(state), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start_serving, clean_up)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_scans),
		TEST(test_replaced),
		TEST(test_overdue),
		TEST(test_retire),
		TEST(test_drain),
		TEST(test_over_2_gib),
		TEST(test_loader_killed),
		TEST(test_net_again),
		TEST(test_yields),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_drops_root),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
