/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#ifndef ENGINE_WISH_H
#define ENGINE_WISH_H
/*
 * Folders that are made when something is put into them. libclamav makes a
 * folder for each scan and removes it afterwards, though for most objects
 * nothing is ever written: seven system calls, a third of the time of a small
 * one. So mkdir() of a folder right below the worker's own is only noted (a
 * wish), and whatever else is done with a path there makes it first.
 *
 * tripwire.c and tripwire_paths.c define the functions of the C library that
 * take a path, and ask here. When libclamav is bound to one that they do not
 * define, there are no wishes. A wish that was taken back (the folder was to be
 * removed, or could not be made) leaves a path where nothing can be opened to
 * be written, which the tripwire sees: an incomplete scan, never a clean one.
 */
#include <stdbool.h>
#include <sys/types.h>

/* Folders right below dir from now on; NULL: none. */
void wish_below(const char *dir);
/* Notes that path is to be made; false: it has to be made at once. */
bool wish_make(const char *path, mode_t mode);
/* Something is done with path: the wished folder that it is in is made. */
void wish_touch(const char *path);
/* Whether path is a wished folder itself. */
bool wish_is(const char *path);
/* Takes the wish back; false: path is none. */
bool wish_drop(const char *path);
/* What was never removed; after a scan. */
void wish_forget(void);
#endif
