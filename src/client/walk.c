/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "client/walk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int
walk_init(struct walk *w, const struct client_options *o, struct buf *err)
{
	memset(w, 0, sizeof(*w));
	w->options = o;
	w->eicar_done = !o->eicar;
	if (o->files_from == NULL)
		return 0;
	w->list = strcmp(o->files_from, "-") == 0 ? stdin
						  : fopen(o->files_from, "re");
	if (w->list != NULL)
		return 0;
	(void)buf_printf(
	    err, "--files-from %s: %s", o->files_from, strerror(errno));
	return -1;
}

void
walk_free(struct walk *w)
{
	if (w->folder != NULL)
		(void)fts_close(w->folder);
	if (w->list != NULL && w->list != stdin)
		(void)fclose(w->list);
	free(w->line);
	memset(w, 0, sizeof(*w));
}

/* The next argument or line, NULL when there is none. */
static const char *
next_name(struct walk *w)
{
	ssize_t n;

	if (w->next < w->options->names.n)
		return w->options->names.v[w->next++];
	while (w->list != NULL) {
		n = getline(&w->line, &w->line_size, w->list);
		if (n <= 0)
			return NULL;
		if (w->line[n - 1] == '\n')
			w->line[--n] = '\0';
		if (n > 0)
			return w->line;
	}
	return NULL;
}

/* The next thing in the present folder. */
static enum walk_kind
next_in_folder(struct walk *w, char **name)
{
	FTSENT *e;

	while ((e = fts_read(w->folder)) != NULL) {
		enum walk_kind kind = WALK_FILE;

		switch (e->fts_info) {
		case FTS_D:
		case FTS_DP:
		case FTS_DOT:
			continue;
		case FTS_F:
			w->size = (uint64_t)e->fts_statp->st_size;
			break;
		case FTS_SL:
		case FTS_SLNONE:
			kind = WALK_SKIPPED;
			w->why = "a symbolic link";
			break;
		case FTS_DC:
			kind = WALK_ERROR;
			w->why = "a folder that contains itself";
			break;
		case FTS_DNR:
		case FTS_ERR:
		case FTS_NS:
			kind = WALK_ERROR;
			w->why = strerror(e->fts_errno);
			break;
		default:
			kind = WALK_SKIPPED;
			w->why = "not a file";
		}
		if ((*name = strdup(e->fts_path)) == NULL)
			break;
		return kind;
	}
	(void)fts_close(w->folder);
	w->folder = NULL;
	return WALK_END;
}

static int
by_name(const FTSENT **a, const FTSENT **b)
{
	return strcmp((*a)->fts_name, (*b)->fts_name);
}

/* A folder is gone into, without a word. */
static enum walk_kind
begin(struct walk *w, const char *path, char **name)
{
	char *paths[2];
	struct stat st;

	if ((*name = strdup(path)) == NULL) {
		w->why = "out of memory";
		return WALK_ERROR;
	}
	w->size = 0;
	if (strcmp(path, "-") == 0 || stat(path, &st) == -1)
		return WALK_FILE; /* to open it will tell what is wrong */
	if (!S_ISDIR(st.st_mode)) {
		w->size = (uint64_t)st.st_size;
		return WALK_FILE;
	}
	paths[0] = *name;
	paths[1] = NULL;
	w->folder = fts_open(
	    paths, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR, by_name);
	if (w->folder == NULL) {
		w->why = strerror(errno);
		return WALK_ERROR;
	}
	free(*name);
	*name = NULL;
	return WALK_END;
}

enum walk_kind
walk_next(struct walk *w, char **name)
{
	enum walk_kind kind;
	const char *path;

	*name = NULL;
	if (!w->eicar_done) {
		w->eicar_done = true;
		return WALK_EICAR;
	}
	for (;;) {
		if (w->folder != NULL) {
			kind = next_in_folder(w, name);
			if (kind != WALK_END)
				return kind;
		}
		if ((path = next_name(w)) == NULL)
			return WALK_END;
		if ((kind = begin(w, path, name)) != WALK_END)
			return kind;
	}
}
