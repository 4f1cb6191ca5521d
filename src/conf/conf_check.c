/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* What a value must look like, and what depends on several values. */
#include "conf/conf_int.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

#include "base/addr.h"

#define CLAMD_SOCKETS_MAX 8

struct address {
	char host[64];
	bool v6;
	bool loopback;
	uint64_t port;
};

#define TEMP_SIZE_MIN ((uint64_t)1 << 20)

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

/* A path that fits into the name of a unix socket. */
static const char *
check_unix_path(const char *path)
{
	if (strlen(path) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return "longer than the 107 bytes of a unix socket's name; "
		       "choose a shorter folder";
	if (path[0] != '/')
		return "not an absolute path; write unix:/PATH";
	return NULL;
}

/* "unix:/PATH", "systemd", "systemd:NAME" or an address. */
static const char *
check_listen(const char *word)
{
	struct address a;

	if (strncmp(word, "unix:", 5) == 0)
		return check_unix_path(word + 5);
	if (strcmp(word, "none") == 0 || strcmp(word, "systemd") == 0)
		return NULL;
	if (strncmp(word, "systemd:", 8) == 0)
		return word[8] != '\0' && strchr(word + 8, ':') == NULL
			   ? NULL
			   : "not the name of a socket; write systemd:NAME";
	if (parse_address(word, &a))
		return NULL;
	return "not an address; write IPV4:PORT or [IPV6]:PORT with a port of "
	       "1 to 65535, as 127.0.0.1:1344 (0.0.0.0 or [::]: all), or "
	       "unix:/PATH, or systemd:NAME";
}

static const char *
check_mode(const char *word)
{
	size_t len = strspn(word, "01234567");

	return len >= 3 && len <= 4 && word[len] == '\0' &&
		       (len == 3 || word[0] == '0')
		   ? NULL
		   : "not permissions; write an octal number, as 0660";
}

static const char *
check_clients(const char *word)
{
	struct addr_net net;

	return addr_net_parse(&net, slice_of(word));
}

static const char *
check_ciphers(const char *word)
{
	size_t len =
	    strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
			 "0123456789_-+!:@=.");

	return word[len] == '\0' ? NULL
				 : "not a list of ciphers; write their names "
				   "joined by colons";
}

static const char *
check_loopback(const char *word)
{
	struct address a;

	if (word[0] == '\0' || (parse_address(word, &a) && a.loopback))
		return NULL;
	return "not a loopback address with a port of 1 to 65535; write "
	       "127.0.0.1:PORT or [::1]:PORT, or off";
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
	return word[0] == '\0' || word[0] != '/' ? check_path_or_none(word)
						 : check_unix_path(word);
}

static const char *
check_clamd(const char *word)
{
	if (word[0] == '/')
		return check_socket(word);
	if (strcmp(word, "none") == 0 ||
	    (word[0] != '\0' && check_loopback(word) == NULL))
		return NULL;
	return "neither the absolute path of a unix socket, a loopback address "
	       "with a port, as 127.0.0.1:3310, nor the word off";
}

static const char *
check_scan_socket(const char *word)
{
	if (strcmp(word, "off") == 0 ||
	    (word[0] == '/' && check_socket(word) == NULL))
		return NULL;
	return "neither the absolute path of a unix socket nor the word off";
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
check_group(const char *word)
{
	if (strpbrk(word, " \t\r\n:/") == NULL)
		return NULL;
	return "not the name of a group";
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

const char *
conf_plain_word(enum conf_id id, const char *word)
{
	static const struct {
		enum conf_id id;
		const char *none;
	} rows[] = {
		{ CONF_ID_metrics_listen, "" },
		{ CONF_ID_pid_file, "" },
		{ CONF_ID_control_socket, "" },
		{ CONF_ID_clamd_socket, "none" },
		{ CONF_ID_scan_socket, "off" },
		{ CONF_ID_access_log_file, "" },
	};

	if (word[0] != '\0' && strcmp(word, "none") != 0 &&
	    strcmp(word, "off") != 0)
		return word;
	for (size_t i = 0; i < COUNTOF(rows); i++)
		if (rows[i].id == id)
			return rows[i].none;
	return word;
}

int
conf_check_word(enum conf_id id, const char *word, char *err, size_t errlen)
{
	static const struct {
		enum conf_id id;
		const char *(*check)(const char *word);
	} rows[] = {
		{ CONF_ID_listen, check_listen },
		{ CONF_ID_listen_tls, check_listen },
		{ CONF_ID_listen_mode, check_mode },
		{ CONF_ID_listen_group, check_group },
		{ CONF_ID_tls_certificate, check_path_or_none },
		{ CONF_ID_tls_key, check_path_or_none },
		{ CONF_ID_tls_client_ca, check_path_or_none },
		{ CONF_ID_tls_ciphers, check_ciphers },
		{ CONF_ID_allow_clients, check_clients },
		{ CONF_ID_trust_clients, check_clients },
		{ CONF_ID_proxy_protocol_from, check_clients },
		{ CONF_ID_metrics_listen, check_loopback },
		{ CONF_ID_user, check_user },
		{ CONF_ID_scan_user, check_user },
		{ CONF_ID_pid_file, check_path_or_none },
		{ CONF_ID_control_socket, check_socket },
		{ CONF_ID_clamd_socket, check_clamd },
		{ CONF_ID_scan_socket, check_scan_socket },
		{ CONF_ID_scan_socket_group, check_group },
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

static bool
has_word(const struct conf_list *list, const char *word)
{
	for (size_t i = 0; i < list->n; i++)
		if (strcmp(list->v[i], word) == 0)
			return true;
	return false;
}

/* A word that excludes all others of its list. */
static void
check_alone(struct conf_load *l, enum conf_id id, const char *word)
{
	const struct conf_list *list =
	    conf_field_const(&conf_directives[id], l->c, false);

	if (list->n > 1 && has_word(list, word))
		fail(l, l->where[id], id, word,
		    "it stands beside others; write it alone or remove it");
}

static void
check_listeners(struct conf_load *l)
{
	const struct conf *c = l->c;

	check_alone(l, CONF_ID_listen, "none");
	if (has_word(&c->listen_tls, "none"))
		fail(l, l->where[CONF_ID_listen_tls], CONF_ID_listen_tls,
		    "none", "leave the directive out");
	for (size_t i = 0; i < c->listen_tls.n; i++)
		if (has_word(&c->listen, c->listen_tls.v[i]))
			fail(l, l->where[CONF_ID_listen_tls],
			    CONF_ID_listen_tls, c->listen_tls.v[i],
			    "Listen has the same; choose another port");
	if (has_word(&c->listen, c->metrics_listen) ||
	    has_word(&c->listen_tls, c->metrics_listen))
		fail(l, l->where[CONF_ID_metrics_listen],
		    CONF_ID_metrics_listen, c->metrics_listen,
		    "Listen has the same address; choose another port");
	if (!conf_listens_plain(c) && c->listen_tls.n == 0)
		fail(l, l->where[CONF_ID_listen], CONF_ID_listen, "none",
		    "there is no ListenTls either; nothing would be served");
}

static void
check_tls(struct conf_load *l)
{
	const struct conf *c = l->c;

	if (c->listen_tls.n > 0 && c->tls_certificate[0] == '\0')
		fail(l, l->where[CONF_ID_listen_tls], CONF_ID_listen_tls,
		    c->listen_tls.v[0],
		    "there is no certificate; add TlsCertificate /PATH");
	if (c->tls_key[0] != '\0' && c->tls_certificate[0] == '\0')
		fail(l, l->where[CONF_ID_tls_key], CONF_ID_tls_key, c->tls_key,
		    "there is no certificate; add TlsCertificate /PATH");
	if (c->tls_client_cert != CONF_TLS_CERT_OFF &&
	    c->tls_client_ca[0] == '\0')
		fail(l, l->where[CONF_ID_tls_client_cert],
		    CONF_ID_tls_client_cert,
		    c->tls_client_cert == CONF_TLS_CERT_REQUEST ? "request"
								: "require",
		    "nobody could be accepted; add TlsClientCA /PATH");
}

void
conf_check_all(struct conf_load *l)
{
	const struct conf *c = l->c;

	check_listeners(l);
	check_tls(l);
	check_alone(l, CONF_ID_allow_clients, "none");
	check_alone(l, CONF_ID_trust_clients, "none");
	check_alone(l, CONF_ID_proxy_protocol_from, "none");
	if (c->pid_file[0] != '\0' &&
	    strcmp(c->pid_file, c->control_socket) == 0)
		fail(l, l->where[CONF_ID_pid_file], CONF_ID_pid_file,
		    c->pid_file,
		    "ControlSocket has the same path; choose another");
	if (c->clamd_socket.n > CLAMD_SOCKETS_MAX)
		conf_errors_add(l->err, l->where[CONF_ID_clamd_socket].file,
		    l->where[CONF_ID_clamd_socket].line,
		    "ClamdSocket: given %zu times; at most %d are served",
		    c->clamd_socket.n, CLAMD_SOCKETS_MAX);
	for (size_t i = 0; i < c->clamd_socket.n; i++)
		if (c->control_socket[0] != '\0' &&
		    strcmp(c->clamd_socket.v[i], c->control_socket) == 0)
			fail(l, l->where[CONF_ID_clamd_socket],
			    CONF_ID_clamd_socket, c->control_socket,
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
	if (c->worker_temp_size > 0 && c->worker_temp_size < TEMP_SIZE_MIN)
		conf_errors_add(l->err, l->where[CONF_ID_worker_temp_size].file,
		    l->where[CONF_ID_worker_temp_size].line,
		    "WorkerTempSize '%ju': no scan can do with so little; give "
		    "at least 1M, or 0 for a share of the free memory",
		    (uintmax_t)c->worker_temp_size);
	check_one_default(l);
}
