/* What a guest of the nginx module imports, from the module "http". It exports `handle`, which is
 * called once, in an instance of its own, and has answered when it returns.
 *
 * A range that is not in the guest's memory is a trap, as a bad pointer is anywhere else. */
#ifndef HTTP_H
#define HTTP_H

#define HTTP(name) __attribute__((import_module("http"), import_name(name)))

enum http_part {
    HTTP_METHOD, /* "GET" */
    HTTP_PATH,   /* decoded, without the query */
    HTTP_QUERY,  /* as it came, without the "?" */
    HTTP_BODY,
};

/* Copies at most `size` bytes of a part, from `offset` on, to `to`. Returns how many bytes the part
 * has in all; 0 for a number that is no part. */
HTTP("request") unsigned http_request(enum http_part, unsigned offset, void *to, unsigned size);

/* The same of a header of the request, from its beginning: the first of that name, in whatever case
 * it is written. Returns -1 when there is none. */
HTTP("request_header")
int http_request_header(const char *name, unsigned name_size, void *to, unsigned size);

/* The status of the answer, 200 to 599; 200 when nothing is said. Returns 0, or -1 for other
 * numbers, which change nothing. */
HTTP("status") int http_status(unsigned status);

/* Adds a header. Returns 0, or -1: the name or the value is none in HTTP, or it is one of those
 * that are nginx's own (Connection, Content-Length, Date, Keep-Alive, Proxy-Connection, Server, TE,
 * Trailer, Transfer-Encoding, Upgrade). */
HTTP("response_header")
int http_response_header(const char *name, unsigned name_size, const char *value,
                         unsigned value_size);

/* Appends to the answer's body. It is sent when `handle` has returned. */
HTTP("write") void http_write(const void *bytes, unsigned size);

/* A line in nginx's error log, level "info"; what is not printable ASCII becomes dots. The first
 * 512 bytes of the first 64 lines. */
HTTP("log") void http_log(const char *text, unsigned size);

#endif
