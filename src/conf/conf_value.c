/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "conf/conf_int.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define STALL_POKE_AUTO_MS 50

/* Splits "12abc" into 12 and "abc". 0, -1 no number, 1 too large. */
static int
split_number(const char *value, uint64_t *n, const char **unit)
{
	size_t digits = strspn(value, "0123456789");

	*unit = value + digits;
	if (digits == 0)
		return -1;
	return str_to_u64((struct slice){ value, digits }, UINT64_MAX, n) == 0
		   ? 0
		   : 1;
}

/* 0 when the type has no such unit. */
static uint64_t
unit_factor(enum conf_type type, const char *unit)
{
	static const struct {
		enum conf_type type;
		const char *unit;
		uint64_t factor;
	} units[] = {
		{ CONF_UINT, "", 1 },
		{ CONF_SIZE, "", 1 },
		{ CONF_SIZE, "K", 1 << 10 },
		{ CONF_SIZE, "M", 1 << 20 },
		{ CONF_SIZE, "G", 1 << 30 },
		{ CONF_TIME, "", 1000 },
		{ CONF_TIME, "ms", 1 },
		{ CONF_TIME, "s", 1000 },
		{ CONF_TIME, "m", 60000 },
		{ CONF_TIME, "h", 3600000 },
		{ CONF_TIME, "d", 86400000 },
	};

	for (size_t i = 0; i < COUNTOF(units); i++)
		if (units[i].type == type &&
		    strcasecmp(units[i].unit, unit) == 0)
			return units[i].factor;
	return 0;
}

/* 0, -1 not of the type, 1 too large for 64 bits. */
static int
parse_number(enum conf_type type, const char *value, uint64_t *out)
{
	const char *unit;
	uint64_t n = 0, factor;
	int rc = split_number(value, &n, &unit);

	factor = unit_factor(type, unit);
	if (rc == -1 || factor == 0)
		return -1;
	if (rc == 1 || __builtin_mul_overflow(n, factor, out))
		return 1;
	return 0;
}

static const char *
what_type(enum conf_type type)
{
	if (type == CONF_SIZE)
		return "not a size, write a number of bytes or one with K, M "
		       "or G";
	if (type == CONF_TIME)
		return "not a time, write a number with ms, s, m, h or d";
	return "not a number";
}

static bool
in_range(enum conf_type type, uint64_t v, const char *min, const char *max)
{
	uint64_t bound;

	if (min != NULL) {
		CHECK(parse_number(type, min, &bound) == 0);
		if (v < bound)
			return false;
	}
	if (max != NULL) {
		CHECK(parse_number(type, max, &bound) == 0);
		if (v > bound)
			return false;
	}
	return true;
}

int
conf_value_number(enum conf_type type, const char *value, const char *min,
    const char *max, uint64_t *out, char *err, size_t errlen)
{
	uint64_t v = 0;
	int rc;

	CHECK(type == CONF_UINT || type == CONF_SIZE || type == CONF_TIME);
	rc = parse_number(type, value, &v);
	if (rc == 0 && in_range(type, v, min, max)) {
		*out = v;
		return 0;
	}
	(void)snprintf(err, errlen, "%s; allowed is %s to %s",
	    rc == -1 ? what_type(type) : "out of range",
	    min != NULL ? min : "0", max != NULL ? max : "any");
	return -1;
}

int
conf_value_bool(const char *value, bool *out)
{
	static const char *const words[] = { "no", "yes", "off", "on", "false",
		"true", "0", "1" };

	for (size_t i = 0; i < COUNTOF(words); i++) {
		if (strcasecmp(words[i], value) == 0) {
			*out = i % 2 == 1;
			return 0;
		}
	}
	return -1;
}

int
conf_value_enum(const char *words, const char *value, unsigned int *out)
{
	struct slice rest = slice_of(words), word;

	for (unsigned int i = 0; slice_next(&rest, '|', &word); i++) {
		if (slice_case_eq(word, slice_of(value))) {
			*out = i;
			return 0;
		}
	}
	return -1;
}

/* "one|two" as "one, two", and the word that was perhaps meant. */
static void
enum_error(const char *words, const char *value, char *err, size_t errlen)
{
	char list[128], copies[8][24];
	const char *names[8], *near;
	struct slice rest = slice_of(words), word;
	size_t n = 0, len = 0;

	list[0] = '\0';
	while (n < COUNTOF(names) && slice_next(&rest, '|', &word)) {
		str_copy(copies[n], sizeof(copies[n]), word);
		names[n] = copies[n];
		if (len < sizeof(list))
			len += (size_t)snprintf(list + len, sizeof(list) - len,
			    "%s%s", n > 0 ? ", " : "", names[n]);
		n++;
	}
	near = str_nearest(value, names, n);
	(void)snprintf(err, errlen, "not one of %s%s%s%s", list,
	    near != NULL ? "; did you mean " : "", near != NULL ? near : "",
	    near != NULL ? "?" : "");
}

int
conf_set(struct arena *mem, const struct conf_directive *d, void *field,
    const char *value, char *err, size_t errlen)
{
	char *copy;

	(void)snprintf(err, errlen, "out of memory");
	switch (d->type) {
	case CONF_BOOL:
		if (conf_value_bool(value, field) == 0)
			return 0;
		(void)snprintf(err, errlen,
		    "neither yes (on, true, 1) nor no (off, false, 0)");
		return -1;
	case CONF_ENUM:
		if (conf_value_enum(d->min, value, field) == 0)
			return 0;
		enum_error(d->min, value, err, errlen);
		return -1;
	case CONF_STR:
		if ((copy = conf_strdup(mem, slice_of(value))) == NULL)
			return -1;
		*(char **)field = copy;
		return 0;
	case CONF_LIST:
		if (*value == '\0') {
			(void)snprintf(err, errlen,
			    "an empty value; leave the directive out");
			return -1;
		}
		return conf_list_add(mem, field, value);
	case CONF_UINT:
	case CONF_SIZE:
	case CONF_TIME:
		break;
	}
	return conf_value_number(
	    d->type, value, d->min, d->max, field, err, errlen);
}

int
conf_print_quoted(struct buf *out, struct slice s)
{
	unsigned char c;

	(void)buf_append_str(out, "\"");
	for (size_t i = 0; i < s.len; i++) {
		c = (unsigned char)s.p[i];
		if (c == '"' || c == '\\')
			(void)buf_printf(out, "\\%c", c);
		else if (c < 0x20 || c == 0x7f)
			(void)buf_printf(out, "\\x%02x", c);
		else
			(void)buf_append(out, &c, 1);
	}
	(void)buf_append_str(out, "\"");
	return out->failed ? -1 : 0;
}

/* With the largest unit that loses nothing. */
static void
print_number(struct buf *out, enum conf_type type, uint64_t v)
{
	static const char *const sizes[] = { "G", "M", "K" };
	static const char *const times[] = { "d", "h", "m", "s", "ms" };
	const char *const *units = type == CONF_SIZE ? sizes : times;
	size_t n = 0;
	uint64_t factor;

	if (type == CONF_SIZE)
		n = COUNTOF(sizes);
	else if (type == CONF_TIME)
		n = COUNTOF(times);
	for (size_t i = 0; i < n && v > 0; i++) {
		factor = unit_factor(type, units[i]);
		if (v % factor == 0) {
			(void)buf_printf(
			    out, "%ju%s", (uintmax_t)(v / factor), units[i]);
			return;
		}
	}
	(void)buf_printf(out, "%ju", (uintmax_t)v);
}

static void
print_enum(struct buf *out, const char *words, unsigned int index)
{
	struct slice rest = slice_of(words), word;

	while (slice_next(&rest, '|', &word)) {
		if (index-- == 0) {
			(void)buf_append_slice(out, word);
			return;
		}
	}
	out->failed = true;
}

int
conf_print(struct buf *out, const struct conf_directive *d, const void *field)
{
	const struct conf_list *list = field;

	switch (d->type) {
	case CONF_BOOL:
		(void)buf_append_str(out, *(const bool *)field ? "yes" : "no");
		break;
	case CONF_ENUM:
		print_enum(out, d->min, *(const unsigned int *)field);
		break;
	case CONF_STR:
		(void)conf_print_quoted(out, slice_of(*(char *const *)field));
		break;
	case CONF_LIST:
		for (size_t i = 0; i < list->n; i++) {
			(void)buf_append_str(out, i > 0 ? " " : "");
			(void)conf_print_quoted(out, slice_of(list->v[i]));
		}
		break;
	case CONF_UINT:
	case CONF_SIZE:
	case CONF_TIME:
		print_number(out, d->type, *(const uint64_t *)field);
		break;
	}
	return out->failed ? -1 : 0;
}

int
conf_stall_poke(const char *value, uint64_t *ms, char *err, size_t errlen)
{
	if (strcasecmp(value, "auto") == 0) {
		*ms = STALL_POKE_AUTO_MS;
		return 0;
	}
	if (strcasecmp(value, "off") == 0) {
		*ms = UINT64_MAX;
		return 0;
	}
	if (conf_value_number(
		CONF_TIME, value, "10ms", "1m", ms, err, errlen) == 0)
		return 0;
	(void)snprintf(
	    err, errlen, "neither auto, off nor a time of 10ms to 1m");
	return -1;
}
