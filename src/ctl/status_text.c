/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <string.h>

#include "base/clock.h"
#include "ctl/ctl.h"
#include "sandbox/sandbox.h"

/* Strings of the parent are its own; still, they are bounded here. */
static struct slice
text(const char *s, size_t size)
{
	return (struct slice){ s, strnlen(s, size) };
}

static int
seconds(struct buf *out, uint64_t since_wall_us)
{
	uint64_t now = clock_wall_us();
	uint64_t s = now > since_wall_us ? (now - since_wall_us) / 1000000 : 0;

	return buf_printf(out, "%llud %02llu:%02llu:%02llu",
	    (unsigned long long)(s / 86400),
	    (unsigned long long)(s / 3600 % 24),
	    (unsigned long long)(s / 60 % 60), (unsigned long long)(s % 60));
}

/* When the signatures were made: what is old finds nothing new. */
static int
age(struct buf *out, const struct msg_loaded *l)
{
	char when[CLOCK_ISO_LEN];
	int rc;

	if (l->built_wall_us == 0)
		return 0;
	clock_iso(l->built_wall_us, when);
	rc = buf_printf(out, "made         %s, ", when);
	rc |= seconds(out, l->built_wall_us);
	return rc | buf_append_str(out, " ago\n");
}

static int
signatures(struct buf *out, const struct msg_loaded *l, bool loading)
{
	char when[CLOCK_ISO_LEN];
	int rc;

	if (l->generation == 0)
		return buf_printf(
		    out, "signatures   none%s\n", loading ? ", loading" : "");
	clock_iso(l->loaded_wall_us, when);
	rc = buf_printf(out,
	    "signatures   %u, generation %u, loaded %s in %u ms, %llu MiB%s\n",
	    l->signatures, l->generation, when, l->load_ms,
	    (unsigned long long)(l->memory >> 20),
	    loading ? "; a new generation is loading" : "");
	rc |= age(out, l);
	return rc | buf_printf(out, "engine       %.*s\ndatabase     %.*s%s\n",
			SLICE_FMT(text(l->engine, sizeof(l->engine))),
			SLICE_FMT(text(l->database, sizeof(l->database))),
			l->embedded ? " (EMBEDDED: only for trying out)" : "");
}

static int
last_reload(struct buf *out, const struct msg_status *s)
{
	char when[CLOCK_ISO_LEN];
	struct slice why =
	    text(s->last_reload_error, sizeof(s->last_reload_error));

	if (s->last_reload_wall_us == 0)
		return 0;
	clock_iso(s->last_reload_wall_us, when);
	if (why.len == 0)
		return buf_printf(out, "last reload  ok, %s\n", when);
	return buf_printf(
	    out, "last reload  FAILED, %s: %.*s\n", when, SLICE_FMT(why));
}

static const struct {
	const char *word;
	enum role role;
} confined[MSG_NCONFINED] = {
	[MSG_CONFINED_NET] = { "net", ROLE_NET },
	[MSG_CONFINED_SCAN] = { "scan", ROLE_SCAN },
	[MSG_CONFINED_WORKER] = { "worker", ROLE_WORKER },
	[MSG_CONFINED_CTL] = { "ctl", ROLE_CTL },
};

static const char *
sandbox_mode(const struct msg_status *s)
{
	static const char *const words[] = { [MSG_SANDBOX_AUTO] = "auto",
		[MSG_SANDBOX_REQUIRE] = "require",
		[MSG_SANDBOX_OFF] = "off" };

	return s->sandbox < COUNTOF(words) ? words[s->sandbox] : "?";
}

/* What is missing where; all else is as it should be. */
static int
sandbox(struct buf *out, const struct msg_status *s)
{
	int rc = buf_printf(out, "sandbox      %s", sandbox_mode(s));
	bool whole = true;

	for (size_t i = 0; i < COUNTOF(confined); i++) {
		uint32_t have = s->confined[i];
		uint32_t missing = sandbox_missing(confined[i].role, have);

		if ((have & MSG_CONFINED_KNOWN) == 0)
			rc |= buf_printf(
			    out, "; %s not known yet", confined[i].word);
		else if (missing == 0)
			continue;
		else {
			rc |= buf_printf(out, "; %s lacks ", confined[i].word);
			rc |= sandbox_words(out, missing);
		}
		whole = false;
	}
	return rc | buf_append_str(out, whole ? "; complete\n" : "\n");
}

static int
priority(struct buf *out, const struct msg_status *s)
{
	if (s->fixed_priority == 0)
		return 0;
	return buf_append_str(out,
	    "priority     fixed: long scans do not step back (no "
	    "CAP_SYS_NICE)\n");
}

static int
processes(struct buf *out, const struct msg_status *s)
{
	int rc = 0;

	for (size_t i = 0; i < COUNTOF(s->children); i++) {
		const struct msg_status_child *c = &s->children[i];

		if (c->role == 0)
			continue;
		rc |= buf_printf(out, "process      %s %u, pid %d, up ",
		    role_name((enum role)c->role), c->instance, c->pid);
		rc |= seconds(out, c->since_wall_us);
		rc |= buf_printf(out, ", restarts %u\n", c->restarts);
	}
	return rc;
}

static int
cache(struct buf *out, const struct metrics *m)
{
	return buf_printf(out,
	    "cache        %llu answers, %llu KiB; %llu hits, %llu misses, %llu "
	    "scans shared\n",
	    (unsigned long long)m->verdict_cache_entries,
	    (unsigned long long)(m->verdict_cache_bytes >> 10),
	    (unsigned long long)m->verdict_cache_hits_total,
	    (unsigned long long)m->verdict_cache_misses_total,
	    (unsigned long long)m->shared_scans_total);
}

static int
outcomes(struct buf *out, const struct metrics *m)
{
	int rc = 0;

	for (size_t i = 0; i < METRICS_MAX_SERVICES; i++) {
		if (m->services[i][0] == '\0')
			continue;
		rc |= buf_printf(out, "service      %-12s", m->services[i]);
		for (unsigned int o = OUTCOME_NONE + 1; o < NOUTCOMES; o++)
			if (m->outcomes[i][o] > 0)
				rc |= buf_printf(out, " %s %llu",
				    outcome_info((enum outcome)o)->word,
				    (unsigned long long)m->outcomes[i][o]);
		rc |= buf_append_str(out, "\n");
	}
	return rc;
}

int
status_text(
    struct buf *out, const struct msg_status *s, const struct metrics *m)
{
	int rc = buf_append_str(out, "tolsey       " PACKAGE_VERSION ", up ");

	rc |= seconds(out, s->started_wall_us);
	rc |= buf_append_str(out, "\n");
	rc |= signatures(out, &s->loaded, s->loading);
	if (s->loader_lost)
		rc |= buf_append_str(out,
		    "loader       DIED: its workers go on, none is replaced "
		    "until a new one has loaded\n");
	rc |= last_reload(out, s);
	rc |= buf_printf(out,
	    "workers      %llu of %u (at most %u), %llu scanning, %llu "
	    "waiting\n"
	    "connections  %llu\nspool        %llu bytes in memory, %llu on "
	    "disk\n",
	    (unsigned long long)m->workers, s->workers, s->workers_max,
	    (unsigned long long)m->scans_running,
	    (unsigned long long)m->scan_queue_depth,
	    (unsigned long long)m->connections,
	    (unsigned long long)m->spool_memory_bytes,
	    (unsigned long long)m->spool_disk_bytes);
	rc |= cache(out, m);
	rc |= sandbox(out, s);
	rc |= priority(out, s);
	rc |= processes(out, s);
	rc |= outcomes(out, m);
	return rc == 0 ? 0 : -1;
}

int
status_page(struct buf *out, struct ctl *c, const struct metrics *m)
{
	const char *why = ctl_not_ready(c);
	int rc = buf_printf(out,
	    "tolsey       " PACKAGE_VERSION "\n"
	    "ready        %s",
	    why[0] == '\0' ? "yes\n" : why);

	rc |= signatures(out, &c->loaded, false);
	rc |= buf_printf(out,
	    "workers      %llu, %llu scanning, %llu waiting\n"
	    "connections  %llu\n",
	    (unsigned long long)m->workers,
	    (unsigned long long)m->scans_running,
	    (unsigned long long)m->scan_queue_depth,
	    (unsigned long long)m->connections);
	rc |= outcomes(out, m);
	rc |= buf_append_str(
	    out, "more at      /metrics /livez /readyz, tolseyctl status\n");
	return rc == 0 ? 0 : -1;
}

/* A JSON string of printable ASCII; anything else becomes '?'. */
static int
json_string(struct buf *out, struct slice s)
{
	int rc = buf_append_str(out, "\"");

	for (size_t i = 0; i < s.len; i++) {
		char c = s.p[i];

		if (c == '"' || c == '\\')
			rc |= buf_append(out, "\\", 1);
		if (c < 0x20 || c > 0x7e)
			c = '?';
		rc |= buf_append(out, &c, 1);
	}
	return rc | buf_append_str(out, "\"");
}

static int
json_processes(struct buf *out, const struct msg_status *s)
{
	int rc = buf_append_str(out, "\"processes\":[");
	bool first = true;

	for (size_t i = 0; i < COUNTOF(s->children); i++) {
		const struct msg_status_child *c = &s->children[i];

		if (c->role == 0)
			continue;
		rc |= buf_printf(out,
		    "%s{\"role\":\"%s\",\"instance\":%u,\"pid\":%d,"
		    "\"restarts\":%u,\"since\":%llu}",
		    first ? "" : ",", role_name((enum role)c->role),
		    c->instance, c->pid, c->restarts,
		    (unsigned long long)(c->since_wall_us / 1000000));
		first = false;
	}
	return rc | buf_append_str(out, "],");
}

static int
json_words(struct buf *out, const char *name, uint32_t set)
{
	int rc = buf_printf(out, "\"%s\":[", name);
	bool first = true;

	for (unsigned int i = 0; i < NPROTECTIONS; i++)
		if ((set >> i & 1) != 0) {
			rc |= buf_printf(out, "%s\"%s\"", first ? "" : ",",
			    sandbox_word((enum protection)i));
			first = false;
		}
	return rc | buf_append_str(out, "]");
}

static int
json_sandbox(struct buf *out, const struct msg_status *s)
{
	int rc =
	    buf_printf(out, "\"sandbox\":{\"mode\":\"%s\"", sandbox_mode(s));

	for (size_t i = 0; i < COUNTOF(confined); i++) {
		uint32_t have = s->confined[i];

		if ((have & MSG_CONFINED_KNOWN) == 0)
			continue;
		rc |= buf_printf(out, ",\"%s\":{", confined[i].word);
		rc |= json_words(out, "have", have);
		rc |= buf_append_str(out, ",");
		rc |= json_words(
		    out, "missing", sandbox_missing(confined[i].role, have));
		rc |= buf_append_str(out, "}");
	}
	return rc | buf_append_str(out, "},");
}

int
status_json(
    struct buf *out, const struct msg_status *s, const struct metrics *m)
{
	const struct msg_loaded *l = &s->loaded;
	int rc = buf_printf(out,
	    "{\"version\":\"%s\",\"started\":%llu,\"generation\":%u,"
	    "\"signatures\":%u,\"loaded\":%llu,\"load_ms\":%u,"
	    "\"embedded\":%s,\"loading\":%s,\"workers\":%u,"
	    "\"workers_max\":%u,\"loader_lost\":%s,\"made\":%llu,"
	    "\"memory\":%llu,\"last_reload\":%llu,\"engine\":",
	    PACKAGE_VERSION, (unsigned long long)(s->started_wall_us / 1000000),
	    l->generation, l->signatures,
	    (unsigned long long)(l->loaded_wall_us / 1000000), l->load_ms,
	    l->embedded ? "true" : "false", s->loading ? "true" : "false",
	    s->workers, s->workers_max, s->loader_lost ? "true" : "false",
	    (unsigned long long)(l->built_wall_us / 1000000),
	    (unsigned long long)l->memory,
	    (unsigned long long)(s->last_reload_wall_us / 1000000));

	rc |= json_string(out, text(l->engine, sizeof(l->engine)));
	rc |= buf_append_str(out, ",\"database\":");
	rc |= json_string(out, text(l->database, sizeof(l->database)));
	rc |= buf_append_str(out, ",\"last_reload_error\":");
	rc |= json_string(
	    out, text(s->last_reload_error, sizeof(s->last_reload_error)));
	rc |= buf_append_str(out, ",");
	rc |= json_sandbox(out, s);
	rc |= buf_printf(out, "\"fixed_priority\":%s,",
	    s->fixed_priority != 0 ? "true" : "false");
	rc |= json_processes(out, s);
	rc |= buf_append_str(out, "\"metrics\":");
	rc |= metrics_json(out, m);
	rc |= buf_append_str(out, "}\n");
	return rc == 0 ? 0 : -1;
}
