/*
 * An event loop: 1,000 guests on one thread. Each has a connection and waits for it as if it had a
 * thread for itself; the host function that would block yields instead, and the loop resumes the
 * guest when epoll says that there is something to read. Those that compute do so in slices of a
 * millisecond, so that one that loops for ever, as guest 0 does, costs the others no more than its
 * turn.
 *
 * In this folder:
 *
 *     clang-22 --target=wasm32 -O2 -nostdlib -Wl,--no-entry -o worker.wasm guests/worker.c
 *     lucetc --bindings event_loop.json worker.wasm -o worker.so
 *     cc -o event_loop event_loop.c $(pkg-config --cflags --libs lucet) -pthread
 *     ./event_loop worker.so
 *
 * docs/embedding.md explains what is behind it.
 */

#include <errno.h>
#include <lucet/lucet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define GUESTS 1000
#define REQUESTS 3    /* per client */
#define SLICE 1000000 /* nanoseconds */

struct guest {
    struct lucet_instance *instance;
    int socket;             /* our end of the connection */
    int client;             /* the other one */
    struct guest *next;     /* in the queue */
    enum lucet_error error; /* what the last part of its run came to, and how */
    struct lucet_result result;
    unsigned slices;
    bool begun;
};

static struct guest guests[GUESTS];

/* Those that could run now, in the order in which they get their turn. */
static struct guest *first, **last = &first;
static int events; /* the epoll descriptor */

static void check(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "%s: %s\n", what, lucet_error_detail()[0] ? lucet_error_detail() : "failed");
    exit(1);
}

/* ---- Host functions ----------------------------------------------------------------------- */

/* Blocks, in the guest's eyes. The address of the guest says to the loop what is waited for.
 * Nothing is held here while it waits: this call may never return, when the guest is stopped. */
static int32_t events_receive(struct lucet_vmctx *vmctx)
{
    struct guest *guest = lucet_vmctx_get_delegate(vmctx);
    int32_t number;

    for (;;) {
        ssize_t got = recv(guest->socket, &number, sizeof number, MSG_DONTWAIT);
        if (got == sizeof number)
            return number;
        if (got >= 0 || (errno != EAGAIN && errno != EINTR))
            return 0; /* the connection was closed */
        lucet_vmctx_yield(vmctx, guest);
    }
}

static void events_send(struct lucet_vmctx *vmctx, int32_t answer)
{
    struct guest *guest = lucet_vmctx_get_delegate(vmctx);

    /* So few bytes fit; a real server would wait for room as above. */
    if (send(guest->socket, &answer, sizeof answer, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
        lucet_vmctx_terminate(vmctx, NULL);
}

static const struct lucet_hostcall hostcalls[] = {
    {"events_receive", ":i", (void (*)(void))events_receive},
    {"events_send", "i:", (void (*)(void))events_send},
};

/* ---- The loop ----------------------------------------------------------------------------- */

static void enqueue(struct guest *guest)
{
    guest->next = NULL;
    *last = guest;
    last = &guest->next;
}

static struct guest *dequeue(void)
{
    struct guest *guest = first;

    first = guest->next;
    if (!first)
        last = &first;
    return guest;
}

/* One slice of a guest, or less. Afterwards it is in the queue, or epoll watches its connection, or
 * it is finished. True: the last. */
static bool take_turn(struct guest *guest)
{
    struct epoll_event readable = {.events = EPOLLIN, .data.ptr = guest};

    if (guest->begun) {
        guest->error = lucet_instance_resume(guest->instance, NULL, &guest->result);
    } else {
        const char *what = guest == &guests[0] ? "spin" : "serve";
        guest->begun = true;
        guest->error = lucet_instance_run(guest->instance, what, 0, NULL, &guest->result);
    }
    if (guest->result.tag != lucet_result_tag_yielded)
        return true;
    if (guest->result.val.yielded.reason == lucet_yield_reason_slice) {
        guest->slices++;
        enqueue(guest);
    } else {
        check(epoll_ctl(events, EPOLL_CTL_ADD, guest->socket, &readable) == 0, "epoll_ctl");
    }
    return false;
}

/* Until all guests but the one that never ends are finished. */
static void serve_all(void)
{
    struct epoll_event ready[64];

    for (unsigned finished = 0; finished < GUESTS - 1;) {
        int n = epoll_wait(events, ready, 64, first ? 0 : -1);
        for (int i = 0; i < n; i++) {
            struct guest *guest = ready[i].data.ptr;
            epoll_ctl(events, EPOLL_CTL_DEL, guest->socket, NULL); /* it does not wait any more */
            enqueue(guest);
        }
        if (first)
            finished += take_turn(dequeue());
    }
}

/* ---- The clients: another thread, which asks and waits for the answers ---------------------- */

static void *be_clients(void *unused)
{
    unsigned *answers = calloc(1, sizeof *answers);

    (void)unused;
    for (int32_t request = 1; request <= REQUESTS; request++) {
        for (unsigned i = 1; i < GUESTS; i++)
            check(write(guests[i].client, &request, sizeof request) == sizeof request, "write");
        for (unsigned i = 1; i < GUESTS; i++) {
            int32_t answer;
            *answers += read(guests[i].client, &answer, sizeof answer) == sizeof answer;
        }
    }
    for (unsigned i = 1; i < GUESTS; i++)
        close(guests[i].client);
    return answers;
}

/* ---- Setting up --------------------------------------------------------------------------- */

static void connect_guest(struct guest *guest)
{
    int ends[2];

    check(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0, "socketpair");
    guest->socket = ends[0];
    guest->client = ends[1];
}

static void allow_descriptors(void)
{
    struct rlimit limit;

    check(getrlimit(RLIMIT_NOFILE, &limit) == 0, "getrlimit");
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
}

int main(int argc, char **argv)
{
    struct lucet_dl_module *module;
    struct lucet_region *region;
    struct lucet_linker *linker;
    pthread_t clients;
    void *answers;

    if (argc != 2) {
        fprintf(stderr, "usage: event_loop worker.so\n");
        return 2;
    }
    allow_descriptors();
    check((events = epoll_create1(0)) >= 0, "epoll_create1");
    check(lucet_dl_module_load(argv[1], &module) == lucet_error_ok, argv[1]);
    check(lucet_mmap_region_create(GUESTS, NULL, &region) == lucet_error_ok, "region");
    check(lucet_linker_new(&linker) == lucet_error_ok, "linker");
    check(lucet_linker_hostcalls(linker, hostcalls, sizeof hostcalls / sizeof hostcalls[0]) ==
              lucet_error_ok,
          "host functions");

    for (unsigned i = 0; i < GUESTS; i++) {
        struct lucet_instance_options options = {.linker = linker, .embed_ctx = &guests[i]};
        check(lucet_region_new_instance_with(region, module, &options, &guests[i].instance) ==
                  lucet_error_ok,
              "instance");
        check(lucet_instance_set_slice(guests[i].instance, SLICE) == lucet_error_ok, "slice");
        connect_guest(&guests[i]);
        enqueue(&guests[i]);
    }
    check(pthread_create(&clients, NULL, be_clients, NULL) == 0, "thread");
    serve_all();
    pthread_join(clients, &answers);

    unsigned served = 0;
    for (unsigned i = 1; i < GUESTS; i++)
        if (guests[i].error == lucet_error_ok)
            served += (unsigned)lucet_retval_gp(&guests[i].result.val.returned);
    printf("%u guests on one thread\n", GUESTS);
    printf("answered: %u requests\n", served);
    printf("received: %u answers\n", *(unsigned *)answers);
    printf("guest 0: %s after %u slices\n",
           guests[0].slices >= REQUESTS ? "still looping" : "starved", guests[0].slices);
    free(answers);

    /* An instance that has yielded may be released as it is. */
    for (unsigned i = 0; i < GUESTS; i++) {
        lucet_instance_release(guests[i].instance);
        close(guests[i].socket);
    }
    close(guests[0].client);
    close(events);
    lucet_linker_release(linker);
    lucet_region_release(region);
    lucet_dl_module_release(module);
    return 0;
}
