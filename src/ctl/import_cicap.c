/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* Import: those directives of c-icap that a table cannot translate. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/addr.h"
#include "ctl/import_int.h"

#define LOOPBACK "127.0.0.0/8 ::1 unix"

/* ---- addresses ---- */

/* PORT or ADDRESS:PORT as Listen wants it; NULL: neither. */
static const char *
listen_word(struct import *im, const char *word, bool *everywhere)
{
	const char *colon = strrchr(word, ':');
	uint64_t port;

	if (str_to_u64(slice_of(colon != NULL ? colon + 1 : word), 65535,
		&port) == -1 ||
	    port == 0)
		return NULL;
	*everywhere = colon == NULL;
	return import_printf(im, "%s%s", colon == NULL ? "0.0.0.0:" : "", word);
}

void
import_cicap_port(
    struct import *im, struct import_line *l, const struct import_row *row)
{
	bool everywhere = false;
	const char *word = listen_word(im, l->words[1], &everywhere);

	(void)row;
	if (word == NULL) {
		import_end_differs(l, "not a port, or ADDRESS:PORT; ICAP is "
				      "served on 127.0.0.1:1344");
		return;
	}
	import_set(im, l, "Listen", import_word(im, word),
	    everywhere ? "on all addresses, as before; add [::]:PORT for "
			 "IPv6, and name the proxies in AllowClients"
		       : NULL);
}

/* What is taken over of TlsPort, in an order in which each is valid. */
static const struct {
	const char *option, *directive;
} tls_options[] = { { "cert=", "TlsCertificate" }, { "key=", "TlsKey" },
	{ "client_ca=", "TlsClientCA" }, { "cafile=", "TlsClientCA" },
	{ "ciphers=", "TlsCiphers" } };

static bool
begins(const char *word, const char *option)
{
	return strncasecmp(word, option, strlen(option)) == 0;
}

/* The words that have no counterpart, each behind a blank. */
static const char *
tls_left(struct import *im, const struct import_line *l)
{
	const char *left = "";

	for (size_t i = 2; i < l->nwords && left != NULL; i++) {
		bool known = false;

		for (size_t k = 0; k < COUNTOF(tls_options); k++)
			known =
			    known || begins(l->words[i], tls_options[k].option);
		if (!known)
			left = import_printf(im, "%s %s", left, l->words[i]);
	}
	return left != NULL ? left : "";
}

void
import_cicap_tls_port(
    struct import *im, struct import_line *l, const struct import_row *row)
{
	bool everywhere = false, certificate = false;
	const char *word = listen_word(im, l->words[1], &everywhere);
	const char *left = tls_left(im, l);

	(void)row;
	for (size_t i = 2; i < l->nwords; i++)
		certificate = certificate || begins(l->words[i], "cert=");
	if (word == NULL || !certificate) {
		import_end_differs(l, "without a port and cert= there is no "
				      "TLS: ListenTls, TlsCertificate");
		return;
	}
	for (size_t k = 0; k < COUNTOF(tls_options); k++)
		for (size_t i = 2; i < l->nwords; i++) {
			const char *option = tls_options[k].option;

			if (!begins(l->words[i], option))
				continue;
			import_set(im, l, tls_options[k].directive,
			    import_word(im, l->words[i] + strlen(option)),
			    NULL);
			if (strcmp(tls_options[k].directive, "TlsClientCA") ==
			    0)
				import_set(
				    im, l, "TlsClientCert", "require", NULL);
		}
	import_set(im, l, "ListenTls", import_word(im, word),
	    import_printf(im,
		"TLS 1.2 and later only; one certificate serves all ports%s%s",
		left[0] != '\0' ? "; not taken over:" : "", left));
}

/* ADDRESS[/BITS|/MASK] as AllowClients wants it; NULL: it is not that. */
static const char *
client_word(struct import *im, const char *word)
{
	const char *slash = strchr(word, '/');
	struct addr_net net;
	struct addr mask;
	unsigned int bits = 0;
	bool ended = false;

	if (slash == NULL || addr_parse(&mask, slice_of(slash + 1)) == -1)
		return addr_net_parse(&net, slice_of(word)) == NULL ? word
								    : NULL;
	for (unsigned int i = 0; i < (mask.family == ADDR_V4 ? 32U : 128U);
	     i++) {
		bool one = (mask.ip[i / 8] >> (7 - i % 8) & 1) != 0;

		if (one && ended)
			return NULL; /* not a prefix */
		ended = !one;
		bits += one;
	}
	word = import_printf(im, "%.*s/%u", (int)(slash - word), word, bits);
	return word != NULL && addr_net_parse(&net, slice_of(word)) == NULL
		   ? word
		   : NULL;
}

void
import_cicap_acl(
    struct import *im, struct import_line *l, const struct import_row *row)
{
	struct import_acl *a = arena_alloc(im->mem, sizeof(*a));

	(void)row;
	if (a == NULL) {
		im->no_memory = true;
		return;
	}
	a->name = l->words[1];
	a->line = l;
	a->only_src = l->nwords > 3 && strcasecmp(l->words[2], "src") == 0;
	for (size_t i = 3; i < l->nwords && a->only_src; i++)
		a->only_src = client_word(im, l->words[i]) != NULL;
	a->next = im->acls;
	im->acls = a;
	if (!a->only_src)
		import_end_differs(l, "only lists of addresses of clients can "
				      "be taken over: AllowClients");
}

void
import_cicap_access(
    struct import *im, struct import_line *l, const struct import_row *row)
{
	(void)im;
	(void)l;
	(void)row; /* all of them together: access_finish() */
}

static bool
is_access(const struct import_line *l)
{
	return l->kind == IMPORT_CICAP && l->nwords > 0 &&
	       (strcasecmp(l->words[0], "icap_access") == 0 ||
		   strcasecmp(l->words[0], "client_access") == 0);
}

static const struct import_acl *
acl_find(const struct import *im, const char *name)
{
	const struct import_acl *a;

	for (a = im->acls; a != NULL; a = a->next)
		if (strcmp(a->name, name) == 0)
			return a;
	return NULL;
}

/* The addresses of a list, behind those that there are. NULL: it is none. */
static const char *
append_acl(struct import *im, const char *list, const char *name)
{
	const struct import_acl *a = acl_find(im, name);

	if (a == NULL)
		return NULL;
	/* a list may have several lines */
	for (; a != NULL; a = a->next) {
		if (strcmp(a->name, name) != 0)
			continue;
		if (!a->only_src)
			return NULL;
		for (size_t i = 3; i < a->line->nwords && list != NULL; i++)
			list = import_printf(im, "%s%s%s", list,
			    list[0] != '\0' ? " " : "",
			    client_word(im, a->line->words[i]));
	}
	return list;
}

static bool
is_all(const struct import *im, const char *name)
{
	const struct import_acl *a = acl_find(im, name);

	return strcasecmp(name, "all") == 0 &&
	       (a == NULL ||
		   (a->only_src && a->line->nwords == 4 &&
		       strncmp(a->line->words[3], "0.0.0.0/0", 9) == 0));
}

/*
 * "allow LIST" any number of times, then "deny all", or "allow all": the list,
 * "any", or NULL when it is something else.
 */
static const char *
allowed(struct import *im, struct import_line **last)
{
	const char *list = "";
	bool closed = false;

	for (struct import_line *l = im->lines; l != NULL; l = l->next) {
		bool allow;

		if (!is_access(l))
			continue;
		*last = l;
		if (closed || l->nwords != 3)
			return NULL;
		allow = strcasecmp(l->words[1], "allow") == 0;
		closed = is_all(im, l->words[2]);
		if (allow && closed)
			return list[0] == '\0' && l->next == NULL ? "any"
								  : NULL;
		if (!allow && (!closed || strcasecmp(l->words[1], "deny") != 0))
			return NULL;
		if (allow && (list = append_acl(im, list, l->words[2])) == NULL)
			return NULL;
	}
	return closed && list[0] != '\0' ? list : NULL;
}

/* Who may ask: what cannot be taken over lets nobody else in. */
static void
access_finish(struct import *im)
{
	struct import_line *last = NULL;
	const char *list = allowed(im, &last);

	if (last != NULL && list != NULL)
		import_set(im, last, "AllowClients", list, NULL);
	else if (last != NULL)
		import_set(im, last, "AllowClients", LOOPBACK,
		    "these rules cannot be taken over, so that only this "
		    "machine may ask: name the proxies here");
	for (struct import_line *l = im->lines; l != NULL; l = l->next) {
		if (l->end != IMPORT_OPEN || l->kind != IMPORT_CICAP ||
		    l->nwords == 0)
			continue;
		if (is_access(l) && list != NULL)
			import_end_needless(l, "part of AllowClients");
		else if (is_access(l))
			import_end_differs(l, "such a rule cannot be taken "
					      "over; see AllowClients");
		else if (strcasecmp(l->words[0], "acl") == 0)
			import_end_needless(l,
			    list != NULL
				? "its addresses are in AllowClients where a "
				  "rule allows them"
				: "no rule that could be taken over uses it");
	}
}

/* ---- services ---- */

/* The files of services that have a counterpart. */
static bool
is_scanner(const char *word)
{
	return strcasestr(word, "virus_scan") != NULL ||
	       strcasestr(word, "squidclamav") != NULL ||
	       strcasestr(word, "srv_clamav") != NULL ||
	       strcasestr(word, "avscan") != NULL ||
	       strcasestr(word, "srv_tolsey") != NULL ||
	       strcasecmp(word, "antivirus_module") == 0;
}

static bool
is_echo(const char *word)
{
	return strcasecmp(word, "echo") == 0 ||
	       strcasestr(word, "srv_echo") != NULL;
}

void
import_cicap_service(
    struct import *im, struct import_line *l, const struct import_row *row)
{
	const char *file = l->words[l->nwords > 2 ? 2 : 1];

	(void)row;
	im->services = true;
	if (is_scanner(file)) {
		l->into = "the service avscan, also as virus_scan, "
			  "squidclamav and srv_clamav";
		l->end = IMPORT_TRANSLATED;
	} else if (is_echo(file)) {
		im->echo = true;
		l->into = "the service echo";
		l->end = IMPORT_TRANSLATED;
	} else {
		import_end_differs(l, "tolsey has no such service: clients "
				      "that ask for it are answered 404");
	}
}

static bool
has_alias(const struct import_word *w, const char *name)
{
	static const char *const ours[] = { "avscan", "virus_scan",
		"srv_clamav", "squidclamav", "scan", "respmod", "reqmod",
		"request", "response", "req", "resp", "SYMCScanResp-AV",
		"SYMCScanReq-AV", "OMSScanResp-AV", "OMSScanReq-AV", "echo" };

	for (size_t i = 0; i < COUNTOF(ours); i++)
		if (strcasecmp(ours[i], name) == 0)
			return true;
	for (; w != NULL; w = w->next)
		if (strcasecmp(w->word, name) == 0)
			return true;
	return false;
}

/* What the arguments of a service weakened or changed. "" for nothing. */
static const char *
argument_remark(struct import *im, const char *args)
{
	static const struct {
		const char *arg, *remark;
	} known[] = { { "allow204=on", "" },
		{ "allow204=off", "204 is answered where the "
				  "client permits it" },
		{ "force=on", "" }, { "force=off", "" },
		{ "sizelimit=off", "" },
		{ "sizelimit=on", "objects above MaxObjectSize are blocked" },
		{ "mode=simple", "" }, { "engine=clamav", "" },
		{ "mode=vir", "there is no page that shows progress" },
		{ "mode=mixed", "there is no page that shows progress" },
		{ "mode=streamed", "nothing is released before it is "
				   "scanned" } };
	struct slice rest = slice_of(args), one;
	const char *remark = "";

	while (slice_next(&rest, '&', &one)) {
		const char *says = one.len == 0 ? "" : NULL;

		for (size_t i = 0; i < COUNTOF(known); i++)
			if (slice_case_eq(one, slice_of(known[i].arg)))
				says = known[i].remark;
		if (says == NULL)
			says = import_printf(
			    im, "%.*s means nothing here", SLICE_FMT(one));
		if (says != NULL && says[0] != '\0')
			remark = import_printf(im, "%s%s%s", remark,
			    remark[0] != '\0' ? "; " : "", says);
		if (remark == NULL)
			return "";
	}
	return remark;
}

static void
add_alias(struct import *im, struct import_line *l, const char *name, bool echo)
{
	struct import_word **list = echo ? &im->echo_aliases : &im->aliases;
	struct import_word *w;

	l->end = IMPORT_TRANSLATED;
	l->into = import_printf(im, "Alias %s", name);
	if (has_alias(im->aliases, name) || has_alias(im->echo_aliases, name))
		return;
	if ((w = arena_alloc(im->mem, sizeof(*w))) == NULL) {
		im->no_memory = true;
		return;
	}
	w->word = name;
	w->next = *list;
	*list = w;
	im->echo = im->echo || echo;
}

static bool
is_service_name(const char *name)
{
	size_t n = strlen(name);

	for (size_t i = 0; i < n; i++)
		if (name[i] <= 0x20 || name[i] > 0x7e ||
		    strchr("\"(),/:;<=>?@[\\]{}#", name[i]) != NULL)
			return false;
	return n > 0 && n <= 31;
}

void
import_cicap_alias(
    struct import *im, struct import_line *l, const struct import_row *row)
{
	const char *to = l->nwords > 2 ? l->words[2] : "", *args;
	size_t n = strcspn(to, "?");
	char *service = import_printf(im, "%.*s", (int)n, to);

	(void)row;
	args = to[n] == '?' ? to + n + 1 : "";
	if (service == NULL)
		return;
	im->services = true;
	if (!is_scanner(service) && !is_echo(service) &&
	    !has_alias(im->aliases, service)) {
		import_end_differs(l, "an alias of a service that tolsey does "
				      "not have: clients that ask for it are "
				      "answered 404");
		return;
	}
	if (!is_service_name(l->words[1])) {
		import_end_differs(l, "not a name of a service here: 1 to 31 "
				      "letters, digits and -._~");
		return;
	}
	add_alias(im, l, l->words[1], is_echo(service));
	l->remark = argument_remark(im, args);
	if (l->remark != NULL && l->remark[0] == '\0')
		l->remark = NULL;
}

void
import_cicap_default_service(
    struct import *im, struct import_line *l, const struct import_row *row)
{
	const char *name = l->words[1];

	(void)row;
	im->default_service = name;
	if (is_echo(name)) {
		im->services = im->echo = true;
		l->end = IMPORT_TRANSLATED;
		l->into = "Default on, in the service echo";
	} else if (is_scanner(name) || has_alias(im->aliases, name)) {
		import_end_default(l, NULL);
	} else {
		import_end_differs(l, "tolsey has no such service; the "
				      "default is avscan");
	}
}

void
import_cicap_module(
    struct import *im, struct import_line *l, const struct import_row *row)
{
	const char *file = l->words[l->nwords - 1];

	(void)im;
	(void)row;
	if (strcasestr(file, "clamav_mod") != NULL)
		import_end_needless(l, "the engine is inside");
	else if (strcasestr(file, "clamd_mod") != NULL)
		import_end_differs(l,
		    "the engine is inside, no clamd is asked; "
		    "give its clamd.conf to import as well");
	else if (strcasestr(file, "sys_logger") != NULL)
		import_end_differs(l, "write LogFile syslog");
	else
		import_end_differs(l, "c-icap's modules cannot be loaded; what "
				      "this one did is missing");
}

void
import_cicap_include(
    struct import *im, struct import_line *l, const struct import_row *row)
{
	(void)row;
	import_include(im, l);
}

/* ---- single values ---- */

void
import_cicap_admin(
    struct import *im, struct import_line *l, const struct import_row *row)
{
	(void)row;
	if (strcasecmp(l->words[1], "you@your.address") == 0) {
		import_end_needless(l, "nobody has filled it in; Contact is "
				       "shown on the page");
		return;
	}
	im->contact = l->words[1];
	l->end = IMPORT_TRANSLATED;
	l->into = import_printf(im, "Contact %s, in the services", l->words[1]);
}

void
import_cicap_servers(
    struct import *im, struct import_line *l, const struct import_row *row)
{
	uint64_t n;

	if (str_to_u64(slice_of(l->words[1]), 1000000, &n) == -1) {
		import_end_differs(l, "not a number; the default stays");
		return;
	}
	if (strcasecmp(l->words[0], "MaxServers") == 0)
		im->servers = n;
	else
		im->threads = n;
	import_end_needless(l, row->remark);
}

void
import_cicap_keep_alive_requests(
    struct import *im, struct import_line *l, const struct import_row *row)
{
	(void)row;
	if (strcmp(l->words[1], "-1") == 0)
		import_end_default(l, NULL); /* no limit */
	else
		import_set(im, l, "MaxKeepAliveRequests",
		    import_word(im, l->words[1]), NULL);
}

void
import_cicap_max_connections(
    struct import *im, struct import_line *l, const struct import_row *row)
{
	(void)row;
	if (strcmp(l->words[1], "-1") == 0 || strcmp(l->words[1], "0") == 0)
		import_end_default(l, NULL);
	else
		import_set(im, l, "MaxConnections",
		    import_word(im, l->words[1]), "for all services together");
}

void
import_cicap_tmpdir(
    struct import *im, struct import_line *l, const struct import_row *row)
{
	(void)row;
	if (strcmp(l->words[1], "/tmp") == 0 ||
	    strcmp(l->words[1], "/var/tmp") == 0)
		import_end_needless(l, "large bodies are in /var/tmp, without "
				       "a name (SpoolDirectory)");
	else
		import_set(im, l, "SpoolDirectory",
		    import_word(im, l->words[1]),
		    "the folder must be there, and belong to the account "
		    "tolsey with mode 0700, or have the sticky bit");
}

void
import_cicap_debug(
    struct import *im, struct import_line *l, const struct import_row *row)
{
	uint64_t n;

	(void)row;
	if (str_to_u64(slice_of(l->words[1]), 1000, &n) == -1)
		import_end_differs(l, "not a number; the default stays");
	else if (n > 3)
		import_set(im, l, "LogLevel", "debug", NULL);
	else
		import_end_default(l, NULL);
}

void
import_cicap_access_log(
    struct import *im, struct import_line *l, const struct import_row *row)
{
	(void)im;
	(void)row;
	if (l->nwords > 2)
		import_end_differs(l, "lines are key=value and have no other "
				      "format, and are not chosen by rules "
				      "(LogAccess); AccessLogFile is the file");
	else
		import_end_needless(l, "AccessLogFile: together with LogFile "
				       "by default; the lines are key=value");
}

void
import_cicap_templates(
    struct import *im, struct import_line *l, const struct import_row *row)
{
	const char *v = l->words[1];
	size_t n = strlen(v);

	(void)im;
	while (n > 1 && v[n - 1] == '/')
		n--;
	if (slice_eq((struct slice){ v, n },
		SLICE_LIT("/usr/share/c_icap/templates")) ||
	    strcasecmp(v, "en") == 0)
		import_end_needless(l, row->remark);
	else
		import_end_differs(l, row->remark);
}

void
import_cicap_user_header(
    struct import *im, struct import_line *l, const struct import_row *row)
{
	(void)im;
	(void)row;
	if (strcasecmp(l->words[1], "X-Authenticated-User") == 0 ||
	    strcasecmp(l->words[1], "X-Client-Username") == 0)
		import_end_default(l, NULL);
	else
		import_end_differs(l, "users are taken from "
				      "X-Authenticated-User and "
				      "X-Client-Username only");
}

void
import_cicap_percent(
    struct import *im, struct import_line *l, const struct import_row *row)
{
	(void)im;
	if (strcmp(l->words[1], "0") == 0)
		import_end_default(l, NULL);
	else
		import_end_differs(l, row->remark);
}

void
import_cicap_transfer(
    struct import *im, struct import_line *l, const struct import_row *row)
{
	(void)im;
	if (l->nwords == 2 && strcmp(l->words[1], "*") == 0)
		import_end_default(l, NULL);
	else
		import_end_differs(l, row->remark);
}

/* ---- together ---- */

/* As many clients at a time as before, if those were more than ours. */
static void
connections_finish(struct import *im)
{
	char value[32];

	if (im->servers == 0 || im->threads == 0 ||
	    im->servers * im->threads <= 1000)
		return;
	for (struct import_line *l = im->lines; l != NULL; l = l->next) {
		if (l->nwords == 0 || l->kind != IMPORT_CICAP ||
		    strcasecmp(l->words[0], "MaxServers") != 0)
			continue;
		(void)snprintf(value, sizeof(value), "%llu",
		    (unsigned long long)(im->servers * im->threads));
		l->end = IMPORT_OPEN;
		import_set(im, l, "MaxConnections", value,
		    "MaxServers times ThreadsPerChild");
		return;
	}
}

void
import_cicap_finish(struct import *im)
{
	access_finish(im);
	connections_finish(im);
}
