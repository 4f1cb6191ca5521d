/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "conf/conf_int.h"

#include <string.h>

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
is_control(char c)
{
	return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

/* The byte that the escape at in (behind the backslash) stands for, or -1. */
static int
unescape(const char **in)
{
	uint64_t v;

	switch (*(*in)++) {
	case '\\':
		return '\\';
	case '"':
		return '"';
	case 'n':
		return '\n';
	case 'r':
		return '\r';
	case 't':
		return '\t';
	case 'x':
		if (strnlen(*in, 2) < 2 ||
		    str_hex_to_u64((struct slice){ *in, 2 }, &v) == -1 ||
		    v == 0)
			return -1;
		*in += 2;
		return (int)v;
	default:
		return -1;
	}
}

/* *at is behind the opening quote; the word is written over the text. */
static int
lex_quoted(char **at, char **word, const char **what)
{
	const char *in = *at;
	char *out = *at;
	int c;

	*word = *at;
	while (*in != '"') {
		if (*in == '\0') {
			*what = "a quoted text does not end on its line; close "
				"it with \"";
			return -1;
		}
		if (is_control(*in)) {
			*what = "a control character; write \\n or \\xHH";
			return -1;
		}
		if (*in != '\\') {
			*out++ = *in++;
			continue;
		}
		in++;
		if ((c = unescape(&in)) == -1) {
			*what = "an unknown escape; known are \\\\ \\\" \\n "
				"\\r \\t \\xHH";
			return -1;
		}
		*out++ = (char)c;
	}
	in++;
	if (*in != '\0' && !is_blank(*in)) {
		*what = "text right behind a closing quote; put a blank "
			"between";
		return -1;
	}
	*at += in - *at;
	if (**at != '\0')
		(*at)++;
	*out = '\0';
	return 1;
}

static int
lex_bare(char **at, char **word, const char **what)
{
	char *p = *at;

	*word = p;
	for (; *p != '\0' && !is_blank(*p); p++) {
		if (*p == '"') {
			*what = "a quote inside a word; put the whole value "
				"in quotes";
			return -1;
		}
		if (is_control(*p)) {
			*what = "a control character; write it as \\xHH in "
				"quotes";
			return -1;
		}
	}
	if (*p != '\0')
		*p++ = '\0';
	*at = p;
	return 1;
}

int
conf_lex(char **at, char **word, const char **what)
{
	while (is_blank(**at))
		(*at)++;
	if (**at == '\0' || **at == '#')
		return 0;
	if (**at == '"') {
		(*at)++;
		return lex_quoted(at, word, what);
	}
	return lex_bare(at, word, what);
}

ssize_t
conf_lex_all(char *line, char *words[CONF_WORDS_MAX], const char **what)
{
	size_t n = 0;
	char *word;
	int rc;

	while ((rc = conf_lex(&line, &word, what)) == 1) {
		if (n == CONF_WORDS_MAX) {
			*what = "more than 256 words; repeat the directive";
			return -1;
		}
		words[n++] = word;
	}
	return rc == 0 ? (ssize_t)n : -1;
}
