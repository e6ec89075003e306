/* Journals what a program does to the files below a folder: writes, sizes, names and syncs, in the
 * order in which the kernel saw them. Loaded with LD_PRELOAD; see journal.rs, which reads it.
 *
 *     SHIM_ROOT     the folder, without links in its path
 *     SHIM_JOURNAL  the journal, outside of it; appended to
 *
 * The system calls themselves are trapped, by a filter of seccomp, and not functions of libc: so
 * nothing escapes, whoever makes the call. What changes files in a way that is not journalled (a
 * shared mapping, a hard link) is journalled as an escape, and fails the test.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/falloc.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <ucontext.h>
#include <unistd.h>

/* The only place from which the filter lets every call pass. */
long shim_call(long number, long a, long b, long c, long d, long e, long f);
extern char shim_call_end[];

#if defined(__x86_64__)
#define ARCHITECTURE AUDIT_ARCH_X86_64
__asm__(".text\n.globl shim_call\n.hidden shim_call\nshim_call:\n"
        "mov %rdi, %rax\nmov %rsi, %rdi\nmov %rdx, %rsi\nmov %rcx, %rdx\n"
        "mov %r8, %r10\nmov %r9, %r8\nmov 8(%rsp), %r9\nsyscall\n"
        ".globl shim_call_end\n.hidden shim_call_end\nshim_call_end:\nret\n");
#define REGISTER(context, name) ((context)->uc_mcontext.gregs[name])
static void arguments(ucontext_t *context, long *a) {
    a[0] = REGISTER(context, REG_RDI), a[1] = REGISTER(context, REG_RSI);
    a[2] = REGISTER(context, REG_RDX), a[3] = REGISTER(context, REG_R10);
    a[4] = REGISTER(context, REG_R8), a[5] = REGISTER(context, REG_R9);
}
static void answer(ucontext_t *context, long result) { REGISTER(context, REG_RAX) = result; }
#elif defined(__aarch64__)
#define ARCHITECTURE AUDIT_ARCH_AARCH64
__asm__(".text\n.globl shim_call\n.hidden shim_call\nshim_call:\n"
        "mov x8, x0\nmov x0, x1\nmov x1, x2\nmov x2, x3\nmov x3, x4\nmov x4, x5\nmov x5, x6\n"
        "svc #0\n.globl shim_call_end\n.hidden shim_call_end\nshim_call_end:\nret\n");
static void arguments(ucontext_t *context, long *a) {
    for (int i = 0; i < 6; i++) a[i] = context->uc_mcontext.regs[i];
}
static void answer(ucontext_t *context, long result) { context->uc_mcontext.regs[0] = result; }
#else
#error "no trap for this processor"
#endif

enum { OPEN = 1, WRITE, SIZE, ZERO, SYNC_BEGIN, SYNC_END, RENAME, UNLINK, MKDIR, RMDIR, ESCAPE };

struct entry {
    uint32_t magic, op;
    uint64_t number, at;
    uint32_t path, data;
};

static char root[4096];
static size_t root_length;
static int journal = -1;
static int busy;
static uint64_t syncs;

static long call(long number, const long *a) {
    return shim_call(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

static void die(const char *why) {
    shim_call(SYS_write, 2, (long)why, strlen(why), 0, 0, 0);
    shim_call(SYS_exit_group, 99, 0, 0, 0, 0, 0);
}

static void lock(void) {
    while (__atomic_exchange_n(&busy, 1, __ATOMIC_ACQUIRE)) shim_call(SYS_sched_yield, 0, 0, 0, 0, 0, 0);
}

static void unlock(void) { __atomic_store_n(&busy, 0, __ATOMIC_RELEASE); }

static int inside(const char *path) {
    return memcmp(path, root, root_length) == 0 && (path[root_length] == '/' || path[root_length] == 0);
}

static void put(const void *bytes, size_t length) {
    const char *rest = bytes;
    while (length > 0) {
        long written = shim_call(SYS_write, journal, (long)rest, length, 0, 0, 0);
        if (written <= 0) die("shim: the journal cannot be written\n");
        rest += written, length -= written;
    }
}

/* Under the lock. */
static void note(int op, uint64_t number, uint64_t at, const char *path, const void *data, size_t length) {
    struct entry entry = {0x4c4e524a, op, number, at, strlen(path), length};
    put(&entry, sizeof entry);
    put(path, entry.path);
    put(data, length);
}

/* The name of an open file, when it is one of ours and still has one. */
static int name_of(int fd, char *path) {
    char link[32] = "/proc/self/fd/";
    char digits[12];
    int count = 0, at = 14;
    if (fd < 0) return 0;
    do digits[count++] = '0' + fd % 10; while ((fd /= 10) > 0);
    while (count > 0) link[at++] = digits[--count];
    long length = shim_call(SYS_readlinkat, AT_FDCWD, (long)link, (long)path, 4095, 0, 0);
    if (length <= 0) return 0;
    path[length] = 0;
    if (length > 10 && strcmp(path + length - 10, " (deleted)") == 0) return 0;
    return inside(path);
}

/* A path as it was given, made absolute. */
static int name_at(int folder, const char *given, char *path) {
    size_t have = 0;
    if (given[0] != '/') {
        if (folder == AT_FDCWD) {
            if (shim_call(SYS_getcwd, (long)path, 4095, 0, 0, 0, 0) <= 0) return 0;
        } else {
            if (!name_of(folder, path)) return 0;
        }
        have = strlen(path);
        path[have++] = '/';
    }
    size_t length = strlen(given);
    if (have + length > 4094) return 0;
    memcpy(path + have, given, length + 1);
    return inside(path);
}

static long size_of(int fd) {
    struct stat stat;
    long args[6] = {fd, (long)&stat};
    return call(SYS_fstat, args) == 0 ? stat.st_size : -1;
}

static long place_of(int fd) { return shim_call(SYS_lseek, fd, 0, SEEK_CUR, 0, 0, 0); }

static void note_pieces(const char *path, uint64_t at, const struct iovec *pieces, size_t count, size_t left) {
    for (size_t i = 0; i < count && left > 0; i++) {
        size_t length = pieces[i].iov_len < left ? pieces[i].iov_len : left;
        note(WRITE, 0, at, path, pieces[i].iov_base, length);
        at += length, left -= length;
    }
}

static long do_write(long number, const long *a) {
    char path[4096];
    int fd = a[0];
    if (!name_of(fd, path)) return call(number, a);
    lock();
    long written = call(number, a);
    if (written > 0 && name_of(fd, path)) {
        struct iovec one = {(void *)a[1], a[2]};
        int single = number == SYS_write || number == SYS_pwrite64;
        int placed = number != SYS_write && number != SYS_writev;
        uint64_t at = placed ? (uint64_t)a[3] : (uint64_t)(place_of(fd) - written);
        note_pieces(path, at, single ? &one : (void *)a[1], single ? 1 : a[2], written);
    }
    unlock();
    return written;
}

static long do_open(long number, const long *a, int flags) {
    if (!(flags & (O_CREAT | O_TRUNC))) return call(number, a);
    char path[4096];
    lock();
    long fd = call(number, a);
    if (fd >= 0 && name_of(fd, path)) note(OPEN, flags, 0, path, "", 0);
    unlock();
    return fd;
}

static long do_size(long number, const long *a) {
    char path[4096];
    int fd = a[0];
    if (!name_of(fd, path)) return call(number, a);
    lock();
    long result = call(number, a);
    if (result == 0 && name_of(fd, path)) {
        int zeros = number == SYS_fallocate && (a[1] & ~FALLOC_FL_KEEP_SIZE);
        if (zeros && (a[1] & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)))
            note(ESCAPE, number, 0, path, "", 0);
        if (zeros) note(ZERO, a[3], a[2], path, "", 0);
        note(SIZE, 0, size_of(fd), path, "", 0);
    }
    unlock();
    return result;
}

static long do_sync(long number, const long *a) {
    char path[4096];
    if (!name_of(a[0], path)) return call(number, a);
    lock();
    uint64_t token = ((uint64_t)shim_call(SYS_getpid, 0, 0, 0, 0, 0, 0) << 32) | ++syncs;
    note(SYNC_BEGIN, token, 0, path, "", 0);
    unlock();
    long result = call(number, a);
    if (result == 0) {
        lock();
        note(SYNC_END, token, 0, path, "", 0);
        unlock();
    }
    return result;
}

static long do_name(long number, const long *a, int op, int folder, const char *given) {
    char path[4096];
    if (!name_at(folder, given, path)) return call(number, a);
    lock();
    long result = call(number, a);
    if (result == 0) note(op, 0, 0, path, "", 0);
    unlock();
    return result;
}

static long do_rename(long number, const long *a, const long *names, long flags) {
    char from[4096], to[4096];
    int leaves = name_at(names[0], (char *)names[1], from);
    int comes = name_at(names[2], (char *)names[3], to);
    if (!leaves && !comes) return call(number, a);
    lock();
    long result = call(number, a);
    if (result == 0) note(leaves && comes && !(flags & ~1) ? RENAME : ESCAPE, number, 0, from, to, strlen(to));
    unlock();
    return result;
}

/* A way to change files that the journal cannot tell of. */
static long do_escape(long number, const long *a, int fd, const char *given) {
    char path[4096];
    if (given ? name_at(AT_FDCWD, given, path) : name_of(fd, path)) {
        lock();
        note(ESCAPE, number, 0, path, "", 0);
        unlock();
    }
    return call(number, a);
}

static long handle(long number, const long *a) {
    const long here = AT_FDCWD;
    switch (number) {
    case SYS_write: case SYS_pwrite64: case SYS_writev: case SYS_pwritev: case SYS_pwritev2:
        return do_write(number, a);
    case SYS_openat: return do_open(number, a, a[2]);
    case SYS_ftruncate: case SYS_fallocate: return do_size(number, a);
    case SYS_fsync: case SYS_fdatasync: return do_sync(number, a);
    case SYS_mkdirat: return do_name(number, a, MKDIR, a[0], (char *)a[1]);
    case SYS_unlinkat: return do_name(number, a, a[2] & AT_REMOVEDIR ? RMDIR : UNLINK, a[0], (char *)a[1]);
    case SYS_renameat2: return do_rename(number, a, a, a[4]);
#ifdef SYS_renameat
    case SYS_renameat: return do_rename(number, a, a, 0);
#endif
#ifdef SYS_open
    case SYS_open: return do_open(number, a, a[1]);
    case SYS_creat: return do_open(number, a, O_CREAT | O_TRUNC | O_WRONLY);
    case SYS_mkdir: return do_name(number, a, MKDIR, here, (char *)a[0]);
    case SYS_unlink: return do_name(number, a, UNLINK, here, (char *)a[0]);
    case SYS_rmdir: return do_name(number, a, RMDIR, here, (char *)a[0]);
    case SYS_rename: return do_rename(number, a, (long[]){here, a[0], here, a[1]}, 0);
    case SYS_link: case SYS_symlink: return do_escape(number, a, -1, (char *)a[1]);
#endif
    case SYS_linkat: return do_escape(number, a, -1, (char *)a[3]);
    case SYS_symlinkat: return do_escape(number, a, -1, (char *)a[2]);
    case SYS_truncate: return do_escape(number, a, -1, (char *)a[0]);
    case SYS_sendfile: return do_escape(number, a, a[0], NULL);
    case SYS_copy_file_range: case SYS_splice: return do_escape(number, a, a[2], NULL);
    case SYS_mmap: return a[2] & PROT_WRITE ? do_escape(number, a, a[4], NULL) : call(number, a);
    /* Whoever wants these goes on without them. */
    case SYS_io_uring_setup: case SYS_openat2: return -ENOSYS;
    default: return call(number, a);
    }
}

static void on_trap(int signal, siginfo_t *info, void *context) {
    (void)signal;
    long a[6];
    arguments(context, a);
    answer(context, handle(info->si_syscall, a));
}

static const int trapped[] = {
    SYS_write, SYS_pwrite64, SYS_writev, SYS_pwritev, SYS_pwritev2, SYS_openat, SYS_openat2, SYS_ftruncate,
    SYS_truncate, SYS_fallocate, SYS_fsync, SYS_fdatasync, SYS_mkdirat, SYS_unlinkat, SYS_renameat2, SYS_linkat,
    SYS_symlinkat, SYS_sendfile, SYS_copy_file_range, SYS_splice, SYS_io_uring_setup,
#ifdef SYS_renameat
    SYS_renameat,
#endif
#ifdef SYS_open
    SYS_open, SYS_creat, SYS_mkdir, SYS_unlink, SYS_rmdir, SYS_rename, SYS_link, SYS_symlink,
#endif
};

static void set_trap(void) {
    enum { COUNT = sizeof trapped / sizeof *trapped };
    struct sock_filter filter[16 + 2 * COUNT];
    unsigned short length = 0;
    uint64_t ours = (uint64_t)(uintptr_t)shim_call_end;
#define FIELD(name) (uint32_t)offsetof(struct seccomp_data, name)
#define ADD(...) filter[length++] = (struct sock_filter)__VA_ARGS__
    ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIELD(arch)));
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ARCHITECTURE, 1, 0));
    ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS));
    ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIELD(instruction_pointer)));
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)ours, 0, 3));
    ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIELD(instruction_pointer) + 4));
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(ours >> 32), 0, 1));
    ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIELD(nr)));
    for (int i = 0; i < COUNT; i++) {
        ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)trapped[i], 0, 1));
        ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP));
    }
    /* Only shared mappings: threads are begun with signals blocked, and map their stacks then. */
    ADD(BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_mmap, 0, 3));
    ADD(BPF_STMT(BPF_LD | BPF_W | BPF_ABS, FIELD(args[3])));
    ADD(BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, MAP_SHARED, 0, 1));
    ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP));
    ADD(BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW));
    struct sock_fprog program = {length, filter};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
        || shim_call(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, (long)&program, 0, 0, 0) != 0)
        die("shim: the kernel gives no filter for system calls\n");
}

__attribute__((constructor)) static void begin(void) {
    const char *folder = getenv("SHIM_ROOT"), *file = getenv("SHIM_JOURNAL");
    if (!folder || !file || strlen(folder) >= sizeof root) return;
    strcpy(root, folder);
    root_length = strlen(root);
    int opened = open(file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    /* Out of the way of a program that counts on low numbers. */
    journal = opened < 0 ? -1 : fcntl(opened, F_DUPFD_CLOEXEC, 500);
    if (journal < 0) die("shim: the journal cannot be opened\n");
    close(opened);
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_trap;
    action.sa_flags = SA_SIGINFO;
    sigfillset(&action.sa_mask);
    if (sigaction(SIGSYS, &action, NULL) != 0) die("shim: no handler for the trap\n");
    set_trap();
}
