/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "proto/chunk.h"

#include <string.h>

enum state {
	ST_SIZE,    /* collecting a size line */
	ST_DATA,    /* c->left bytes of data */
	ST_DATA_CR, /* the CRLF behind the data */
	ST_DATA_LF,
	ST_TRAILER, /* collecting a trailer line, or the blank one */
	ST_END,
	ST_ERROR
};

void
chunk_rx_init(struct chunk_rx *c)
{
	memset(c, 0, sizeof(*c));
	chunk_rx_limits(c, 0, 0);
}

void
chunk_rx_limits(struct chunk_rx *c, size_t max_line, size_t max_trailer)
{
	max_line = max_line > 0 ? max_line : CHUNK_MAX_LINE;
	max_trailer = max_trailer > 0 ? max_trailer : CHUNK_MAX_TRAILER;
	if (c->max_line == max_line && c->max_trailer == max_trailer)
		return; /* keeps their memory */
	c->max_line = max_line;
	c->max_trailer = max_trailer;
	buf_free(&c->line);
	buf_free(&c->trailer);
	buf_init(&c->line,
	    c->max_line > c->max_trailer ? c->max_line : c->max_trailer);
	buf_init(&c->trailer, c->max_trailer);
}

void
chunk_rx_free(struct chunk_rx *c)
{
	buf_free(&c->line);
	buf_free(&c->trailer);
}

void
chunk_rx_reset(struct chunk_rx *c)
{
	c->state = ST_SIZE;
	c->left = 0;
	c->ieof = c->use_original_body = false;
	c->original_at = 0;
	c->err = PROTO_OK;
	buf_reset(&c->line);
	buf_reset(&c->trailer);
}

void
chunk_rx_reset_trailer(struct chunk_rx *c)
{
	chunk_rx_reset(c);
	c->state = ST_TRAILER;
}

static enum chunk_event
fail(struct chunk_rx *c, enum proto_err e)
{
	c->state = ST_ERROR;
	c->err = e;
	return CHUNK_ERROR;
}

static void
skip(struct slice *s, size_t n)
{
	s->p += n;
	s->len -= n;
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/*
 * Moves a line (with its CRLF) from the input to c->line. 1: complete, 0: more
 * is needed, -1: malformed or too long. Lines end in CRLF only (CH-04).
 */
static int
take_line(struct chunk_rx *c, struct slice *in, size_t max)
{
	ptrdiff_t at = slice_find(*in, '\n');
	size_t n = at >= 0 ? (size_t)at + 1 : in->len;

	if (c->line.len + n > max || buf_append(&c->line, in->p, n) == -1)
		return -1;
	skip(in, n);
	if (at == -1)
		return 0;
	if (c->line.len < 2 || c->line.p[c->line.len - 2] != '\r')
		return -1;
	c->line.len -= 2;
	/* CH-03: no CR, NUL or other control byte inside */
	for (size_t i = 0; i < c->line.len; i++)
		if (((unsigned char)c->line.p[i] < 0x20 &&
			c->line.p[i] != '\t') ||
		    c->line.p[i] == 0x7f)
			return -1;
	return 1;
}

static struct slice
skip_blank(struct slice s)
{
	while (s.len > 0 && is_blank(*s.p))
		skip(&s, 1);
	return s;
}

/* A token or quoted string; false when there is neither. */
static bool
take_word(struct slice *s, struct slice *word)
{
	size_t n = 0;

	*word = (struct slice){ s->p, 0 };
	if (s->len > 0 && *s->p == '"') {
		for (n = 1; n < s->len && s->p[n] != '"'; n++)
			if (s->p[n] == '\\')
				n++;
		if (n >= s->len)
			return false;
		n++;
	} else {
		while (n < s->len && !is_blank(s->p[n]) && s->p[n] != ';' &&
		       s->p[n] != '=')
			n++;
	}
	word->len = n;
	skip(s, n);
	return n > 0;
}

/* ";" name ["=" value], any number, with blanks around (CH-02, CH-03) */
static bool
parse_extensions(struct chunk_rx *c, struct slice s)
{
	struct slice name, value;

	for (s = skip_blank(s); s.len > 0; s = skip_blank(s)) {
		value = SLICE_NONE;
		if (*s.p != ';')
			return false;
		skip(&s, 1);
		s = skip_blank(s);
		if (!take_word(&s, &name))
			return false;
		s = skip_blank(s);
		if (s.len > 0 && *s.p == '=') {
			skip(&s, 1);
			s = skip_blank(s);
			if (!take_word(&s, &value))
				return false;
		}
		if (slice_case_eq(name, SLICE_LIT("ieof")))
			c->ieof = true;
		else if (slice_case_eq(name, SLICE_LIT("use-original-body"))) {
			c->use_original_body = true;
			if (str_to_u64(value, UINT64_MAX, &c->original_at) ==
			    -1)
				c->original_at = UINT64_MAX;
		}
	}
	return true;
}

static enum chunk_event
parse_size_line(struct chunk_rx *c)
{
	struct slice line = buf_slice(&c->line), digits = { line.p, 0 };

	while (digits.len < line.len && line.p[digits.len] != ';' &&
	       !is_blank(line.p[digits.len]))
		digits.len++;
	/* CH-01: 1*HEXDIG, no sign, no 0x, below 2^63 */
	if (str_hex_to_u64(digits, &c->left) == -1 ||
	    c->left > (uint64_t)INT64_MAX)
		return fail(c, PROTO_ERR_BAD_CHUNK);
	c->ieof = false;
	skip(&line, digits.len);
	if (!parse_extensions(c, line))
		return fail(c, PROTO_ERR_BAD_CHUNK);
	if (c->left > 0)
		c->ieof = false;
	buf_reset(&c->line);
	c->state = c->left > 0 ? ST_DATA : ST_TRAILER;
	return CHUNK_MORE;
}

static enum chunk_event
take_size(struct chunk_rx *c, struct slice *in)
{
	int rc = take_line(c, in, c->max_line);

	if (rc == -1)
		return fail(c, PROTO_ERR_BAD_CHUNK);
	return rc == 1 ? parse_size_line(c) : CHUNK_MORE;
}

static enum chunk_event
take_trailer(struct chunk_rx *c, struct slice *in)
{
	int rc = take_line(c, in, c->max_trailer);

	if (rc == -1)
		return fail(c, PROTO_ERR_BAD_TRAILER);
	if (rc == 0)
		return CHUNK_MORE;
	if (c->line.len == 0) {
		c->state = ST_END;
		return CHUNK_END;
	}
	if (slice_find(buf_slice(&c->line), ':') <= 0 ||
	    buf_append(&c->trailer, c->line.p, c->line.len) == -1 ||
	    buf_append_str(&c->trailer, "\r\n") == -1)
		return fail(c, PROTO_ERR_BAD_TRAILER);
	buf_reset(&c->line);
	return CHUNK_MORE;
}

static enum chunk_event
take_byte(struct chunk_rx *c, struct slice *in, char want, int next)
{
	if (*in->p != want)
		return fail(c, PROTO_ERR_BAD_CHUNK); /* CH-05 */
	skip(in, 1);
	c->state = next;
	return CHUNK_MORE;
}

enum chunk_event
chunk_rx_feed(struct chunk_rx *c, struct slice *in, struct slice *data)
{
	enum chunk_event ev = CHUNK_MORE;

	while (ev == CHUNK_MORE && in->len > 0) {
		switch ((enum state)c->state) {
		case ST_SIZE:
			ev = take_size(c, in);
			break;
		case ST_DATA:
			*data = (struct slice){ in->p,
				in->len < c->left ? in->len : (size_t)c->left };
			skip(in, data->len);
			chunk_rx_skip(c, data->len);
			return CHUNK_DATA;
		case ST_DATA_CR:
			ev = take_byte(c, in, '\r', ST_DATA_LF);
			break;
		case ST_DATA_LF:
			ev = take_byte(c, in, '\n', ST_SIZE);
			break;
		case ST_TRAILER:
			ev = take_trailer(c, in);
			break;
		case ST_END:
			return CHUNK_END;
		case ST_ERROR:
			return CHUNK_ERROR;
		}
	}
	if (c->state == ST_ERROR)
		return CHUNK_ERROR;
	return ev;
}

void
chunk_rx_skip(struct chunk_rx *c, uint64_t n)
{
	CHECK(c->state == ST_DATA && n <= c->left);
	c->left -= n;
	if (c->left == 0)
		c->state = ST_DATA_CR;
}
