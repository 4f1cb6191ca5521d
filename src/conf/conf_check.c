/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* What a value must look like, and what depends on several values. */
#include "conf/conf_int.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

struct address {
	char host[64];
	bool v6;
	bool loopback;
	uint64_t port;
};

static bool
parse_host(struct address *a)
{
	struct in_addr v4;
	struct in6_addr v6;

	if (a->v6) {
		if (inet_pton(AF_INET6, a->host, &v6) != 1)
			return false;
		a->loopback = IN6_IS_ADDR_LOOPBACK(&v6);
		return true;
	}
	if (inet_pton(AF_INET, a->host, &v4) != 1)
		return false;
	a->loopback = ntohl(v4.s_addr) >> 24 == 127;
	return true;
}

/* ADDRESS:PORT or [IPV6]:PORT. */
static bool
parse_address(const char *value, struct address *a)
{
	const char *colon = strrchr(value, ':');
	struct slice host;

	if (colon == NULL || str_to_u64(slice_of(colon + 1), 65535, &a->port) ||
	    a->port == 0)
		return false;
	host = (struct slice){ value, (size_t)(colon - value) };
	a->v6 =
	    host.len >= 2 && host.p[0] == '[' && host.p[host.len - 1] == ']';
	if (a->v6) {
		host.p++;
		host.len -= 2;
	}
	if (host.len >= sizeof(a->host))
		return false;
	str_copy(a->host, sizeof(a->host), host);
	return parse_host(a);
}

static const char *
check_address(const char *word)
{
	struct address a;

	if (parse_address(word, &a))
		return NULL;
	return "not an address; write IPV4:PORT or [IPV6]:PORT with a port of "
	       "1 to 65535, as 127.0.0.1:1344 (0.0.0.0 or [::]: all)";
}

static const char *
check_loopback(const char *word)
{
	struct address a;

	if (word[0] == '\0' || (parse_address(word, &a) && a.loopback))
		return NULL;
	return "not a loopback address with a port of 1 to 65535; write "
	       "127.0.0.1:PORT or [::1]:PORT, or \"\" for none";
}

static const char *
check_path(const char *word)
{
	if (word[0] == '/')
		return NULL;
	return "not an absolute path; begin it with /";
}

static const char *
check_path_or_none(const char *word)
{
	return word[0] == '\0' ? NULL : check_path(word);
}

static const char *
check_socket(const char *word)
{
	if (strlen(word) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return "longer than the 107 bytes of a unix socket's name; "
		       "choose a shorter folder";
	return check_path_or_none(word);
}

static const char *
check_log(const char *word)
{
	if (strcmp(word, "stderr") == 0 || strcmp(word, "syslog") == 0 ||
	    word[0] == '/')
		return NULL;
	return "neither stderr, syslog nor an absolute path";
}

static const char *
check_log_or_none(const char *word)
{
	return word[0] == '\0' ? NULL : check_log(word);
}

static const char *
check_database(const char *word)
{
	if (strcmp(word, "embedded") == 0 || word[0] == '/')
		return NULL;
	return "neither an absolute path nor the word embedded";
}

static const char *
check_user(const char *word)
{
	if (word[0] != '\0' && strpbrk(word, " \t\r\n:/") == NULL)
		return NULL;
	return "not the name of an account";
}

static const char *
check_module(const char *word)
{
	size_t len = strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789_-");

	if (word[0] == '/' || (len > 0 && len <= 64 && word[len] == '\0'))
		return NULL;
	return "not the name of a module: letters a-z, digits, _ and -, or an "
	       "absolute path";
}

static const char *
check_module_name(const char *word)
{
	return word[0] == '/' ? "a name is expected here; load a path with "
				"Module"
			      : check_module(word);
}

/* A token of HTTP, so that it can stand in a URI as it is. */
bool
conf_good_name(const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < len; i++)
		if (name[i] <= 0x20 || name[i] > 0x7e ||
		    strchr("\"(),/:;<=>?@[\\]{}", name[i]) != NULL)
			return false;
	return len > 0 && len <= CONF_NAME_MAX;
}

static const char *
check_alias(const char *word)
{
	return conf_good_name(word)
		   ? NULL
		   : "not a name of 1 to 31 letters, digits and "
		     "!#$%&'*+-.^_`|~";
}

/* The words between the dots of a name: PUA.Win.Tool. */
static const char *
check_category(const char *word)
{
	for (const char *p = word; *p != '\0'; p++)
		if ((*p < '0' || *p > '9') && (*p < 'A' || *p > 'Z') &&
		    (*p < 'a' || *p > 'z') && *p != '_' && *p != '-')
			return "not a category; write the second word of the "
			       "name, as Win of PUA.Win.Tool";
	return NULL;
}

int
conf_check_word(enum conf_id id, const char *word, char *err, size_t errlen)
{
	static const struct {
		enum conf_id id;
		const char *(*check)(const char *word);
	} rows[] = {
		{ CONF_ID_listen, check_address },
		{ CONF_ID_metrics_listen, check_loopback },
		{ CONF_ID_user, check_user },
		{ CONF_ID_scan_user, check_user },
		{ CONF_ID_pid_file, check_path_or_none },
		{ CONF_ID_control_socket, check_socket },
		{ CONF_ID_log_file, check_log },
		{ CONF_ID_access_log_file, check_log_or_none },
		{ CONF_ID_modules, check_module },
		{ CONF_ID_module_directory, check_path_or_none },
		{ CONF_ID_template_directory, check_path_or_none },
		{ CONF_ID_database_directory, check_database },
		{ CONF_ID_temporary_directory, check_path },
		{ CONF_ID_spool_directory, check_path },
		{ CONF_ID_use_module, check_module_name },
		{ CONF_ID_aliases, check_alias },
		{ CONF_ID_include_pua, check_category },
		{ CONF_ID_exclude_pua, check_category },
	};
	const char *what = NULL;
	uint64_t ms;

	if (id == CONF_ID_stall_poke)
		return conf_stall_poke(word, &ms, err, errlen);
	for (size_t i = 0; i < COUNTOF(rows) && what == NULL; i++)
		if (rows[i].id == id)
			what = rows[i].check(word);
	if (what == NULL)
		return 0;
	(void)snprintf(err, errlen, "%s", what);
	return -1;
}

static void
fail(struct conf_load *l, struct conf_where at, enum conf_id id,
    const char *value, const char *why)
{
	conf_errors_add(l->err, at.file, at.line, "%s '%s': %s",
	    conf_directives[id].name, value, why);
}

static void
check_one_default(struct conf_load *l)
{
	const struct conf_service *first = NULL, *s;
	struct conf_where at;

	for (size_t i = 0; i < l->c->nservices; i++) {
		s = &l->c->services[i];
		if (!s->is_default)
			continue;
		at = l->service_where[i][CONF_ID_is_default];
		if (at.file == NULL)
			at = l->where[CONF_ID_is_default];
		if (first != NULL)
			conf_errors_add(l->err, at.file, at.line,
			    "Default 'on': the service %s is already the "
			    "default; only one can be",
			    first->name);
		else
			first = s;
	}
}

void
conf_check_all(struct conf_load *l)
{
	const struct conf *c = l->c;

	for (size_t i = 0; i < c->listen.n; i++)
		if (strcmp(c->listen.v[i], c->metrics_listen) == 0)
			fail(l, l->where[CONF_ID_metrics_listen],
			    CONF_ID_metrics_listen, c->metrics_listen,
			    "Listen has the same address; choose another port");
	if (c->pid_file[0] != '\0' &&
	    strcmp(c->pid_file, c->control_socket) == 0)
		fail(l, l->where[CONF_ID_pid_file], CONF_ID_pid_file,
		    c->pid_file,
		    "ControlSocket has the same path; choose another");
	if (c->net_processes > conf_worker_count(c))
		conf_errors_add(l->err, l->where[CONF_ID_net_processes].file,
		    l->where[CONF_ID_net_processes].line,
		    "NetProcesses '%ju': each needs a scan worker of its own "
		    "and there are %u; raise ScanWorkers",
		    (uintmax_t)c->net_processes, conf_worker_count(c));
	if (c->include_pua.n > 0 && c->exclude_pua.n > 0)
		fail(l, l->where[CONF_ID_exclude_pua], CONF_ID_exclude_pua,
		    c->exclude_pua.v[0],
		    "IncludePUA is given too; remove one of the two");
	if (c->scan_workers_max > 0 &&
	    c->scan_workers_max < conf_worker_count(c))
		conf_errors_add(l->err, l->where[CONF_ID_scan_workers_max].file,
		    l->where[CONF_ID_scan_workers_max].line,
		    "ScanWorkersMax '%ju': ScanWorkers is %u already; raise "
		    "the one, or lower the other",
		    (uintmax_t)c->scan_workers_max, conf_worker_count(c));
	check_one_default(l);
}
