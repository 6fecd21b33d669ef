/* A guest that answers with what it was asked, and, under some paths, misbehaves. */
#include "http.h"

#define EXPORT(name) __attribute__((export_name(name)))

#ifndef GUEST
#define GUEST "echo"
#endif

static unsigned requests; /* each has an instance of its own: this never becomes 2 */

static unsigned length(const char *text)
{
    unsigned n = 0;

    while (text[n])
        n++;
    return n;
}

static void say(const char *text)
{
    http_write(text, length(text));
}

static void say_part(const char *title, enum http_part part)
{
    char bytes[100];
    unsigned offset = 0, size;

    say(title);
    do {
        size = http_request(part, offset, bytes, sizeof bytes);
        const unsigned left = size - offset;
        const unsigned n = left < sizeof bytes ? left : sizeof bytes;
        http_write(bytes, n);
        offset += n;
    } while (offset < size);
    say("\n");
}

static void header(const char *name, const char *value)
{
    if (http_response_header(name, length(name), value, length(value)) != 0)
        say("refused: "), say(name), say("\n");
}

__attribute__((noinline)) static void parse(const volatile char *text)
{
    if (*text == '{')
        say("an object\n");
}

static void misbehave(void)
{
    static const char forged[] = "nothing wrong\n2026/01/01 00:00:00 [alert] forged";

    header("Content-Length", "5");
    header("X-Split", "a\r\nSet-Cookie: b");
    header("Bad Name", "a");
    if (http_status(100) == 0 || http_status(99999) == 0)
        say("a status that is none\n");
    http_log(forged, sizeof forged - 1);
    say("it did not help\n");
}

static void flood(void)
{
    static char page[65536];

    for (;;)
        http_write(page, sizeof page);
}

static int is(const char *path, unsigned size, const char *what)
{
    if (size != length(what))
        return 0;
    for (unsigned i = 0; i < size; i++)
        if (path[i] != what[i])
            return 0;
    return 1;
}

/* The last part of the path says what is wanted. */
static int wanted(const char *what)
{
    char path[64];
    unsigned size = http_request(HTTP_PATH, 0, path, sizeof path), from = 0;

    if (size > sizeof path)
        return 0;
    for (unsigned i = 0; i < size; i++)
        if (path[i] == '/')
            from = i + 1;
    return is(path + from, size - from, what);
}

EXPORT("handle") void handle(void)
{
    char agent[64];

    if (wanted("spin"))
        for (;;)
            __asm__ volatile("");
    header("Set-Cookie", "of=a-guest");
    if (wanted("crash"))
        parse((const char *)0xfffffff0);
    if (wanted("lie"))
        http_write(agent, 0x7fffffff);
    if (wanted("flood"))
        flood();
    if (wanted("misbehave")) {
        misbehave();
        return;
    }
    header("Content-Type", "text/plain");
    header("X-Guest", GUEST);
    if (http_request(HTTP_BODY, 0, 0, 0) > 0)
        http_status(201);
    say_part("method ", HTTP_METHOD);
    say_part("path ", HTTP_PATH);
    say_part("query ", HTTP_QUERY);
    say_part("body ", HTTP_BODY);
    const int known = http_request_header("user-agent", 10, agent, sizeof agent);
    say("agent ");
    http_write(agent, known < 0                        ? 0
                      : (unsigned)known < sizeof agent ? (unsigned)known
                                                       : sizeof agent);
    say("\nrequest ");
    say(++requests == 1 ? "1" : "of another's instance");
    say("\n");
}
