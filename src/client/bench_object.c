/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "client/bench_object.h"

#define LARGEST ((size_t)1 << 31)
#define MIX 256
#define MIX_MEDIAN 10240.0
#define MIX_SIGMA 1.4
#define MIX_LARGEST ((size_t)2 << 20)
#define ZIP_MEMBERS 4

static const struct {
	const char *name;
	size_t size;
	const char *type;
	bool infected;
} kinds[] = {
#define KIND(id, name, size, type, infected, text) \
	[BENCH_##id] = { name, size, type, infected },
#include "client/bench_kinds.def"
};

/* splitmix64 */
uint64_t
bench_dice_next(struct bench_dice *d)
{
	uint64_t z = (d->state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

static size_t
dice_below(struct bench_dice *d, size_t n)
{
	return (size_t)(bench_dice_next(d) % n);
}

/* ---- contents ---- */
static const char *const words[] = { "time", "person", "year", "way", "day",
	"thing", "man", "world", "life", "hand", "part", "child", "eye",
	"woman", "place", "work", "week", "case", "point", "government",
	"company", "number", "group", "problem", "fact", "be", "have", "do",
	"say", "get", "make", "go", "know", "take", "see", "come", "think",
	"look", "want", "give", "use", "find", "tell", "ask", "seem", "feel",
	"try", "leave", "call", "good", "new", "first", "last", "long", "great",
	"little", "own", "other", "old", "right", "the", "of", "and", "in" };

static const char *
word(struct bench_dice *d)
{
	return words[dice_below(d, COUNTOF(words))];
}

/* The place of the stamp, behind what was written. */
static void
stamp_here(struct bench_plain *p)
{
	p->stamp_at = p->data.len;
	(void)buf_append(&p->data, "0000000000000000", BENCH_STAMP);
}

static void
fill_random(struct buf *b, size_t size, struct bench_dice *d)
{
	if (b->len >= size || buf_reserve(b, size - b->len) != 0)
		return;
	while (b->len < size) {
		uint64_t v = bench_dice_next(d);
		size_t n = size - b->len;

		(void)buf_append(b, &v, n < sizeof(v) ? n : sizeof(v));
	}
}

static void
make_random(struct bench_plain *p, size_t size, struct bench_dice *d)
{
	/* No type of file begins like this. */
	(void)buf_append(&p->data, "\xa5\x5a\xc3\x3c", 4);
	stamp_here(p);
	fill_random(&p->data, size, d);
}

static void
make_text(struct bench_plain *p, size_t size, struct bench_dice *d)
{
	stamp_here(p);
	while (p->data.len < size && !p->data.failed) {
		size_t r = dice_below(d, 64);

		if (r == 0)
			(void)buf_printf(
			    &p->data, ".\n%zu", dice_below(d, 100000));
		else
			(void)buf_printf(&p->data, " %s", word(d));
	}
	if (p->data.len > size && size > BENCH_STAMP)
		p->data.len = size;
}

static void
html_part(struct buf *b, struct bench_dice *d)
{
	switch (dice_below(d, 8)) {
	case 0:
		(void)buf_printf(b,
		    "<a href=\"http://%s.example.org/%s/%zu\">%s"
		    " %s</a>\n",
		    word(d), word(d), dice_below(d, 100000), word(d), word(d));
		break;
	case 1:
		(void)buf_printf(b,
		    "<div class=\"%s\" id=\"n%zu\"><img src=\"/i/%zu.png\" "
		    "alt=\"%s\"></div>\n",
		    word(d), dice_below(d, 1000), dice_below(d, 100000),
		    word(d));
		break;
	case 2:
		(void)buf_printf(b,
		    "<script>var %s%zu = { %s: %zu, %s: '%s' };</script>\n",
		    word(d), dice_below(d, 100), word(d), dice_below(d, 100000),
		    word(d), word(d));
		break;
	default:
		(void)buf_append_str(b, "<p>");
		for (size_t i = 4 + dice_below(d, 20); i > 0; i--)
			(void)buf_printf(b, "%s ", word(d));
		(void)buf_append_str(b, "</p>\n");
	}
}

static void
make_html(struct bench_plain *p, size_t size, struct bench_dice *d)
{
	static const char end[] = "</body></html>\n";

	(void)buf_append_str(&p->data, "<!DOCTYPE html>\n<html><head><title>");
	stamp_here(p);
	(void)buf_append_str(&p->data,
	    "</title>\n<meta charset=\"utf-8\">\n"
	    "<style>body { color: #222; margin: 0 auto }</style>\n"
	    "<script>function go(a) { return document.getElementById(a) || "
	    "window[a + '_' + a.length]; }</script></head>\n<body>\n");
	while (p->data.len + sizeof(end) - 1 < size && !p->data.failed)
		html_part(&p->data, d);
	if (p->data.len + sizeof(end) - 1 > size && size > 512)
		p->data.len = size - (sizeof(end) - 1);
	(void)buf_append(&p->data, end, sizeof(end) - 1);
}

/* In two halves, so that no scanner objects to this program. */
static void
make_eicar(struct bench_plain *p, size_t size, struct bench_dice *d)
{
	(void)buf_append_str(&p->data, "X5O!P%@AP[4\\PZX54(P^)7CC)7}$EICAR-ST");
	(void)buf_append_str(&p->data, "ANDARD-ANTIVIRUS-TEST-FILE!$H+H*");
	/* Blanks may follow it; what else follows is up to the signature. */
	if (size <= p->data.len)
		return;
	(void)buf_append_str(&p->data, "\r\n");
	stamp_here(p);
	fill_random(&p->data, size, d);
}

static void
make_plain(struct bench_plain *p, enum bench_kind kind, size_t size,
    struct bench_dice *d)
{
	buf_init(&p->data, LARGEST);
	p->stamp_at = SIZE_MAX;
	switch (kind) {
	case BENCH_HTML:
		make_html(p, size, d);
		break;
	case BENCH_TEXT:
		make_text(p, size, d);
		break;
	case BENCH_EICAR:
		/* the stamp makes it longer */
		make_eicar(p, size + 2 + BENCH_STAMP, d);
		break;
	case BENCH_INFECTED:
		make_eicar(p, size, d);
		break;
	default:
		make_random(p, size, d);
	}
}

/* ---- sets ---- */
static struct bench_object *
next_object(struct bench_objects *set)
{
	struct bench_object *all =
	    realloc(set->all, (set->count + 1) * sizeof(*all));

	if (all == NULL)
		return NULL;
	set->all = all;
	memset(&all[set->count], 0, sizeof(*all));
	return &all[set->count++];
}

static int
add_plain(struct bench_objects *set, enum bench_kind kind, size_t size,
    enum bench_coding coding, struct bench_dice *d)
{
	struct bench_plain p;
	struct bench_object *o = next_object(set);
	int rc = -1;

	if (o == NULL)
		return -1;
	o->type = kinds[kind].type;
	o->infected = kinds[kind].infected;
	make_plain(&p, kind, size, d);
	if (!p.data.failed)
		rc = bench_code(o, &p, coding);
	buf_free(&p.data);
	return rc;
}

static int
add_archive(struct bench_objects *set, enum bench_kind kind, size_t size,
    struct bench_dice *d)
{
	struct bench_plain members[ZIP_MEMBERS];
	struct bench_object *o = next_object(set);
	int rc = 0;

	if (o == NULL)
		return -1;
	o->type = kinds[kind].type;
	/* Words and numbers compress to about a quarter. */
	if (kind == BENCH_ZIP)
		size *= 4;
	for (size_t i = 0; i < COUNTOF(members); i++) {
		make_plain(&members[i],
		    kind == BENCH_ZIP ? BENCH_TEXT : BENCH_HTML,
		    size / COUNTOF(members), d);
		if (members[i].data.failed)
			rc = -1;
	}
	if (rc == 0)
		rc = bench_zip(o, members, COUNTOF(members));
	for (size_t i = 0; i < COUNTOF(members); i++)
		buf_free(&members[i].data);
	return rc;
}

/* Box and Muller; sizes as the web has them. */
static size_t
lognormal(struct bench_dice *d)
{
	double u =
	    ((double)(bench_dice_next(d) >> 11) + 1) / 9007199254740993.0;
	double v = (double)(bench_dice_next(d) >> 11) / 9007199254740992.0;
	double z = sqrt(-2 * log(u)) * cos(2 * 3.14159265358979 * v);
	double size = MIX_MEDIAN * exp(MIX_SIGMA * z);

	return size < 256                   ? 256
	       : size > (double)MIX_LARGEST ? MIX_LARGEST
					    : (size_t)size;
}

static int
add_mix(
    struct bench_objects *set, enum bench_coding coding, struct bench_dice *d)
{
	static const enum bench_kind shares[] = { BENCH_HTML, BENCH_RANDOM,
		BENCH_HTML, BENCH_RANDOM, BENCH_TEXT };

	for (size_t i = 0; i < MIX; i++) {
		enum bench_kind kind = shares[i % COUNTOF(shares)];

		/* Nobody compresses pictures again. */
		if (add_plain(set, kind, lognormal(d),
			kind == BENCH_RANDOM ? BENCH_IDENTITY : coding, d) != 0)
			return -1;
	}
	return 0;
}

static int
add_file(struct bench_objects *set, const char *path, struct buf *err)
{
	struct bench_object *o = next_object(set);
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC), rc = -1;

	if (o == NULL || fd == -1 || fstat(fd, &st) != 0 ||
	    !S_ISREG(st.st_mode) || (size_t)st.st_size > LARGEST)
		goto out;
	o->type = "application/octet-stream";
	o->coding = "";
	o->len = (size_t)st.st_size;
	if ((o->bytes = malloc(o->len + 1)) == NULL)
		goto out;
	for (size_t at = 0; at < o->len;) {
		ssize_t n = read(fd, o->bytes + at, o->len - at);

		if (n <= 0)
			goto out;
		at += (size_t)n;
	}
	rc = 0;
out:
	if (rc != 0)
		(void)buf_printf(err, "%s: cannot be read as a file: %s", path,
		    strerror(errno));
	if (fd != -1)
		(void)close(fd);
	return rc;
}

/* NAME[:SIZE]; -1 when it is not one. */
static int
parse_spec(const char *spec, enum bench_kind *kind, size_t *size)
{
	struct slice s = slice_of(spec), name = s, digits;
	ptrdiff_t colon = slice_find(s, ':');
	uint64_t v, unit = 1;

	if (colon >= 0)
		name.len = (size_t)colon;
	for (*kind = 0; *kind < NBENCH_KINDS; (*kind)++) {
		if (slice_eq(name, slice_of(kinds[*kind].name)))
			break;
	}
	if (*kind == NBENCH_KINDS)
		return -1;
	*size = kinds[*kind].size;
	if (colon < 0)
		return 0;
	digits = (struct slice){ s.p + colon + 1, s.len - (size_t)colon - 1 };
	if (digits.len > 0 && strchr("kKmM", digits.p[digits.len - 1])) {
		unit = strchr("kK", digits.p[digits.len - 1]) ? 1U << 10
							      : 1U << 20;
		digits.len--;
	}
	if (str_to_u64(digits, LARGEST / 8 / unit, &v) != 0)
		return -1;
	*size = (size_t)(v * unit);
	return 0;
}

int
bench_objects_add(struct bench_objects *set, const char *spec,
    enum bench_coding coding, struct buf *err)
{
	struct bench_dice d = { 1 };
	enum bench_kind kind;
	size_t size;
	int rc;

	if (strncmp(spec, "file:", 5) == 0)
		return add_file(set, spec + 5, err);
	if (strcmp(spec, "mix") == 0) {
		rc = add_mix(set, coding, &d);
	} else if (parse_spec(spec, &kind, &size) != 0) {
		(void)buf_printf(err,
		    "%s: no such object; there are mix, file:PATH, and with "
		    ":SIZE (K, M) behind them: %s",
		    spec, bench_kind_names());
		return -1;
	} else if (kind == BENCH_ZIP || kind == BENCH_HEAVY) {
		rc = add_archive(set, kind, size, &d);
	} else {
		rc = add_plain(set, kind, size, coding, &d);
	}
	if (rc != 0)
		(void)buf_printf(err, "%s: out of memory", spec);
	return rc;
}

void
bench_objects_free(struct bench_objects *set)
{
	for (size_t i = 0; i < set->count; i++)
		free(set->all[i].bytes);
	free(set->all);
	*set = (struct bench_objects){ 0 };
}

const char *
bench_kind_names(void)
{
	return ""
#define KIND(id, name, size, type, infected, text) name " "
#include "client/bench_kinds.def"
	    ;
}

/* ---- an object with a number ---- */
static size_t
mark_len(const struct bench_mark *m)
{
	return m->is_crc ? 4 : BENCH_STAMP;
}

static void
put_crc(const struct bench_mark *m, const char *stamp, char *out)
{
	char lead[sizeof(m->lead)];
	uint32_t crc;

	memcpy(lead, m->lead, m->lead_len);
	memcpy(lead + m->stamp_at, stamp, BENCH_STAMP);
	crc = (uint32_t)crc32(0, (const Bytef *)lead, (uInt)m->lead_len);
	crc = (uint32_t)crc32_combine_op(crc, m->crc, m->op);
	for (int i = 0; i < 4; i++)
		out[i] = (char)(crc >> (8 * i));
}

void
bench_body_set(
    struct bench_body *b, const struct bench_object *o, uint64_t number)
{
	static const char hex[] = "0123456789abcdef";
	char stamp[BENCH_STAMP];

	b->object = o;
	for (size_t i = BENCH_STAMP; i-- > 0; number >>= 4)
		stamp[i] = hex[number & 15];
	for (size_t i = 0; i < o->nmarks; i++) {
		if (o->marks[i].is_crc)
			put_crc(&o->marks[i], stamp, b->marks[i]);
		else
			memcpy(b->marks[i], stamp, BENCH_STAMP);
	}
}

size_t
bench_body_iov(const struct bench_body *b, size_t at, size_t len,
    struct iovec iov[BENCH_IOV])
{
	const struct bench_object *o = b->object;
	size_t end = at + len, n = 0;

	for (size_t i = 0; i <= o->nmarks && at < end; i++) {
		size_t from = i < o->nmarks ? o->marks[i].at : o->len;
		size_t to =
		    i < o->nmarks ? from + mark_len(&o->marks[i]) : from;

		if (at < from) {
			size_t stop = from < end ? from : end;

			iov[n++] = (struct iovec){ o->bytes + at, stop - at };
			at = stop;
		}
		if (at < to && at < end) {
			size_t stop = to < end ? to : end;

			/* writev() only reads */
			iov[n++] = (struct iovec){
				(char *)(uintptr_t)b->marks[i] + (at - from),
				stop - at
			};
			at = stop;
		}
	}
	return n;
}

bool
bench_body_is(const struct bench_body *b, size_t at, struct slice data)
{
	struct iovec iov[BENCH_IOV];
	size_t n;

	if (at > b->object->len || data.len > b->object->len - at)
		return false;
	n = bench_body_iov(b, at, data.len, iov);
	for (size_t i = 0; i < n; i++) {
		if (memcmp(data.p, iov[i].iov_base, iov[i].iov_len) != 0)
			return false;
		data.p += iov[i].iov_len;
	}
	return true;
}

int
bench_body_copy(const struct bench_body *b, struct buf *out)
{
	struct iovec iov[BENCH_IOV];
	size_t n = bench_body_iov(b, 0, b->object->len, iov);

	for (size_t i = 0; i < n; i++)
		(void)buf_append(out, iov[i].iov_base, iov[i].iov_len);
	return out->failed ? -1 : 0;
}
