/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "service/registry.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"

#define REGISTRY_MAX 64
#define REGISTRY_FD_MIN 64 /* above what a process uses by number */
#define OWN_NUMBER_TRIES 16
#define STATE_MAX ((size_t)65536)
#define DIRECTIVES_MAX ((size_t)256)

struct module {
	const struct service_module *m;
	void *handle; /* NULL: linked in */
	int fd;       /* holds the number, and so the path, for ever; or -1 */
};
struct registry {
	struct module modules[REGISTRY_MAX];
	size_t n;
};

struct registry *
registry_new(void)
{
	return calloc(1, sizeof(struct registry));
}

void
registry_free(struct registry **r)
{
	if (*r == NULL)
		return;
	for (size_t i = 0; i < (*r)->n; i++) {
		struct module *m = &(*r)->modules[i];

		if (m->handle != NULL)
			(void)dlclose(m->handle);
		if (m->fd != -1)
			(void)close(m->fd);
	}
	free(*r);
	*r = NULL;
}

const struct service_module *
registry_find(const struct registry *r, const char *name)
{
	for (size_t i = 0; i < r->n; i++)
		if (strcmp(r->modules[i].m->name, name) == 0)
			return r->modules[i].m;
	return NULL;
}

static int
add(struct registry *r, const struct service_module *m, void *handle, int fd)
{
	if (r->n == REGISTRY_MAX || registry_find(r, m->name) != NULL)
		return -1;
	r->modules[r->n++] =
	    (struct module){ .m = m, .handle = handle, .fd = fd };
	return 0;
}

/* What is wrong with the module, or NULL. Nothing but abi is read before it. */
static const char *
fault_of(const struct service_module *m, const char *name)
{
	if (m->abi != SERVICE_ABI)
		return "was built for another version of tolsey";
	if (m->name == NULL || m->configure == NULL || m->unconfigure == NULL ||
	    m->inspect == NULL || m->release == NULL ||
	    m->state_size > STATE_MAX || m->ndirectives > DIRECTIVES_MAX ||
	    (m->ndirectives > 0 && m->directives == NULL))
		return "is not complete";
	if (strcmp(m->name, name) != 0)
		return "is a module of another name";
	return NULL;
}

int
registry_add(struct registry *r, const struct service_module *m)
{
	if (m->name == NULL || fault_of(m, m->name) != NULL)
		return -1;
	return add(r, m, NULL, -1);
}

/*
 * dlopen() looks among what is loaded by path first, so a number that was used
 * before could give the former module again. Each module gets a number of its
 * own, which stays open as long as the module is loaded; one whose path is
 * known all the same (a library that never unloads) is passed over. A file
 * that is known under every number is loaded already, and may be shared.
 */
static int
own_number(int fd, char path[32])
{
	int copy = -1, next = REGISTRY_FD_MIN;
	void *known = NULL;

	for (unsigned int i = 0; i < OWN_NUMBER_TRIES; i++) {
		if (copy != -1)
			(void)close(copy);
		copy = fcntl(fd, F_DUPFD_CLOEXEC, next);
		if (copy == -1)
			return -1;
		next = copy + 1;
		(void)snprintf(path, 32, "/proc/self/fd/%d", copy);
		known = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
		if (known == NULL)
			return copy;
		(void)dlclose(known);
	}
	return copy;
}

static int
refuse(char *err, size_t errlen, const char *name, const char *why)
{
	(void)snprintf(err, errlen, "module %s %s", name, why);
	return -1;
}

int
registry_load(
    struct registry *r, const char *name, int fd, char *err, size_t errlen)
{
	char path[32];
	struct stat st;
	const struct service_module *m;
	const char *fault = NULL;
	void *handle = NULL;
	int own = -1;

	if (registry_find(r, name) != NULL)
		return refuse(err, errlen, name, "is loaded already");
	if (r->n == REGISTRY_MAX)
		return refuse(err, errlen, name, "is one too many");
	if (fstat(fd, &st) == -1 || !S_ISREG(st.st_mode))
		return refuse(err, errlen, name, "is not a regular file");
	own = own_number(fd, path);
	if (own == -1)
		return refuse(err, errlen, name,
		    "cannot be loaded: no descriptor is left");
	(void)dlerror();
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (handle == NULL) {
		const char *why = dlerror();

		(void)snprintf(err, errlen, "module %s cannot be loaded: %s",
		    name, why != NULL ? why : "unknown reason");
		goto out;
	}
	m = dlsym(handle, SERVICE_SYMBOL);
	fault = m != NULL ? fault_of(m, name) : "has no symbol " SERVICE_SYMBOL;
	if (fault == NULL && add(r, m, handle, own) == 0)
		return 0;
	(void)refuse(
	    err, errlen, name, fault != NULL ? fault : "cannot be added");
out:
	if (handle != NULL)
		(void)dlclose(handle);
	(void)close(own);
	return -1;
}
