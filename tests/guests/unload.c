/* A host that loads liblucet at run time, uses what installs handlers, and unloads it. */
#include <dlfcn.h>
#include <lucet/lucet.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static sem_t attached, unloaded;
static enum lucet_error (*attach)(size_t);

static void check(int good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static void *be_attached(void *unused)
{
    check(attach(0) == lucet_error_ok, "attach");
    sem_post(&attached);
    sem_wait(&unloaded);
    return unused; /* what liblucet has for the thread goes now */
}

static void *find(void *lib, const char *name)
{
    void *found = dlsym(lib, name);

    check(found != NULL, name);
    return found;
}

int main(int argc, char **argv)
{
    enum lucet_error (*install)(void);
    pthread_t thread;
    int status;

    setvbuf(stdout, NULL, _IOLBF, 0);
    check(argc == 2, "usage: unload liblucet.so");
    void *lib = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    check(lib != NULL, "dlopen");
    *(void **)&install = find(lib, "lucet_install_signal_handlers");
    *(void **)&attach = find(lib, "lucet_thread_attach");
    check(install() == lucet_error_ok, "install");
    sem_init(&attached, 0, 0);
    sem_init(&unloaded, 0, 0);
    check(pthread_create(&thread, NULL, be_attached, NULL) == 0, "thread");
    sem_wait(&attached);

    check(dlclose(lib) == 0, "dlclose");
    puts("unloaded");
    raise(SIGURG);
    puts("a signal was handled");
    sem_post(&unloaded);
    pthread_join(thread, NULL);
    puts("a thread has ended");
    const pid_t child = fork();
    if (child == 0)
        _exit(0);
    check(waitpid(child, &status, 0) == child && status == 0, "child");
    puts("a child has ended");
    lib = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    check(lib != NULL, "dlopen again");
    *(void **)&install = find(lib, "lucet_install_signal_handlers");
    check(install() == lucet_error_ok, "install again");
    puts("loaded again");
    return 0;
}
