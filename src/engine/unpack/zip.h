/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef ENGINE_UNPACK_ZIP_H
#define ENGINE_UNPACK_ZIP_H
/*
 * A look at a zip archive's headers, without unpacking: would the engine,
 * which goes by the central directory and believes the local headers, see
 * every member that some program would extract?
 */
#include <stdbool.h>

#include "base/str.h"

struct zip_look {
	bool found; /* it is a zip */
	size_t
	    start; /* bytes before the archive: its offsets count from here */
	size_t first; /* place of the first local header */
	/*
	 * Members that are not encrypted and surely longer than what the
	 * engine passes over. It must have looked at as many.
	 */
	uint64_t members;
	/* programs that go by the directory see something else */
	bool by_directory;
	/* programs that read from the front see something else */
	bool by_stream;
	/* directory and header name two methods for a member, or only one of
	 * them says that it is encrypted, or it is said to be empty and is not:
	 * nobody knows what a program does */
	bool contradicts;
	/* some member needs the directory to know where it ends */
	bool descriptors;
	const char *why; /* the first thing that was odd, for messages */
};
/* z->found is false when it is none. */
void zip_look(struct slice data, struct zip_look *z);
#endif
