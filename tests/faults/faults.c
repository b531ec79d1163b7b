/* Preloaded before the C library: counts the calls that change files, and has one of them fail, or be the last.

   fault_arm(prefix, nth, error): from now on, calls that touch paths below `prefix` are counted; the nth one, from 1
   on, fails with `error`, or for 0 the process is killed before it is made. After a failure, writes to the same disk
   go on to fail if `error` is ENOSPC: a full disk stays full. fault_count() tells how many there were. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static char armed[PATH_MAX];
static long nth, count;
static int error_number;

void fault_arm(const char *prefix, long number, int error) {
    strncpy(armed, prefix, sizeof armed - 1);
    nth = number, error_number = error, count = 0;
}

long fault_count(void) { return count; }

static int below(const char *path) { return armed[0] && !strncmp(path, armed, strlen(armed)); }

static int of_descriptor(int descriptor) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) return 0;
    path[length] = 0;
    return below(path);
}

static int of_path(int folder, const char *path) {
    char absolute[PATH_MAX];
    if (path[0] == '/') return below(path);
    if (folder != AT_FDCWD) return of_descriptor(folder);
    if (!getcwd(absolute, sizeof absolute)) return 0;
    strncat(absolute, "/", sizeof absolute - strlen(absolute) - 1);
    strncat(absolute, path, sizeof absolute - strlen(absolute) - 1);
    return below(absolute);
}

/* Whether this call is to fail; does not return where it is to be the last. */
static int fails(int touches, int takes_room) {
    if (!armed[0] || !touches) return 0;
    count++;
    if (count == nth && !error_number) kill(getpid(), SIGKILL), pause();
    if (count == nth || (nth > 0 && count > nth && error_number == ENOSPC && takes_room)) {
        errno = error_number;
        return 1;
    }
    return 0;
}

#define CALL(type, name, touches, takes_room, parameters, arguments) \
    type name parameters { \
        static type (*real) parameters; \
        if (!real) real = (type (*) parameters) dlsym(RTLD_NEXT, #name); \
        if (fails(touches, takes_room)) return -1; \
        return real arguments; \
    }

CALL(ssize_t, write, of_descriptor(d), 1, (int d, const void *b, size_t n), (d, b, n))
CALL(ssize_t, pwrite64, of_descriptor(d), 1, (int d, const void *b, size_t n, off64_t o), (d, b, n, o))
CALL(ssize_t, writev, of_descriptor(d), 1, (int d, const struct iovec *v, int n), (d, v, n))
CALL(ssize_t, sendfile64, of_descriptor(d), 1, (int d, int s, off64_t *o, size_t n), (d, s, o, n))
CALL(int, fsync, of_descriptor(d), 0, (int d), (d))
CALL(int, fdatasync, of_descriptor(d), 0, (int d), (d))
CALL(int, ftruncate64, of_descriptor(d), 1, (int d, off64_t n), (d, n))
CALL(int, mkdir, of_path(AT_FDCWD, p), 1, (const char *p, mode_t m), (p, m))
CALL(int, rmdir, of_path(AT_FDCWD, p), 0, (const char *p), (p))
CALL(int, unlink, of_path(AT_FDCWD, p), 0, (const char *p), (p))
CALL(int, unlinkat, of_path(f, p), 0, (int f, const char *p, int g), (f, p, g))
CALL(int, rename, of_path(AT_FDCWD, to), 0, (const char *from, const char *to), (from, to))
CALL(int, renameat, of_path(g, to), 0, (int f, const char *from, int g, const char *to), (f, from, g, to))
CALL(int, renameat2, of_path(g, to), 0, (int f, const char *from, int g, const char *to, unsigned int h),
     (f, from, g, to, h))

#define MODE(flags) \
    mode_t mode = 0; \
    va_list rest; \
    va_start(rest, flags); \
    if (flags & (O_CREAT | O_TMPFILE)) mode = va_arg(rest, mode_t); \
    va_end(rest)

#define WRITES(flags) (flags & (O_CREAT | O_WRONLY | O_RDWR))

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        static int (*real)(const char *, int, ...); \
        MODE(flags); \
        if (!real) real = (int (*)(const char *, int, ...)) dlsym(RTLD_NEXT, #name); \
        if (WRITES(flags) && fails(of_path(AT_FDCWD, path), flags & O_CREAT)) return -1; \
        return real(path, flags, mode); \
    }

#define OPEN_AT(name) \
    int name(int folder, const char *path, int flags, ...) { \
        static int (*real)(int, const char *, int, ...); \
        MODE(flags); \
        if (!real) real = (int (*)(int, const char *, int, ...)) dlsym(RTLD_NEXT, #name); \
        if (WRITES(flags) && fails(of_path(folder, path), flags & O_CREAT)) return -1; \
        return real(folder, path, flags, mode); \
    }

OPEN(open)
OPEN(open64)
OPEN_AT(openat)
OPEN_AT(openat64)
