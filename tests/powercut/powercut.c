/* What survives a power cut, strictly by POSIX: the bytes of a file as they were at its last fsync or fdatasync, and the
 * names of a folder as they were at its last fsync. Loaded into the server with LD_PRELOAD; tests/it/support/powercut.rs
 * rebuilds the folder from what is recorded here.
 *
 *   POWERCUT_ROOT   only files below are recorded
 *   POWERCUT_LOG    where the records go: one file for each inode, replaced as a whole
 *   POWERCUT_BLIND  a part of a path: syncs of such files record nothing (the control that must lose data)
 *
 * While POWERCUT_LOG/full exists, writes to files in a folder named staging fail with ENOSPC.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;

/* Inode numbers are used again; with the time of birth they are not. */
static int identity(int folder, const char *name, char *id, size_t size) {
    struct statx now;
    int flags = AT_SYMLINK_NOFOLLOW | (*name ? 0 : AT_EMPTY_PATH);
    if (statx(folder, name, flags, STATX_INO | STATX_TYPE | STATX_BTIME, &now) != 0) return -1;
    snprintf(id, size, "%llu-%lld-%u", (unsigned long long)now.stx_ino, (long long)now.stx_btime.tv_sec,
             now.stx_btime.tv_nsec);
    return now.stx_mode & S_IFMT;
}

/* The path behind a descriptor, when it is one of those that are watched. */
static int watched(int fd, char *path) {
    const char *root = getenv("POWERCUT_ROOT");
    if (!root || !getenv("POWERCUT_LOG")) return 0;
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    if (length < 0) return 0;
    path[length] = 0;
    size_t prefix = strlen(root);
    return strncmp(path, root, prefix) == 0 && (path[prefix] == '/' || path[prefix] == 0);
}

static int copy(const char *from, int to) {
    static char block[1 << 20];
    int source = open(from, O_RDONLY | O_CLOEXEC);
    if (source < 0) return -1;
    ssize_t got;
    while ((got = read(source, block, sizeof block)) > 0)
        if (write(to, block, (size_t)got) != got) got = -2;
    close(source);
    return got == 0 ? 0 : -1;
}

static int list(const char *path, int to) {
    DIR *folder = opendir(path);
    if (!folder) return -1;
    struct dirent *entry;
    while ((entry = readdir(folder))) {
        char id[80];
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, "..")) continue;
        int type = identity(dirfd(folder), entry->d_name, id, sizeof id);
        if (type >= 0) dprintf(to, "%c %s %s\n", type == S_IFDIR ? 'd' : 'f', id, entry->d_name);
    }
    closedir(folder);
    return 0;
}

static void record(int fd) {
    char path[PATH_MAX], id[80], target[PATH_MAX], draft[PATH_MAX];
    if (!watched(fd, path)) return;
    const char *log = getenv("POWERCUT_LOG"), *blind = getenv("POWERCUT_BLIND");
    pthread_mutex_lock(&one);
    int type = identity(fd, "", id, sizeof id);
    if (type >= 0 && !(blind && type != S_IFDIR && strstr(path, blind))) {
        snprintf(draft, sizeof draft, "%s/draft", log);
        snprintf(target, sizeof target, "%s/%s", log, id);
        int to = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
        if (to >= 0) {
            int failed = type == S_IFDIR ? list(path, to) : copy(path, to);
            close(to);
            if (!failed) rename(draft, target);
        }
    }
    pthread_mutex_unlock(&one);
}

/* The record is what counts here, so the disk itself is spared. */
int fsync(int fd) {
    record(fd);
    return 0;
}

int fdatasync(int fd) {
    record(fd);
    return 0;
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at) {
    static ssize_t (*real)(int, const void *, size_t, off64_t);
    if (!real) real = (ssize_t(*)(int, const void *, size_t, off64_t))dlsym(RTLD_NEXT, "pwrite64");
    char path[PATH_MAX], flag[PATH_MAX];
    if (watched(fd, path) && strstr(path, "/staging/")) {
        snprintf(flag, sizeof flag, "%s/full", getenv("POWERCUT_LOG"));
        if (access(flag, F_OK) == 0) {
            errno = ENOSPC;
            return -1;
        }
    }
    return real(fd, bytes, count, at);
}
