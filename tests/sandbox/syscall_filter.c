/*
 * Starts a program under the system-call filter of its systemd unit, where no systemd is: the tests' way to know that
 * the unit's filter fits (scripts/test api).
 *
 *   syscall-filter LIST PROGRAM [ARGUMENT …]     LIST: names that are allowed, a line each (scripts/unit-syscalls)
 *
 * A call that is not allowed kills the process, so that no test overlooks it; in the unit it fails with EPERM. Only
 * what is known to be tried in vain fails here too: raising the descriptor limit. Memory that is written and run, and
 * sockets of other families, are refused as MemoryDenyWriteExecute and RestrictAddressFamilies do.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static void must(int result, const char *what)
{
    if (result >= 0) return;
    fprintf(stderr, "syscall-filter: %s: %s\n", what, strerror(-result));
    _exit(125);
}

/* Those with conditions of their own; the list allows them as a whole. */
static int allow_in_part(scmp_filter_ctx filter, int call)
{
    static const unsigned families[] = {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
    static const unsigned ways[] = {0, PROT_WRITE, PROT_EXEC};
    int result = 0;

    if (call == SCMP_SYS(socket)) {
        for (size_t i = 0; result == 0 && i < sizeof families / sizeof *families; i++)
            result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1, SCMP_A0(SCMP_CMP_EQ, families[i]));
        return result;
    }
    if (call == SCMP_SYS(mmap)) {
        for (size_t i = 0; result == 0 && i < sizeof ways / sizeof *ways; i++)
            result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1,
                                      SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_WRITE | PROT_EXEC, ways[i]));
        return result;
    }
    if (call == SCMP_SYS(mprotect) || call == SCMP_SYS(pkey_mprotect))
        return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1, SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 0);
}

int main(int argc, char **argv)
{
    char name[128];
    int allowed = 0;

    if (argc < 3) must(-EINVAL, "syscall-filter LIST PROGRAM [ARGUMENT …]");
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
    FILE *list = fopen(argv[1], "re");
    if (!filter || !list) must(-ENOENT, argv[1]);
    while (fscanf(list, "%127s", name) == 1) {
        int call = seccomp_syscall_resolve_name(name);
        if (call < 0) continue; /* of another architecture */
        must(allow_in_part(filter, call), name);
        allowed++;
    }
    fclose(list);
    if (allowed < 100) must(-EINVAL, "a list with hardly a call");
    must(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(setrlimit), 0), "setrlimit");
    must(seccomp_load(filter), "the kernel");
    seccomp_release(filter);
    execvp(argv[2], argv + 2);
    must(-errno, argv[2]);
}
