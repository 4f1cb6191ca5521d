/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* The syntax of files. Each test works in a folder of its own. */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "conf/conf.h"

static char sample_path[4096];

static void
put(const char *name, const void *text, size_t len)
{
	FILE *f = fopen(name, "w");

	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	assert_int_equal(fclose(f), 0);
}
#define PUT(name, text) put(name, text, strlen(text))

static int
setup(void **state)
{
	char *dir = strdup("/tmp/tolsey-conf-XXXXXX");

	*state = dir;
	return dir != NULL && mkdtemp(dir) != NULL ? chdir(dir) : -1;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
	(void)st;
	(void)type;
	(void)ftw;
	return remove(path);
}

static int
teardown(void **state)
{
	int rc = chdir("/");

	rc |= nftw(*state, remove_one, 8, FTW_DEPTH | FTW_PHYS);
	free(*state);
	return rc;
}

static struct conf *
load_file(void)
{
	struct conf_errors err;
	struct conf *c;

	conf_errors_init(&err);
	c = conf_load("t.conf", NULL, 0, &err);
	assert_string_equal(buf_cstr(&err.text), "");
	assert_non_null(c);
	conf_errors_free(&err);
	return c;
}

static struct conf *
load_text(const char *text)
{
	PUT("t.conf", text);
	return load_file();
}

/* t.conf, as it is, gives exactly these lines. */
static void
file_refused(const char *want)
{
	struct conf_errors err;
	unsigned int lines = 0;

	conf_errors_init(&err);
	assert_null(conf_load("t.conf", NULL, 0, &err));
	assert_string_equal(buf_cstr(&err.text), want);
	for (const char *p = want; *p != '\0'; p++)
		lines += *p == '\n';
	assert_int_equal(err.count, lines);
	conf_errors_free(&err);
}

static void
refused(const char *text, const char *want)
{
	PUT("t.conf", text);
	file_refused(want);
}

/* Whichever of the words for it is written. */
static void
things_left_out(void **state)
{
	static const char *const words[] = { "\"\"", "none", "off" };
	struct conf *c;
	char text[300];

	(void)state;
	for (size_t i = 0; i < COUNTOF(words); i++) {
		(void)snprintf(text, sizeof(text),
		    "MetricsListen %s\nPidFile %s\nControlSocket %s\n"
		    "ClamdSocket %s\nScanSocket %s\nAccessLogFile %s\n",
		    words[i], words[i], words[i], words[i], words[i], words[i]);
		c = load_text(text);
		assert_string_equal(c->metrics_listen, "");
		assert_string_equal(c->pid_file, "");
		assert_string_equal(c->control_socket, "");
		assert_int_equal(c->clamd_socket.n, 1);
		assert_string_equal(c->clamd_socket.v[0], "none");
		assert_string_equal(c->scan_socket, "off");
		assert_string_equal(c->access_log_file, "");
		conf_unref(&c);
	}
	refused("DatabaseDirectory off\n",
	    "t.conf:1: DatabaseDirectory 'off': neither an absolute path nor "
	    "the word embedded\n");
}

static void
reads_a_file(void **state)
{
	struct conf *c;
	const struct conf_service *s;

	(void)state;
	c = load_text("# comment\n\n \t\n"
		      "  listen\t10.0.0.1:1344 # the inner side\r\n"
		      "Listen [::1]:1344 127.0.0.1:1344\n"
		      "MaxObjectSize 10m\n"
		      "SpoolDirectory \"/var/tmp/a b\"\n"
		      "\t<service  gate># first\n"
		      "UseModule clamav_scan\n"
		      "Alias one two\n"
		      "Alias three\n"
		      "StreamTypes a/b \"c d\"\n"
		      "StreamTypes e/f\n"
		      "Contact \"a\\\\b\\\"c\\n\\r\\t\\x7e # no comment\"\n"
		      "OnPua block\n"
		      "</SERVICE>\n"
		      "<Service other>\n"
		      "MaxObjectSize 20m\n"
		      "Default on\n"
		      "</Service> \n"
		      "QueueTimeout 1500ms");
	s = &c->services[0];
	assert_int_equal(c->listen.n, 3);
	assert_string_equal(c->listen.v[1], "[::1]:1344");
	assert_string_equal(c->spool_directory, "/var/tmp/a b");
	assert_int_equal(c->queue_timeout, 1500);
	assert_int_equal(c->nservices, 2);
	assert_string_equal(s->name, "gate");
	assert_string_equal(s->file, "t.conf");
	assert_int_equal(s->line, 8);
	assert_int_equal(s->max_object_size, 10 << 20);
	assert_int_equal(s->actions[OUTCOME_PUA], ACTION_BLOCK);
	assert_int_equal(s->aliases.n, 3);
	assert_string_equal(s->aliases.v[2], "three");
	assert_string_equal(s->contact, "a\\b\"c\n\r\t~ # no comment");
	assert_int_equal(s->nextra, 2);
	assert_string_equal(s->extra[0].name, "StreamTypes");
	assert_string_equal(s->extra[0].value, "a/b c d");
	assert_int_equal(s->extra[1].line, 13);
	assert_int_equal(c->services[1].max_object_size, 20 << 20);
	assert_int_equal(c->services[1].on_pua, ACTION_PASS);
	assert_int_equal(c->services[1].index, 1);
	conf_unref(&c);
}

static void
finds_services(void **state)
{
	struct conf *c;

	(void)state;
	c = load_text("<Service A>\nAlias x\n</Service>\n"
		      "<Service b>\nAlias Y\nDefault on\n</Service>\n");
	assert_ptr_equal(conf_service_find(c, SLICE_LIT("A")), &c->services[0]);
	assert_ptr_equal(conf_service_find(c, SLICE_LIT("a")), &c->services[0]);
	assert_ptr_equal(conf_service_find(c, SLICE_LIT("X")), &c->services[0]);
	assert_ptr_equal(conf_service_find(c, SLICE_LIT("y")), &c->services[1]);
	assert_ptr_equal(conf_service_find(c, SLICE_LIT("")), &c->services[1]);
	assert_null(conf_service_find(c, SLICE_LIT("z")));
	conf_unref(&c);
	c = load_text("<Service A>\n</Service>\n<Service b>\n</Service>\n");
	assert_ptr_equal(conf_service_find(c, SLICE_NONE), &c->services[0]);
	conf_unref(&c);
	c = load_text("");
	assert_ptr_equal(conf_service_find(c, SLICE_LIT("SYMCScanResp-AV")),
	    &c->services[0]);
	assert_ptr_equal(
	    conf_service_find(c, SLICE_LIT("RESPMOD")), &c->services[0]);
	conf_unref(&c);
}

static void
options_replace_the_file(void **state)
{
	static const char *const o[] = { "Listen 127.0.0.1:1",
		"Listen 127.0.0.1:2", "MaxObjectSize 3M", "Contact me" };
	struct conf_errors err;
	struct conf *c;

	(void)state;
	PUT("t.conf", "Listen 10.0.0.1:9\nMaxObjectSize 5M\n"
		      "<Service a>\nMaxObjectSize 7M\nContact you\n</Service>\n"
		      "<Service b>\n</Service>\n");
	conf_errors_init(&err);
	c = conf_load("t.conf", o, COUNTOF(o), &err);
	assert_non_null(c);
	assert_int_equal(c->listen.n, 2);
	assert_string_equal(c->listen.v[0], "127.0.0.1:1");
	assert_int_equal(c->services[0].max_object_size, 7 << 20);
	assert_int_equal(c->services[1].max_object_size, 3 << 20);
	assert_string_equal(c->services[0].contact, "you");
	assert_string_equal(c->services[1].contact, "me");
	conf_unref(&c);
	assert_null(conf_load("t.conf",
	    (const char *const[]){ "User a", "User b", "Alias q" }, 3, &err));
	assert_string_equal(buf_cstr(&err.text),
	    "-o:2: User 'b': already given at -o:1; remove one of them\n"
	    "-o:3: Alias 'q': there are several services without Alias; "
	    "write it into a <Service> block\n");
	conf_errors_free(&err);
}

static void
names_file_and_line(void **state)
{
	(void)state;
	refused("\nListne 127.0.0.1:1\n",
	    "t.conf:2: Listne '127.0.0.1:1': unknown directive; did you mean "
	    "Listen?\n");
	refused("# a\n# b\nUser a\n\nuser b\n",
	    "t.conf:5: user 'b': already given at t.conf:3; remove one of "
	    "them\n");
	refused("User a b\n",
	    "t.conf:1: User 'a b': one value is expected; put a value with "
	    "blanks into \"quotes\"\n");
	refused("User\n", "t.conf:1: User '': the value is missing\n");
	refused("Contact x\n", "t.conf:1: Contact 'x': it belongs into a "
			       "<Service> block; move it there\n");
	refused("<Service a>\nListen 1.2.3.4:5\n</Service>\n",
	    "t.conf:2: Listen '1.2.3.4:5': it belongs outside of <Service> "
	    "blocks; move it out\n");
	refused("<Service a>\nPreview on\nPreview off\n</Service>\n",
	    "t.conf:3: Preview 'off': already given at t.conf:2; remove one "
	    "of them\n");
	refused("Listen 127.0.0.1:1\nListen 127.0.0.1:1\n",
	    "t.conf:2: Listen '127.0.0.1:1': 127.0.0.1:1 is given twice; "
	    "remove one\n");
	refused("Module \"\"\n", "t.conf:1: Module '': not the name of a "
				 "module: letters a-z, digits, _ and -, or an "
				 "absolute path\n");
}

static void
several_errors_in_one_run(void **state)
{
	(void)state;
	refused("ScanTimeout 1x\nUsr a\n<Service a>\nMonitor 2\n</Service>\n",
	    "t.conf:1: ScanTimeout '1x': not a time, write a number with ms, "
	    "s, m, h or d; allowed is 100ms to 1h\n"
	    "t.conf:2: Usr 'a': unknown directive; did you mean User?\n"
	    "t.conf:4: Monitor '2': neither yes (on, true, 1) nor no (off, "
	    "false, 0)\n");
}

static void
refuses_bad_text(void **state)
{
	char line[8300];
	struct conf *c;

	(void)state;
	refused("User \"a\n", "t.conf:1: a quoted text does not end on its "
			      "line; close it with \"\n");
	refused("User \"a\\\n", "t.conf:1: an unknown escape; known are \\\\ "
				"\\\" \\n \\r \\t \\xHH\n");
	refused("User \"\\x00\"\n", "t.conf:1: an unknown escape; known are "
				    "\\\\ \\\" \\n \\r \\t \\xHH\n");
	refused("User \"\\x1\"\n", "t.conf:1: an unknown escape; known are "
				   "\\\\ \\\" \\n \\r \\t \\xHH\n");
	refused("User \"a\"b\n", "t.conf:1: text right behind a closing "
				 "quote; put a blank between\n");
	refused("User a\"b\"\n", "t.conf:1: a quote inside a word; put the "
				 "whole value in quotes\n");
	refused("User a\vb\n", "t.conf:1: a control character; write it as "
			       "\\xHH in quotes\n");
	put("t.conf", "User a\nUser \0b\n", 15);
	file_refused("t.conf:2: a NUL byte; this is not a text file\n");
	memset(line, 'x', sizeof(line));
	memcpy(line, "#", 1);
	line[8192] = '\n';
	line[8193] = '\0';
	c = load_text(line);
	conf_unref(&c);
	line[8192] = 'x';
	line[8193] = '\n';
	line[8194] = '\0';
	refused(
	    line, "t.conf:1: the line is longer than 8192 bytes; split it\n");
}

static void
sections(void **state)
{
	(void)state;
	refused("User a\n<Service a>\n",
	    "t.conf:2: this <Service> is not ended; add a line </Service>\n");
	refused("</Service>\n", "t.conf:1: /Service '': no <Service> is open "
				"in this file; remove it\n");
	refused("<Service a>\n<Service b>\n</Service>\n",
	    "t.conf:2: Service 'b': the <Service> of t.conf:1 is still open; "
	    "end it with </Service>\n");
	refused("<Service a\n</Service>\n",
	    "t.conf:1: a section does not end with >; write <Service NAME>\n"
	    "t.conf:2: /Service '': no <Service> is open in this file; "
	    "remove it\n");
	refused("<Service a> x\n</Service>\n",
	    "t.conf:1: a section does not end with >; write <Service NAME>\n"
	    "t.conf:2: /Service '': no <Service> is open in this file; "
	    "remove it\n");
	refused("<Listener a>\n", "t.conf:1: Listener 'a': unknown section; "
				  "there is only <Service NAME> and "
				  "</Service>\n");
	refused("<>\n", "t.conf:1: a section has no name; write <Service "
			"NAME>\n");
}

static void
service_names(void **state)
{
	struct conf *c;

	(void)state;
	refused("<Service>\n</Service>\n",
	    "t.conf:1: Service '': one name of 1 to 31 letters, digits and "
	    "!#$%&'*+-.^_`|~ is expected\n");
	refused("<Service a b>\n</Service>\n",
	    "t.conf:1: Service 'a b': one name of 1 to 31 letters, digits and "
	    "!#$%&'*+-.^_`|~ is expected\n");
	refused("<Service a/b>\n</Service>\n",
	    "t.conf:1: Service 'a/b': one name of 1 to 31 letters, digits and "
	    "!#$%&'*+-.^_`|~ is expected\n");
	c = load_text(
	    "<Service 1234567890123456789012345678901>\n</Service>\n");
	conf_unref(&c);
	refused("<Service 12345678901234567890123456789012>\n</Service>\n",
	    "t.conf:1: Service '12345678901234567890123456789012': one name "
	    "of 1 to 31 letters, digits and !#$%&'*+-.^_`|~ is expected\n");
	refused("<Service a>\n</Service>\n<Service A>\n</Service>\n",
	    "t.conf:3: Service 'A': the name A is already used at t.conf:1; "
	    "names of services and aliases are unique in any case\n");
	refused("<Service a>\nAlias x\nAlias y X\n</Service>\n",
	    "t.conf:3: Alias 'y X': the name X is already used at t.conf:2; "
	    "names of services and aliases are unique in any case\n");
	refused("<Service a>\nAlias \"x y\"\n</Service>\n",
	    "t.conf:2: Alias 'x y': not a name of 1 to 31 letters, digits "
	    "and !#$%&'*+-.^_`|~\n");
	refused("<Service a>\nDefault on\n</Service>\n"
		"<Service b>\nDefault on\n</Service>\n",
	    "t.conf:5: Default 'on': the service a is already the default; "
	    "only one can be\n");
}

static void
at_most_64_services(void **state)
{
	struct buf b;
	struct conf *c;

	(void)state;
	buf_init(&b, 10000);
	for (unsigned int i = 0; i < 64; i++)
		assert_int_equal(
		    buf_printf(&b, "<Service s%u>\n</Service>\n", i), 0);
	c = load_text(buf_cstr(&b));
	assert_int_equal(c->nservices, 64);
	assert_int_equal(c->services[63].index, 63);
	conf_unref(&c);
	assert_int_equal(
	    buf_append_str(&b, "<Service t>\nUsr x\n</Service>\n"), 0);
	refused(
	    buf_cstr(&b), "t.conf:129: Service 't': more than 64 services\n");
	buf_free(&b);
}

static void
values_are_checked(void **state)
{
	static const char *const bad[] = { "1.2.3.4", "1.2.3.4:0",
		"1.2.3.4:65536", "::1:1344", "[::1]", "[1.2.3.4]:1",
		"localhost:1344", ":1344", "1.2.3:4", "/run/x",
		"1.2.3.4:1344x" };
	char text[100], want[400];

	(void)state;
	for (size_t i = 0; i < COUNTOF(bad); i++) {
		(void)snprintf(text, sizeof(text), "Listen %s\n", bad[i]);
		(void)snprintf(want, sizeof(want),
		    "t.conf:1: Listen '%s': not an address; write IPV4:PORT or "
		    "[IPV6]:PORT with a port of 1 to 65535, as 127.0.0.1:1344 "
		    "(0.0.0.0 or [::]: all), or unix:/PATH, or "
		    "systemd:NAME\n",
		    bad[i]);
		refused(text, want);
	}
	refused("MetricsListen 0.0.0.0:1\n",
	    "t.conf:1: MetricsListen '0.0.0.0:1': not a loopback address with "
	    "a port of 1 to 65535; write 127.0.0.1:PORT or [::1]:PORT, or "
	    "off\n");
	refused("MetricsListen 127.0.0.1:1344\n",
	    "t.conf:1: MetricsListen '127.0.0.1:1344': Listen has the same "
	    "address; choose another port\n");
	refused("PidFile x\n", "t.conf:1: PidFile 'x': not an absolute path; "
			       "begin it with /\n");
	refused("LogFile x\n", "t.conf:1: LogFile 'x': neither stderr, syslog "
			       "nor an absolute path\n");
	refused("DatabaseDirectory x\n",
	    "t.conf:1: DatabaseDirectory 'x': neither an absolute path nor "
	    "the word embedded\n");
	refused("StallPoke 1ms\n", "t.conf:1: StallPoke '1ms': neither auto, "
				   "off nor a time of 10ms to 1m\n");
	refused("ScanWorkers 1\nNetProcesses 2\n",
	    "t.conf:2: NetProcesses '2': each needs a scan worker of its own "
	    "and there are 1; raise ScanWorkers\n");
	refused("PidFile /x\nControlSocket /x\n",
	    "t.conf:1: PidFile '/x': ControlSocket has the same path; choose "
	    "another\n");
}

/* A name with [ is a pattern; the folder of the including file never is. */
static void
include_patterns(void **state)
{
	struct conf_errors err;
	struct conf *c;

	(void)state;
	assert_int_equal(mkdir("d[x]", 0700), 0);
	assert_int_equal(mkdir("d[x]/e", 0700), 0);
	PUT("d[x]/main.conf", "Include e/*.conf\nInclude none/*.conf\n"
			      "Include last.conf\n");
	PUT("d[x]/e/1.conf", "User one\n");
	PUT("d[x]/e/2.conf", "<Service a>\nInclude \"../alias\"\n</Service>\n");
	PUT("d[x]/alias", "Alias b");
	PUT("d[x]/last.conf", "PidFile /x\n");
	conf_errors_init(&err);
	c = conf_load("d[x]/main.conf", NULL, 0, &err);
	assert_string_equal(buf_cstr(&err.text), "");
	assert_non_null(c);
	assert_string_equal(c->user, "one");
	assert_string_equal(c->pid_file, "/x");
	assert_string_equal(c->services[0].aliases.v[0], "b");
	assert_string_equal(c->services[0].file, "d[x]/e/2.conf");
	conf_unref(&c);
	conf_errors_free(&err);
}

static void
wrong_includes(void **state)
{
	struct conf_errors err;

	(void)state;
	refused("User a\nInclude none.conf\n",
	    "t.conf:2: Include 'none.conf': none.conf cannot be read: No such "
	    "file or directory\n");
	refused("Include /\n", "t.conf:1: Include '/': / cannot be read: not a "
			       "regular file\n");
	assert_int_equal(mkfifo("fifo", 0600), 0);
	refused("Include fifo\n", "t.conf:1: Include 'fifo': fifo cannot be "
				  "read: not a regular file\n");
	assert_int_equal(unlink("fifo"), 0);
	refused("Include\n", "t.conf:1: Include '': one file name is "
			     "expected\n");
	refused("Include a b\n", "t.conf:1: Include 'a b': one file name is "
				 "expected\n");
	refused("Include t.conf\n",
	    "t.conf:1: Include is nested deeper than 8 files, or there are "
	    "more than 256; does a file include itself?\n");
	PUT("i.conf", "User b\n");
	refused("User a\nInclude i.conf\n",
	    "i.conf:1: User 'b': already given at t.conf:1; remove one of "
	    "them\n");
	PUT("i.conf", "</Service>\n");
	refused("<Service a>\nInclude i.conf\n</Service>\n",
	    "i.conf:1: /Service '': no <Service> is open in this file; remove "
	    "it\n");
	PUT("i.conf", "<Service a>\n");
	refused("Include i.conf\nUser x\n",
	    "i.conf:1: this <Service> is not ended; add a line </Service>\n");
	conf_errors_init(&err);
	assert_null(conf_load("none/x.conf", NULL, 0, &err));
	assert_string_equal(buf_cstr(&err.text),
	    "none/x.conf: cannot be read: No such file or directory; name the "
	    "configuration with -c\n");
	conf_errors_free(&err);
}

/*
 * The sample with every # taken away that stands right in front of a directive
 * is the default configuration.
 */
static void
sample_is_the_default(void **state)
{
	FILE *in = fopen(sample_path, "r"), *out = fopen("t.conf", "w");
	struct conf_errors err;
	struct conf *c, *d;
	size_t n = 0;
	char line[1024];
	struct buf why;

	(void)state;
	assert_true(in != NULL && out != NULL);
	while (fgets(line, sizeof(line), in) != NULL)
		if (line[0] == '#' && strchr(" \n", line[1]) == NULL)
			n += fputs(line + 1, out) >= 0;
	assert_true(n > conf_ndirectives / 2);
	assert_int_equal(fclose(in), 0);
	assert_int_equal(fclose(out), 0);
	c = load_file();
	conf_errors_init(&err);
	assert_non_null(d = conf_load(NULL, NULL, 0, &err));
	buf_init(&why, 1000);
	for (unsigned int k = CONF_LIVE; k <= CONF_START; k++)
		assert_false(conf_changed(c, d, (enum conf_class)k, &why));
	assert_int_equal(c->nservices, 2);
	buf_free(&why);
	conf_errors_free(&err);
	conf_unref(&c);
	conf_unref(&d);
}

/* Any byte string gives a snapshot or errors, and ends. */
static void
survives_rubbish(void **state)
{
	static const char seedtext[] =
	    "User \"a\\x41\" #\n<Service a>\nAlias b \\\n</Service>\n"
	    "Listen 1.2.3.4:5\n";
	char text[sizeof(seedtext)];
	struct conf_errors err;
	struct conf *c;
	uint32_t r = 1;

	(void)state;
	for (unsigned int i = 0; i < 2000; i++) {
		memcpy(text, seedtext, sizeof(text));
		for (unsigned int j = 0; j < 3; j++) {
			r = r * 1664525u + 1013904223u;
			text[(r >> 8) % (sizeof(text) - 1)] = (char)(r >> 24);
		}
		put("t.conf", text, sizeof(text) - 1);
		conf_errors_init(&err);
		c = conf_load("t.conf", NULL, 0, &err);
		assert_int_equal(c == NULL, err.count > 0);
		conf_unref(&c);
		conf_errors_free(&err);
	}
}

#define IN_FOLDER(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		IN_FOLDER(reads_a_file),
		IN_FOLDER(things_left_out),
		IN_FOLDER(finds_services),
		IN_FOLDER(options_replace_the_file),
		IN_FOLDER(names_file_and_line),
		IN_FOLDER(several_errors_in_one_run),
		IN_FOLDER(refuses_bad_text),
		IN_FOLDER(sections),
		IN_FOLDER(service_names),
		IN_FOLDER(at_most_64_services),
		IN_FOLDER(values_are_checked),
		IN_FOLDER(include_patterns),
		IN_FOLDER(wrong_includes),
		IN_FOLDER(sample_is_the_default),
		IN_FOLDER(survives_rubbish),
	};
	const char *srcdir = getenv("srcdir");
	char *top = realpath(srcdir != NULL ? srcdir : ".", NULL);

	if (top == NULL)
		return 1;
	(void)snprintf(
	    sample_path, sizeof(sample_path), "%s/etc/tolsey.conf.sample", top);
	free(top);

	return cmocka_run_group_tests(tests, NULL, NULL);
}
