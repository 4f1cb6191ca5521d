/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* Settings that are permitted, and that the operator should think about. */
#include "conf/conf_int.h"

#include <string.h>

#define SQUID_BUFFER ((uint64_t)65536) /* one byte of it is not used */

static uint64_t
number(const struct conf_service *s, enum conf_id id)
{
	return *(const uint64_t *)conf_field_const(
	    &conf_directives[id], s, true);
}

/* "FILE:LINE" only for a block that the operator wrote. */
static void
warn_service(struct conf_errors *w, const struct conf_service *s,
    const char *what, const char *text)
{
	bool written = strcmp(s->file, "built-in") != 0;

	conf_errors_add(w, written ? s->file : NULL, written ? s->line : 0,
	    "service %s: %s: %s", s->name, what, text);
}

static void
add_setting(struct buf *b, enum conf_id id, const struct conf_service *s)
{
	const struct conf_directive *d = &conf_directives[id];

	(void)buf_printf(b, "%s ", d->name);
	(void)conf_print(b, d, conf_field_const(d, s, true));
}

static void
warn_pair(struct conf_errors *w, const struct conf_service *s,
    enum conf_id larger, enum conf_id smaller, const char *text)
{
	struct buf b;

	buf_init(&b, 256);
	add_setting(&b, larger, s);
	(void)buf_append_str(&b, " is larger than ");
	add_setting(&b, smaller, s);
	warn_service(w, s, buf_cstr(&b), text);
	buf_free(&b);
}

/* An earlier service has the same two values: said already. */
static bool
said_before(const struct conf *c, size_t i, enum conf_id a, enum conf_id b)
{
	for (size_t j = 0; j < i; j++)
		if (number(&c->services[j], a) == number(&c->services[i], a) &&
		    number(&c->services[j], b) == number(&c->services[i], b))
			return true;
	return false;
}

static void
warn_pairs(const struct conf *c, size_t i, struct conf_errors *w)
{
	static const struct {
		enum conf_id larger, smaller;
		const char *text;
	} rows[] = {
		{ CONF_ID_max_object_size, CONF_ID_max_scan_size,
		    "an object of a size between ends as limit" },
		{ CONF_ID_max_object_size, CONF_ID_max_file_size,
		    "an object of a size between ends as limit" },
		{ CONF_ID_max_file_size, CONF_ID_max_scan_size,
		    "MaxFileSize is never reached" },
		{ CONF_ID_max_decoded_size, CONF_ID_max_scan_size,
		    "MaxDecodedSize is never reached" },
		{ CONF_ID_max_decoded_size, CONF_ID_max_file_size,
		    "a body that decodes to a size between ends as limit" },
		{ CONF_ID_max_file_size, CONF_ID_max_html_normalize,
		    "an HTML file of a size between ends as limit" },
		{ CONF_ID_max_file_size, CONF_ID_max_html_notags,
		    "an HTML file of a size between ends as limit" },
		{ CONF_ID_max_file_size, CONF_ID_max_script_normalize,
		    "a text of a size between ends as limit" },
		{ CONF_ID_max_file_size, CONF_ID_max_embedded_pe,
		    "in a file of a size between embedded executables are not "
		    "looked for, and it can be clean" },
		{ CONF_ID_max_file_size, CONF_ID_pcre_max_file_size,
		    "to a file of a size between regular expressions are not "
		    "applied, and it can be clean" },
		{ CONF_ID_scan_timeout, CONF_ID_scan_timeout_max,
		    "ScanTimeoutMax alone counts" },
		{ CONF_ID_preview_scan_timeout, CONF_ID_scan_timeout,
		    "a scan of a preview may take longer than a whole one" },
		{ CONF_ID_preview_size, CONF_ID_max_object_size,
		    "a whole object in a preview can be too large" },
	};
	const struct conf_service *s = &c->services[i];

	for (size_t r = 0; r < COUNTOF(rows); r++)
		if (number(s, rows[r].larger) > number(s, rows[r].smaller) &&
		    !said_before(c, i, rows[r].larger, rows[r].smaller))
			warn_pair(w, s, rows[r].larger, rows[r].smaller,
			    rows[r].text);
}

/* One setting of the service against the rest of the configuration. */
static void
warn_alone(const struct conf *c, size_t i, struct conf_errors *w)
{
	const struct conf_service *s = &c->services[i];
	uint64_t spool;

	if (__builtin_add_overflow(conf_spool_memory(c), c->spool_size, &spool))
		spool = UINT64_MAX;
	if (s->max_object_size > spool &&
	    !said_before(
		c, i, CONF_ID_max_object_size, CONF_ID_max_object_size))
		warn_service(w, s, "MaxObjectSize",
		    "larger than SpoolMemory and SpoolSize together; such an "
		    "object ends as overload");
	if (s->preview_size >= SQUID_BUFFER &&
	    !said_before(c, i, CONF_ID_preview_size, CONF_ID_preview_size))
		warn_service(w, s, "PreviewSize",
		    "Squid keeps at most 65535 bytes of a body: with larger "
		    "bodies it waits for ever for the rest of its preview");
	if (s->scan_timeout > c->shutdown_timeout && c->shutdown_timeout > 0 &&
	    !said_before(c, i, CONF_ID_scan_timeout, CONF_ID_scan_timeout))
		warn_service(w, s, "ScanTimeout",
		    "longer than ShutdownTimeout; a shutdown can cut a scan");
	if (c->worker_temp_size > 0 && s->max_file_size > c->worker_temp_size &&
	    !said_before(c, i, CONF_ID_max_file_size, CONF_ID_max_file_size))
		warn_service(w, s, "MaxFileSize",
		    "larger than WorkerTempSize; a member of a size between "
		    "ends as failed");
	if (c->worker_temp_size > 0 &&
	    s->max_decoded_size > c->worker_temp_size &&
	    !said_before(
		c, i, CONF_ID_max_decoded_size, CONF_ID_max_decoded_size))
		warn_service(w, s, "MaxDecodedSize",
		    "larger than WorkerTempSize; a body that decodes to a "
		    "size between ends as failed");
	if (s->monitor)
		warn_service(w, s, "Monitor on",
		    "everything is passed, malware too; it is only reported");
}

/* What the operator has switched off passes as clean: it is to be intended. */
static void
warn_parsers(const struct conf_service *s, struct conf_errors *w)
{
	static const enum conf_id rows[] = { CONF_ID_scan_archive,
		CONF_ID_scan_mail, CONF_ID_scan_html, CONF_ID_scan_pdf,
		CONF_ID_scan_ole2, CONF_ID_scan_xmldocs, CONF_ID_scan_hwp3,
		CONF_ID_scan_onenote, CONF_ID_scan_swf, CONF_ID_scan_pe,
		CONF_ID_scan_elf, CONF_ID_scan_image };
	struct buf b;

	buf_init(&b, 512);
	for (size_t i = 0; i < COUNTOF(rows); i++) {
		const struct conf_directive *d = &conf_directives[rows[i]];

		if (!*(const bool *)conf_field_const(d, s, true))
			(void)buf_printf(
			    &b, "%s%s no", b.len > 0 ? ", " : "", d->name);
	}
	if (b.len > 0)
		warn_service(w, s, buf_cstr(&b),
		    "what such files contain is not scanned, and passes as "
		    "clean");
	buf_free(&b);
}

/* Settings of the engine that have no effect without another. */
static void
warn_useless(const struct conf_service *s, struct conf_errors *w)
{
	if (!s->heuristic_alerts &&
	    (s->alert_broken_executables || s->alert_broken_media ||
		s->alert_phishing_cloak || s->alert_phishing_ssl_mismatch ||
		s->structured_data_detection))
		warn_service(w, s, "HeuristicAlerts no",
		    "other directives ask for heuristics");
	if (!s->alert_encrypted &&
	    (!s->alert_encrypted_archive || !s->alert_encrypted_doc))
		warn_service(w, s, "AlertEncrypted no",
		    "encrypted archives or documents pass as clean");
	if (!s->structured_data_detection && s->structured_ssn_stripped)
		warn_service(w, s, "StructuredSSNFormatStripped yes",
		    "without StructuredDataDetection it does nothing");
	if (!s->structured_data_detection && s->structured_cc_only)
		warn_service(w, s, "StructuredCCOnly yes",
		    "without StructuredDataDetection it does nothing");
	if (!s->scan_image && s->scan_image_fuzzy_hash)
		warn_service(w, s, "ScanImageFuzzyHash yes",
		    "without ScanImage it does nothing");
}

static void
warn_actions(const struct conf_service *s, struct conf_errors *w)
{
	struct buf b;

	buf_init(&b, 1024);
#define OUTCOME(id, word, camel, field, act, status, user_text, text) \
	if (s->actions[OUTCOME_##id] == ACTION_ERROR) \
		(void)buf_printf( \
		    &b, "%sOn" #camel " error", b.len > 0 ? ", " : "");
#define OUTCOME_WITHOUT_CLEAN
#include "base/outcome.def"
	if (b.len > 0)
		warn_service(w, s, buf_cstr(&b),
		    "Squid suspends a service for everybody after 10 ICAP "
		    "errors");
	buf_free(&b);
	if (s->actions[OUTCOME_INFECTED] == ACTION_PASS)
		warn_service(w, s, "OnInfected pass", "malware is passed");
}

/* The first address of the list that is not of this machine alone, or NULL. */
static const char *
reachable(const struct conf_list *list)
{
	for (size_t i = 0; i < list->n; i++)
		if (strncmp(list->v[i], "127.", 4) != 0 &&
		    strncmp(list->v[i], "[::1]:", 6) != 0 &&
		    strncmp(list->v[i], "unix:", 5) != 0 &&
		    strncmp(list->v[i], "systemd", 7) != 0 &&
		    strcmp(list->v[i], "none") != 0)
			return list->v[i];
	return NULL;
}

/* SE-14: ICAP has no passwords. */
static void
warn_open(const struct conf *c, struct conf_errors *w)
{
	const char *plain = reachable(&c->listen);
	const char *tls = reachable(&c->listen_tls);
	bool any = c->allow_clients.n == 1 &&
		   strcmp(c->allow_clients.v[0], "any") == 0;

	if (any && plain != NULL)
		conf_errors_add(w, NULL, 0,
		    "Listen %s: whoever reaches it can use the server; name "
		    "its clients with AllowClients",
		    plain);
	else if (any && tls != NULL &&
		 c->tls_client_cert != CONF_TLS_CERT_REQUIRE)
		conf_errors_add(w, NULL, 0,
		    "ListenTls %s: whoever reaches it can use the server; name "
		    "its clients with AllowClients, or set TlsClientCert "
		    "require",
		    tls);
}

static void
warn_global(const struct conf *c, struct conf_errors *w)
{
	warn_open(c, w);
	if (c->sandbox == CONF_SANDBOX_OFF)
		conf_errors_add(w, NULL, 0,
		    "Sandbox off: the scan workers are not confined; for "
		    "debugging only");
	if (strcmp(c->database_directory, "embedded") == 0)
		conf_errors_add(w, NULL, 0,
		    "DatabaseDirectory embedded: only a handful of test "
		    "signatures; for trying out only");
	if (c->include_pua.n + c->exclude_pua.n > 0 && !c->detect_pua)
		conf_errors_add(w, NULL, 0,
		    "IncludePUA, ExcludePUA: without DetectPUA they do nothing");
	if (c->pcre_recmatch_limit > c->pcre_match_limit)
		conf_errors_add(w, NULL, 0,
		    "PCRERecMatchLimit is larger than PCREMatchLimit; it is "
		    "never reached");
	if (c->bytecode_unsigned)
		conf_errors_add(w, NULL, 0,
		    "BytecodeUnsigned yes: whoever writes a signature file "
		    "can run code in the workers");
	if (!c->bytecode)
		conf_errors_add(w, NULL, 0,
		    "Bytecode no: what only bytecode signatures find passes "
		    "as clean");
	if (c->log_access == CONF_LOG_ACCESS_OFF &&
	    c->access_log_file[0] != '\0')
		conf_errors_add(w, NULL, 0,
		    "LogAccess off: AccessLogFile receives no lines");
}

void
conf_warnings(const struct conf *c, struct conf_errors *warn)
{
	warn_global(c, warn);
	for (size_t i = 0; i < c->nservices; i++) {
		warn_pairs(c, i, warn);
		warn_alone(c, i, warn);
		warn_parsers(&c->services[i], warn);
		warn_useless(&c->services[i], warn);
		warn_actions(&c->services[i], warn);
	}
}
