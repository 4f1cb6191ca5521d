/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "sys/proc.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/str.h"

#define CHANNEL_FD 3

/*
 * Asked for once: after the parent has moved to a mount namespace of its own,
 * the link is relative to a mount that no longer exists.
 */
void
proc_own_folder(char *out, size_t len)
{
	static char own[PATH_MAX];
	ssize_t n;
	char *slash;

	if (own[0] == '\0') {
		n = readlink("/proc/self/exe", own, sizeof(own) - 1);
		own[n > 0 ? n : 0] = '\0';
		if ((slash = strrchr(own, '/')) != NULL)
			*slash = '\0';
	}
	(void)str_copy(out, len, slice_of(own));
}

int
proc_helper_path(const char *name, char *out, size_t len)
{
	char folder[PATH_MAX];
	int n;

	proc_own_folder(folder, sizeof(folder));
	n = snprintf(out, len, "%s/%s", folder, name);
	if (n > 0 && (size_t)n < len && access(out, X_OK) == 0)
		return 0;
	n = snprintf(out, len, "%s/%s", PKGLIBEXECDIR, name);
	if (n > 0 && (size_t)n < len && access(out, X_OK) == 0)
		return 0;
	return -1;
}

/* Whoever sits at the terminal types for none of them. */
static void
close_stdin(void)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	if (fd == -1)
		return;
	(void)dup2(fd, STDIN_FILENO);
	if (fd != STDIN_FILENO)
		(void)close(fd);
}

/* In the child: nothing of the parent but what is printed, and the channel. */
static void
become(const char *path, const char *name, const char *arg, int fd)
{
	char *argv[] = { (char *)(uintptr_t)name, (char *)(uintptr_t)arg,
		NULL };
	char *envp[] = { (char *)(uintptr_t) "PATH=/usr/bin:/bin",
		(char *)(uintptr_t) "LANG=C.UTF-8", NULL };
	struct sigaction sa = { .sa_handler = SIG_DFL };
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		(void)sigaction(sig, &sa, NULL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	if (fd == CHANNEL_FD) {
		if (fcntl(fd, F_SETFD, 0) == -1)
			_exit(PROC_NO_EXEC);
	} else if (dup2(fd, CHANNEL_FD) == -1) {
		_exit(PROC_NO_EXEC);
	}
	close_stdin();
	if (close_range(CHANNEL_FD + 1, ~0U, 0) == -1)
		_exit(PROC_NO_EXEC);
	(void)execve(path, argv, envp);
	_exit(PROC_NO_EXEC);
}

pid_t
proc_spawn(const char *name, const char *arg, int fd)
{
	char path[PATH_MAX];
	pid_t pid;

	if (proc_helper_path(name, path, sizeof(path)) == -1)
		return -1;
	if ((pid = fork()) == 0)
		become(path, name, arg, fd);
	return pid;
}
