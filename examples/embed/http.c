/*
 * An HTTP server, four threads with epoll, that runs every request in a fresh instance, with a
 * limit of time. What one request does, the next one cannot see; a handler that crashes or loops
 * costs only its own request.
 *
 * In this folder:
 *
 *     clang-22 --target=wasm32 -O2 -nostdlib -Wl,--no-entry -o handler.wasm guests/handler.c
 *     lucetc --bindings http.json handler.wasm -o handler.so
 *     cc -O2 -o http http.c $(pkg-config --cflags --libs lucet) -pthread
 *     ./http handler.so 8080 &
 *     curl http://localhost:8080/
 *     kill %1
 *
 * To keep it short, a request is what the first read gives.
 */

#include <lucet/lucet.h>

#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

enum { THREADS = 4, MAX_REQUEST = 4096 };

/* Made once; used by all threads at the same time. */
struct server {
    struct lucet_dl_module *module;
    struct lucet_region *region;
    struct lucet_linker *linker;
    struct lucet_func request, handle, answer; /* looked up once */
    int listener, stop;
    uint64_t time_limit_ms; /* of each of the three runs of a request */
    atomic_uint answered, failed;
};

/* What the host functions know of a request. */
struct job {
    unsigned lines_logged;
};

static void check(enum lucet_error error, const char *what)
{
    if (error == lucet_error_ok)
        return;
    fprintf(stderr, "%s: %s: %s\n", what, lucet_error_message(error), lucet_error_detail());
    exit(1);
}
static void check_system(bool ok, const char *what)
{
    if (ok)
        return;
    perror(what);
    exit(1);
}

/* void log(const char *text, unsigned size) in the guest. */
static void http_log(struct lucet_vmctx *vmctx, uint32_t text, uint32_t size)
{
    struct job *job = lucet_vmctx_get_delegate(vmctx);

    if (!lucet_vmctx_guest_range(vmctx, text, size))
        lucet_vmctx_trap(vmctx, lucet_trapcode_heap_out_of_bounds);
    job->lines_logged++; /* a real one would write them somewhere */
}

/* ---- A request ------------------------------------------------------------------------------ */

static void reply(int client, const char *status, const void *body, size_t size)
{
    char head[128];
    const int n =
        snprintf(head, sizeof head,
                 "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", status, size);

    /* A client that has gone away is no matter of ours. */
    if (send(client, head, (size_t)n, MSG_NOSIGNAL | MSG_DONTWAIT | MSG_MORE) == n)
        (void)!send(client, body, size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

static void reply_error(struct server *s, int client, enum lucet_error error,
                        const struct lucet_result *result)
{
    const bool late = error == lucet_error_runtime_terminated && result &&
                      result->val.terminated.reason == lucet_terminated_reason_timeout;
    const bool guests = error == lucet_error_runtime_fault || late;
    char text[512];

    atomic_fetch_add(&s->failed, 1);
    const int n = snprintf(text, sizeof text, "%.500s\n", lucet_error_detail());
    reply(client,
          late     ? "504 Gateway Timeout"
          : guests ? "502 Bad Gateway"
                   : "500 Internal Server Error",
          text, (size_t)n);
}

/* The guest's answer is numbers until lucet_instance_guest_range() has judged them. */
static enum lucet_error ask(struct server *s, struct lucet_instance *instance, const void *request,
                            size_t size, const void **answer, size_t *answer_size,
                            struct lucet_result *result)
{
    union lucet_raw v[1];
    enum lucet_error error = lucet_func_call(&s->request, instance, v, result);
    if (error != lucet_error_ok)
        return error;
    void *place = lucet_instance_guest_range(instance, v[0].u32, size);
    if (!place)
        return lucet_error_ok; /* without an answer */
    memcpy(place, request, size);

    v[0].u32 = (uint32_t)size;
    error = lucet_func_call(&s->handle, instance, v, result);
    *answer_size = v[0].u32;
    if (error == lucet_error_ok)
        error = lucet_func_call(&s->answer, instance, v, result);
    if (error == lucet_error_ok)
        *answer = lucet_instance_guest_range(instance, v[0].u32, *answer_size);
    return error;
}

static void serve(struct server *s, int client)
{
    struct job job = {0};
    const struct lucet_instance_options options = {.linker = s->linker, .embed_ctx = &job};
    struct lucet_instance *instance;
    struct lucet_result result;
    char request[MAX_REQUEST];
    const void *answer = NULL;
    size_t answer_size;

    const ssize_t size = recv(client, request, sizeof request, MSG_DONTWAIT);
    if (size <= 0)
        return;
    enum lucet_error error =
        lucet_region_new_instance_with(s->region, s->module, &options, &instance);
    if (error != lucet_error_ok) {
        reply_error(s, client, error, NULL);
        return;
    }
    error = lucet_instance_set_timeout(instance, s->time_limit_ms);
    if (error == lucet_error_ok)
        error = ask(s, instance, request, (size_t)size, &answer, &answer_size, &result);
    if (error != lucet_error_ok) {
        reply_error(s, client, error, &result);
    } else if (!answer) {
        static const char lies[] = "the handler lies\n";
        atomic_fetch_add(&s->failed, 1);
        reply(client, "502 Bad Gateway", lies, sizeof lies - 1);
    } else {
        atomic_fetch_add(&s->answered, 1);
        reply(client, "200 OK", answer, answer_size);
    }
    lucet_instance_release(instance);
}

/* ---- Threads -------------------------------------------------------------------------------- */

static void watch(int epoll, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.fd = fd};

    check_system(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
}

static void *work(void *arg)
{
    struct server *s = arg;
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    bool stopped = false;

    check_system(epoll >= 0, "epoll");
    watch(epoll, s->listener, EPOLLIN | EPOLLEXCLUSIVE);
    watch(epoll, s->stop, EPOLLIN);
    while (!stopped) {
        struct epoll_event events[16];
        const int n = epoll_wait(epoll, events, 16, -1);
        for (int i = 0; i < n; i++) {
            const int fd = events[i].data.fd;
            if (fd == s->stop) {
                stopped = true;
            } else if (fd == s->listener) {
                const int client = accept(fd, NULL, NULL);
                if (client >= 0)
                    watch(epoll, client, EPOLLIN);
            } else {
                serve(s, fd);
                close(fd);
            }
        }
    }
    close(epoll);
    return NULL;
}

static int listen_at(uint16_t port)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in at = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t size = sizeof at;

    check_system(fd >= 0, "socket");
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    check_system(bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 128) == 0 &&
                     getsockname(fd, (struct sockaddr *)&at, &size) == 0,
                 "listen");
    printf("port %u\n", ntohs(at.sin_port)); /* the kernel's choice, if 0 was wanted */
    fflush(stdout);
    return fd;
}

static void prepare(struct server *s, const char *artifact)
{
    static const struct lucet_hostcall calls[] = {
        {"http_log", "ii:", (void (*)(void))http_log},
    };

    check(lucet_set_timeout_source(lucet_timeout_source_host), "source of time");
    check(lucet_dl_module_load(artifact, &s->module), artifact);
    check(lucet_dl_module_func(s->module, "request", ":i", &s->request), "request");
    check(lucet_dl_module_func(s->module, "handle", "i:i", &s->handle), "handle");
    check(lucet_dl_module_func(s->module, "answer", ":i", &s->answer), "answer");
    check(lucet_mmap_region_create(THREADS, NULL, &s->region), "region");
    check(lucet_linker_new(&s->linker), "linker");
    check(lucet_linker_hostcalls(s->linker, calls, 1), "host functions");
}

int main(int argc, char **argv)
{
    struct server s = {0};
    pthread_t threads[THREADS];
    const struct timespec millisecond = {.tv_nsec = 1000000};
    sigset_t ending;

    if (argc != 3 && argc != 4) {
        fprintf(stderr, "usage: http handler.so PORT [MILLISECONDS]\n");
        return 2;
    }
    /* Blocked in all threads; the first one waits for them. Lucet's five signals never are. */
    sigemptyset(&ending);
    sigaddset(&ending, SIGTERM);
    sigaddset(&ending, SIGINT);
    pthread_sigmask(SIG_BLOCK, &ending, NULL);

    prepare(&s, argv[1]);
    s.time_limit_ms = argc > 3 ? strtoull(argv[3], NULL, 10) : 1000;
    s.stop = eventfd(0, EFD_CLOEXEC);
    check_system(s.stop >= 0, "eventfd");
    s.listener = listen_at((uint16_t)strtoul(argv[2], NULL, 10));
    for (unsigned k = 0; k < THREADS; k++)
        check_system(pthread_create(&threads[k], NULL, work, &s) == 0, "thread");
    while (sigtimedwait(&ending, NULL, &millisecond) < 0)
        lucet_expire_timeouts(); /* of all threads: this one has the clock */
    check_system(eventfd_write(s.stop, 1) == 0, "eventfd");
    for (unsigned k = 0; k < THREADS; k++)
        pthread_join(threads[k], NULL);
    printf("%u answered, %u failed, %zu instances left\n", s.answered, s.failed,
           lucet_region_used_slots(s.region));

    lucet_linker_release(s.linker);
    lucet_region_release(s.region);
    lucet_dl_module_release(s.module);
    close(s.listener);
    close(s.stop);
    return 0;
}
