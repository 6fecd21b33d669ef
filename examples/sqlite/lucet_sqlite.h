/* The extension's two parts: lucet_sqlite.c loads artifacts, function.c calls what they export. */
#ifndef LUCET_SQLITE_H
#define LUCET_SQLITE_H

#include <lucet/lucet.h>
#include <sqlite3ext.h>

#include <stdbool.h>

enum { MAX_PARAMS = 16, MAX_NAME = 64 };

/* An artifact in a connection. It lives as long as the functions that it has brought. */
struct library {
    unsigned references;
    struct lucet_dl_module *module;
    struct lucet_region *region;
    struct lucet_instance *instance;
    struct lucet_func allocate; /* of text and blobs */
    bool allocates;
};

enum type { TYPE_INTEGER, TYPE_REAL, TYPE_TEXT, TYPE_BLOB, TYPES };

/* Of SQL. */
struct function {
    struct library *library; /* one reference */
    struct lucet_func func;
    char name[MAX_NAME];
    unsigned nparams;
    enum type params[MAX_PARAMS], result;
};

/* Drops one reference. NULL is allowed. */
void library_release(struct library *l);

/* The export's name is the declaration. The caller owns the function. NULL: it is none that can be
 * called, *why says why (static storage, or lucet_error_detail()). */
struct function *function_new(struct library *l, const struct lucet_extern_desc *export,
                              const char **why);
/* Of SQLite's types for callbacks. */
void function_release(void *function);
void function_call(sqlite3_context *context, int argc, sqlite3_value **argv);

#endif
