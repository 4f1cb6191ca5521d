/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/*
 * tolsey's own signatures: the canary that is added to every set so that the
 * self-test works with any, and the small set for trying out. All as hex, so
 * that neither this file nor the program is itself a hit.
 */
#include "engine/engine_db.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/str.h"

#define CANARY_FILE "tolsey-canary.ndb"
#define EMBEDDED_DIR "tolsey-embedded"

#define CANARY_HEX \
	"230482b99dc819282419951f961b3614" \
	"5c20113207cc5bb307f5c0c11382dd56"
#define EICAR_HEX \
	"58354f2150254041505b345c505a58353428505e2937434329377d24" \
	"45494341522d5354414e444152442d414e544956495255532d544553" \
	"542d46494c452124482b482a"
/* "tolsey-test-" and "marker-f5bbd2277b87339eefb338a1" in one */
#define MARKER_HEX \
	"746f6c7365792d746573742d6d61726b65722d" \
	"663562626432323737623837333339656566623333386131"
/* "tolsey-html-" and "marker-25b77db04e44d608bd85dc8e" in one */
#define HTML_HEX \
	"746f6c7365792d68746d6c2d6d61726b65722d" \
	"323562373764623034653434643630386264383564633865"

static const char canary_row[] = DB_CANARY_NAME ":0:*:" CANARY_HEX "\n";

struct own_file {
	const char *name, *text;
};
static const struct own_file embedded[] = {
	{ EMBEDDED_DIR "/tolsey.ndb", "Eicar-Signature:0:0:" EICAR_HEX "\n"
				      "Tolsey.Test.Marker:0:*:" MARKER_HEX "\n"
				      "Tolsey.Test.Html:3:*:" HTML_HEX "\n" },
	{ EMBEDDED_DIR "/tolsey.hdb",
	    "44d88612fea8a8f36de82e1278abb02f:68:Win.Test.EICAR_HDB-1\n" },
};

static int
write_file(const char *dir, const char *name, const char *text)
{
	char path[512];
	size_t len = strlen(text);
	int fd, rc;

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", dir, name) >=
	    sizeof(path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	fd = open(
	    path, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	rc = write(fd, text, len) == (ssize_t)len ? 0 : -1;
	return close(fd) == 0 ? rc : -1;
}

static int
path_in(const char *dir, const char *name, char *path, size_t pathlen)
{
	int n = snprintf(path, pathlen, "%s/%s", dir, name);

	return n > 0 && (size_t)n < pathlen ? 0 : -1;
}

int
db_write_canary(const char *dir, char *path, size_t pathlen)
{
	if (path_in(dir, CANARY_FILE, path, pathlen) != 0)
		return -1;
	return write_file(dir, CANARY_FILE, canary_row);
}

int
db_write_embedded(const char *dir, char *path, size_t pathlen)
{
	if (path_in(dir, EMBEDDED_DIR, path, pathlen) != 0)
		return -1;
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return -1;
	for (size_t i = 0; i < COUNTOF(embedded); i++)
		if (write_file(dir, embedded[i].name, embedded[i].text) != 0)
			return -1;
	return 0;
}

void
db_remove_own(const char *dir)
{
	char path[512];

	if (path_in(dir, CANARY_FILE, path, sizeof(path)) == 0)
		(void)unlink(path);
	for (size_t i = 0; i < COUNTOF(embedded); i++)
		if (path_in(dir, embedded[i].name, path, sizeof(path)) == 0)
			(void)unlink(path);
	if (path_in(dir, EMBEDDED_DIR, path, sizeof(path)) == 0)
		(void)rmdir(path);
}

int
db_own_digest(unsigned char digest[HASH_LEN])
{
	return hash_once(canary_row, sizeof(canary_row) - 1, digest);
}

static void
unhex(const char *hex, unsigned char *out, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		uint64_t v = 0;
		struct slice two = { hex + i * 2, 2 };

		CHECK(str_hex_to_u64(two, &v) == 0);
		out[i] = (unsigned char)v;
	}
}

void
db_canary_bytes(unsigned char out[DB_CANARY_LEN])
{
	unhex(CANARY_HEX, out, DB_CANARY_LEN);
}

void
db_eicar_bytes(unsigned char out[DB_EICAR_LEN])
{
	unhex(EICAR_HEX, out, DB_EICAR_LEN);
}
