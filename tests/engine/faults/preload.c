/* Calls of the C library that read and write files, with one that fails.
 *
 * Loaded ahead of the C library (LD_PRELOAD) into a coordinator and its workers. Calls on paths below one
 * folder are counted over all processes of a role, and the N-th of the chosen kinds goes wrong. What is
 * written, synced, renamed and removed there goes into a log, so that whoever reads it can take back what
 * no sync has made durable, as a power cut would. Nothing of this is in the program itself.
 *
 *   FAULTS_FOLDER  the folder whose files are meant, absolute
 *   FAULTS_STATE   a folder on the same file system, outside of it: `log`, `count`, and files that were replaced
 *   FAULTS_ROLE    the first argument of the processes that are meant: reproduce, worker or data
 *   FAULTS_CALLS   the kinds of calls that count, with commas: see KINDS
 *   FAULTS_PATH    a part of the paths that count, their end where it ends with `$`; empty: all
 *   FAULTS_AT      which of them goes wrong, from 1; 0: none, and every call is listed in the log
 *   FAULTS_DEED    fail, short, cut, lie, lose: see `enum deed`
 *   FAULTS_ERRNO   the error of `fail`
 *   FAULTS_STAYS   not empty: all calls after it fail as well
 *   FAULTS_CLOCK   seconds that the clock is ahead
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum kind { OPEN, CREATE, READ, WRITE, SYNC, RENAME, UNLINK, MKDIR, LINK, SYMLINK, TRUNCATE, STAT, LIST, LOCK, ALL_KINDS };
static const char *const KINDS[ALL_KINDS] = { "open", "create", "read", "write", "sync", "rename", "unlink",
                                              "mkdir", "link", "symlink", "truncate", "stat", "list", "lock" };

enum deed {
    NOTHING,
    FAIL,  /* an error, and no effect */
    SHORT, /* half of what was asked for */
    CUT,   /* the power goes: all processes die before the call */
    LIE,   /* a sync that says it is done and did nothing */
    LOSE,  /* a rename that no sync makes durable */
};
static const char *const DEEDS[] = { "none", "fail", "short", "cut", "lie", "lose" };

enum { MOST_FILES = 4096 };

static char folder[PATH_MAX], state[PATH_MAX], part[PATH_MAX], role[32];
static size_t folder_length;
static enum deed deed;
static int error, stays, counts[ALL_KINDS];
static long at = -1, ahead;
static int log_file = -1;
static atomic_long *count;
static atomic_uchar watched[MOST_FILES];

#define REAL(name)                                                                                          \
    static __typeof__(&name) real;                                                                          \
    if (!real) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static void setting(const char *name, char *into, size_t size)
{
    const char *value = getenv(name);
    snprintf(into, size, "%s", value ? value : "");
}

/* The first argument of this process. */
static void find_role(void)
{
    char line[4096] = { 0 };
    int file = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? 0 : read(file, line, sizeof line - 1);
    if (file >= 0) close(file);
    size_t first = strlen(line) + 1;
    if (length > 0 && first < (size_t)length) snprintf(role, sizeof role, "%s", line + first);
}

__attribute__((constructor)) static void begin(void)
{
    char text[PATH_MAX + 16], calls[256], name[32], chosen[32];
    find_role();
    if (strcmp(role, "reproduce") && strcmp(role, "worker") && strcmp(role, "data")) return;
    setting("FAULTS_CLOCK", text, sizeof text);
    ahead = atol(text);
    setting("FAULTS_STATE", state, sizeof state);
    setting("FAULTS_CALLS", calls, sizeof calls);
    setting("FAULTS_DEED", name, sizeof name);
    setting("FAULTS_ROLE", chosen, sizeof chosen);
    setting("FAULTS_STAYS", text, sizeof text);
    stays = text[0] != 0;
    setting("FAULTS_ERRNO", text, sizeof text);
    error = atoi(text);
    for (size_t i = 0; i < sizeof DEEDS / sizeof *DEEDS; i++)
        if (!strcmp(name, DEEDS[i])) deed = (enum deed)i;
    for (char *rest = calls, *call; (call = strsep(&rest, ","));)
        for (int i = 0; i < ALL_KINDS; i++)
            if (!strcmp(call, KINDS[i]) && !strcmp(role, chosen)) counts[i] = 1;
    snprintf(text, sizeof text, "%s/log", state);
    log_file = open(text, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    snprintf(text, sizeof text, "%s/count", state);
    int file = open(text, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (log_file < 0 || file < 0 || ftruncate(file, sizeof *count)) abort();
    void *page = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    if (page == MAP_FAILED) abort();
    count = page;
    close(file);
    setting("FAULTS_PATH", part, sizeof part);
    setting("FAULTS_AT", text, sizeof text);
    at = text[0] ? atol(text) : -1;
    /* From here on calls count. */
    setting("FAULTS_FOLDER", folder, sizeof folder);
    folder_length = strlen(folder);
}

static void note(const char *format, ...)
{
    char line[3 * PATH_MAX];
    int saved = errno;
    va_list parts;
    va_start(parts, format);
    int length = vsnprintf(line, sizeof line, format, parts);
    va_end(parts);
    REAL(write);
    if (real(log_file, line, (size_t)length) != length) abort();
    errno = saved;
}

/* Writes the whole path into `full`; says whether it lies in the folder. */
static int find(int base, const char *path, char *full)
{
    if (!folder_length || !path) return 0;
    char link[64], from[PATH_MAX] = { 0 };
    if (path[0] == '/') {
        snprintf(full, PATH_MAX, "%s", path);
    } else {
        if (base == AT_FDCWD) {
            if (!getcwd(from, sizeof from)) return 0;
        } else {
            snprintf(link, sizeof link, "/proc/self/fd/%d", base);
            if (readlink(link, from, sizeof from - 1) < 0) return 0;
        }
        if (snprintf(full, PATH_MAX, path[0] ? "%s/%s" : "%s", from, path) >= PATH_MAX) return 0;
    }
    return !strncmp(full, folder, folder_length) && (full[folder_length] == '/' || !full[folder_length]);
}

static int is_watched(int file)
{
    return folder_length && file >= 0 && file < MOST_FILES && watched[file];
}

static void watch(int file, int whether)
{
    if (file >= 0 && file < MOST_FILES) watched[file] = (unsigned char)whether;
}

static _Noreturn void cut(void)
{
    kill(0, SIGKILL);
    for (;;) pause();
}

static int is_meant(const char *path)
{
    size_t length = strlen(part), whole = strlen(path);
    if (!length || part[length - 1] != '$') return strstr(path, part) != NULL;
    return whole >= length - 1 && !strncmp(path + whole - (length - 1), part, length - 1);
}

/* Counts a call, and says what is to go wrong with it. */
static enum deed due(enum kind kind, const char *path)
{
    if (at == 0) note("call\t%s\t%s\t%s\n", role, KINDS[kind], path);
    if (at <= 0 || !counts[kind] || !is_meant(path)) return NOTHING;
    long number = atomic_fetch_add(count, 1) + 1;
    if (number != at && !(stays && number > at)) return NOTHING;
    note("fault\t%s\t%s\t%s\n", role, KINDS[kind], path);
    if (deed == CUT) cut();
    if (deed == FAIL) errno = error;
    return deed;
}

static enum deed due_file(enum kind kind, int file)
{
    char full[PATH_MAX];
    return is_watched(file) && find(file, "", full) ? due(kind, full) : NOTHING;
}

static void note_write(int file, off_t from, ssize_t length)
{
    struct stat status;
    REAL(fstat);
    if (length > 0 && is_watched(file) && !real(file, &status))
        note("write\t%ld\t%ld\t%ld\n", (long)status.st_ino, (long)from, (long)length);
}

/* Where the next write to a file goes. */
static off_t position(int file)
{
    struct stat status;
    REAL(fstat);
    if (!is_watched(file)) return 0;
    if (fcntl(file, F_GETFL) & O_APPEND) return real(file, &status) ? 0 : status.st_size;
    return lseek(file, 0, SEEK_CUR);
}

/* Keeps a file that is about to lose its name; its number, 0 where there is none. */
static long keep(const char *path)
{
    static atomic_long kept;
    char aside[PATH_MAX + 64];
    long number = (long)getpid() * 100000 + atomic_fetch_add(&kept, 1) + 1;
    snprintf(aside, sizeof aside, "%s/%ld", state, number);
    int saved = errno;
    REAL(linkat);
    int failed = real(AT_FDCWD, path, AT_FDCWD, aside, 0);
    errno = saved;
    return failed ? 0 : number;
}

static int open_one(int base, const char *path, int flags, mode_t mode)
{
    char full[PATH_MAX];
    int inside = find(base, path, full);
    if (inside && due(flags & O_CREAT ? CREATE : OPEN, full) == FAIL) return -1;
    REAL(openat);
    int file = real(base, path, flags, mode);
    watch(file, inside);
    return file;
}

#define MODE(flags)                                                                                         \
    mode_t mode = 0;                                                                                        \
    if ((flags) & (O_CREAT | O_TMPFILE)) {                                                                  \
        va_list parts;                                                                                      \
        va_start(parts, flags);                                                                             \
        mode = va_arg(parts, mode_t);                                                                       \
        va_end(parts);                                                                                      \
    }

int open(const char *path, int flags, ...)
{
    MODE(flags);
    return open_one(AT_FDCWD, path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
    MODE(flags);
    return open_one(AT_FDCWD, path, flags | O_LARGEFILE, mode);
}

int openat(int base, const char *path, int flags, ...)
{
    MODE(flags);
    return open_one(base, path, flags, mode);
}

int openat64(int base, const char *path, int flags, ...)
{
    MODE(flags);
    return open_one(base, path, flags | O_LARGEFILE, mode);
}

int close(int file)
{
    REAL(close);
    watch(file, 0);
    return real(file);
}

ssize_t read(int file, void *into, size_t length)
{
    REAL(read);
    switch (due_file(READ, file)) {
    case FAIL: return -1;
    case SHORT: return real(file, into, (length + 1) / 2);
    default: return real(file, into, length);
    }
}

ssize_t pread64(int file, void *into, size_t length, off64_t from)
{
    REAL(pread64);
    switch (due_file(READ, file)) {
    case FAIL: return -1;
    case SHORT: return real(file, into, (length + 1) / 2, from);
    default: return real(file, into, length, from);
    }
}

ssize_t write(int file, const void *bytes, size_t length)
{
    REAL(write);
    off_t from = position(file);
    switch (due_file(WRITE, file)) {
    case FAIL: return -1;
    case SHORT: length = (length + 1) / 2; break;
    default: break;
    }
    ssize_t done = real(file, bytes, length);
    note_write(file, from, done);
    return done;
}

ssize_t writev(int file, const struct iovec *parts, int number)
{
    REAL(writev);
    off_t from = position(file);
    enum deed wrong = due_file(WRITE, file);
    if (wrong == FAIL) return -1;
    if (wrong == SHORT && number > 1) number = 1;
    ssize_t done = real(file, parts, number);
    note_write(file, from, done);
    return done;
}

ssize_t pwrite64(int file, const void *bytes, size_t length, off64_t from)
{
    REAL(pwrite64);
    switch (due_file(WRITE, file)) {
    case FAIL: return -1;
    case SHORT: length = (length + 1) / 2; break;
    default: break;
    }
    ssize_t done = real(file, bytes, length, from);
    note_write(file, from, done);
    return done;
}

/* Notes what is durable from now on: a file as long as it is, or the names in a folder. */
static void note_sync(int file)
{
    char full[PATH_MAX];
    struct stat status;
    REAL(fstat);
    if (!find(file, "", full) || real(file, &status)) return;
    if (S_ISDIR(status.st_mode))
        note("folder\t%s\n", full);
    else
        note("sync\t%ld\t%ld\n", (long)status.st_ino, (long)status.st_size);
}

#define SYNCED(call)                                                                                        \
    if (!is_watched(file)) return call;                                                                     \
    enum deed wrong = due_file(SYNC, file);                                                                 \
    if (wrong) return wrong == LIE ? 0 : -1;                                                                \
    int failed = call;                                                                                      \
    if (!failed) note_sync(file);                                                                           \
    return failed

int fsync(int file)
{
    REAL(fsync);
    SYNCED(real(file));
}

int fdatasync(int file)
{
    REAL(fdatasync);
    SYNCED(real(file));
}

int sync_file_range(int file, off64_t from, off64_t length, unsigned flags)
{
    REAL(sync_file_range);
    /* Linux never interrupts it. */
    if (deed == FAIL && error == EINTR) return real(file, from, length, flags);
    SYNCED(real(file, from, length, flags));
}

int rename(const char *from, const char *to)
{
    char source[PATH_MAX], target[PATH_MAX];
    REAL(rename);
    if (!find(AT_FDCWD, from, source) || !find(AT_FDCWD, to, target)) return real(from, to);
    enum deed wrong = due(RENAME, target);
    if (wrong == FAIL) return -1;
    long kept = keep(target);
    int failed = real(from, to);
    if (!failed) note("%s\t%ld\t%s\t%s\n", wrong == LOSE ? "lost" : "rename", kept, source, target);
    return failed;
}

static int unlink_one(int base, const char *path, int flags)
{
    char full[PATH_MAX];
    REAL(unlinkat);
    if (!find(base, path, full)) return real(base, path, flags);
    if (due(UNLINK, full) == FAIL) return -1;
    long kept = flags & AT_REMOVEDIR ? 0 : keep(full);
    int failed = real(base, path, flags);
    if (!failed && kept) note("unlink\t%ld\t%s\n", kept, full);
    return failed;
}

int unlink(const char *path)
{
    return unlink_one(AT_FDCWD, path, 0);
}

int rmdir(const char *path)
{
    return unlink_one(AT_FDCWD, path, AT_REMOVEDIR);
}

int unlinkat(int base, const char *path, int flags)
{
    return unlink_one(base, path, flags);
}

int mkdir(const char *path, mode_t mode)
{
    char full[PATH_MAX];
    REAL(mkdir);
    return find(AT_FDCWD, path, full) && due(MKDIR, full) == FAIL ? -1 : real(path, mode);
}

int linkat(int base, const char *from, int other, const char *to, int flags)
{
    char full[PATH_MAX];
    REAL(linkat);
    return find(other, to, full) && due(LINK, full) == FAIL ? -1 : real(base, from, other, to, flags);
}

int symlink(const char *to, const char *path)
{
    char full[PATH_MAX];
    REAL(symlink);
    return find(AT_FDCWD, path, full) && due(SYMLINK, full) == FAIL ? -1 : real(to, path);
}

int ftruncate64(int file, off64_t length)
{
    REAL(ftruncate64);
    return due_file(TRUNCATE, file) == FAIL ? -1 : real(file, length);
}

int statx(int base, const char *path, int flags, unsigned mask, struct statx *into)
{
    char full[PATH_MAX];
    REAL(statx);
    return find(base, path, full) && due(STAT, full) == FAIL ? -1 : real(base, path, flags, mask, into);
}

DIR *opendir(const char *path)
{
    char full[PATH_MAX];
    REAL(opendir);
    int inside = find(AT_FDCWD, path, full);
    if (inside && due(LIST, full) == FAIL) return NULL;
    DIR *found = real(path);
    if (found) watch(dirfd(found), inside);
    return found;
}

struct dirent64 *readdir64(DIR *listing)
{
    REAL(readdir64);
    return due_file(LIST, dirfd(listing)) == FAIL ? NULL : real(listing);
}

int closedir(DIR *listing)
{
    REAL(closedir);
    watch(dirfd(listing), 0);
    return real(listing);
}

int clock_gettime(clockid_t clock, struct timespec *now)
{
    REAL(clock_gettime);
    int failed = real(clock, now);
    if (!failed && clock == CLOCK_REALTIME) now->tv_sec += ahead;
    return failed;
}

int flock(int file, int operation)
{
    REAL(flock);
    return due_file(LOCK, file) == FAIL ? -1 : real(file, operation);
}
