#include "tools/lucetc/memory_limit.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "lucetc/object.h"

/* What must still be there for a death not to be one of hunger: LLVM asks for no more than this at
 * a time but for what grows by doubling, which finds out earlier. */
#define PROBE ((size_t)32 << 20)

static bool memory_is_short(void)
{
    void *p = mmap(NULL, PROBE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
                   -1, 0);
    if (p == MAP_FAILED)
        return errno == ENOMEM;
    munmap(p, PROBE);
    return false;
}

/* abort() and what follows a null pointer nobody looked at. Only system calls. */
static void on_death(int signo)
{
    if (memory_is_short())
        _exit(EXIT_MEMORY);
    signal(signo, SIG_DFL);
    raise(signo);
}

static uint64_t stacks(const struct cli *cli)
{
    const long cpus = sysconf(_SC_NPROCESSORS_ONLN);
    uint64_t n = cli->compile.jobs ? cli->compile.jobs : cpus > 0 ? (uint64_t)cpus : 1;
    if (n > OBJECT_MAX_THREADS)
        n = OBJECT_MAX_THREADS;
    return n * OBJECT_THREAD_STACK;
}

void memory_limit_apply(const struct cli *cli)
{
    static const int deaths[] = {SIGABRT, SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGFPE};
    const struct sigaction action = {.sa_handler = on_death, .sa_flags = SA_NODEFER};

#ifdef LUCET_SANITIZE
    return; /* a sanitizer maps terabytes that it does not use */
#endif
    if (cli->memory_limit == 0)
        return;
    const rlim_t most = (rlim_t)(cli->memory_limit + stacks(cli));
    /* Data: what is writable and private, wherever it comes from. Address space would count the
     * compiler's code and what allocators reserve and do not use. */
    setrlimit(RLIMIT_DATA, &(struct rlimit){most, most});
    for (size_t i = 0; i < sizeof deaths / sizeof *deaths; i++)
        sigaction(deaths[i], &action, NULL);
}
