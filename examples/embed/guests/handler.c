/* The guest of http.c: answers one request. The host writes the request to where request() says,
 * calls handle(), and finds the answer where answer() says. */

#define EXPORT(name) __attribute__((export_name(name)))
__attribute__((import_module("host"), import_name("log"))) void host_log(const char *text,
                                                                         unsigned size);

enum { ROOM = 4096 };
static char request_bytes[ROOM], answer_bytes[2 * ROOM];
static unsigned requests; /* every request has an instance of its own: it never becomes 2 */

EXPORT("request") char *request(void)
{
    return request_bytes;
}

EXPORT("answer") char *answer(void)
{
    return answer_bytes;
}

static unsigned append(unsigned size, const char *text)
{
    while (*text)
        answer_bytes[size++] = *text++;
    return size;
}

static int is(const char *path, const char *what)
{
    while (*what && *path == *what)
        path++, what++;
    return !*what && *path == ' ';
}

/* Returns the size of the answer. `size` is at most ROOM. */
EXPORT("handle") unsigned handle(unsigned size)
{
    const char *path = request_bytes + 4; /* behind "GET " */

    requests++;
    if (is(path, "/spin"))
        for (;;)
            __asm__ volatile("");
    if (is(path, "/crash"))
        *(volatile int *)0xfffffff0 = 1;
    if (is(path, "/lie"))
        return 0x7fffffff;
    host_log(request_bytes, size < 16 ? size : 16);
    unsigned n = append(0, "request ");
    answer_bytes[n++] = (char)('0' + requests % 10);
    return append(n, " of this instance\n");
}
