/*
 * SQL functions from guests: a loadable extension of SQLite.
 *
 *     SELECT lucet_load('text.so');                   -- how many functions it has brought
 *     SELECT lucet_load('text.so', 50, 1048576);      -- at most 50 ms a call, 1 MiB of memory
 *     SELECT reverse(name) FROM people;
 *
 * README.md has the commands, guests/sql.h what a guest looks like. Every call finds the instance
 * as it was when it was made: functions cannot keep what they saw in one row for another one, and
 * are deterministic, because there is nothing else that their results could depend on; so indexes
 * may use them. An error of a guest is an error of the statement, nothing else.
 *
 * A connection has instances of its own. SQLite lets one thread at a time into a connection.
 */
#include "lucet_sqlite.h"

#include <string.h>

SQLITE_EXTENSION_INIT1

enum { MILLISECONDS = 1000, MEMORY = 16 << 20, PAGE = 4096 };

/* ---- Libraries ------------------------------------------------------------------------------ */

void library_release(struct library *l)
{
    if (!l || --l->references > 0)
        return;
    lucet_instance_release(l->instance);
    lucet_region_release(l->region);
    lucet_dl_module_release(l->module);
    sqlite3_free(l);
}

static enum lucet_error make_instance(struct library *l, const char *path, sqlite3_int64 timeout,
                                      sqlite3_int64 memory)
{
    struct lucet_alloc_limits limits = lucet_alloc_limits_default();
    enum lucet_error e;

    limits.heap_memory_size = ((uint64_t)memory + PAGE - 1) / PAGE * PAGE;
    if ((e = lucet_dl_module_load(path, &l->module)) ||
        (e = lucet_mmap_region_create(1, &limits, &l->region)) ||
        (e = lucet_region_new_instance(l->region, l->module, &l->instance)) ||
        (e = lucet_instance_set_timeout(l->instance, (uint64_t)timeout)))
        return e;
    l->allocates =
        lucet_dl_module_func(l->module, "allocate", "i:i", &l->allocate) == lucet_error_ok;
    return lucet_error_ok;
}

/* ---- lucet_load ----------------------------------------------------------------------------- */

/* Its reference to the library is the function's, whatever becomes of it. */
static int register_function(sqlite3 *db, struct function *f)
{
    const int flags = SQLITE_UTF8 | SQLITE_DETERMINISTIC | SQLITE_INNOCUOUS;

    return sqlite3_create_function_v2(db, f->name, (int)f->nparams, flags, f, function_call, NULL,
                                      NULL, function_release);
}

/* A guest must not become what others know under its name: SQL in views and triggers calls it. */
static int is_taken(sqlite3 *db, const char *name, bool *taken)
{
    sqlite3_stmt *look;
    int rc = sqlite3_prepare_v2(
        db, "SELECT 1 FROM pragma_function_list WHERE name = ?1 COLLATE NOCASE", -1, &look, NULL);

    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_bind_text(look, 1, name, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(look);
    *taken = rc == SQLITE_ROW;
    sqlite3_finalize(look);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static void refuse(sqlite3_context *context, const char *why, const char *name)
{
    char *text = sqlite3_mprintf("lucet_load: %s: %s", name, why);

    if (!text) {
        sqlite3_result_error_nomem(context);
        return;
    }
    sqlite3_result_error(context, text, -1);
    sqlite3_free(text);
}

/* One export. False: an error has been given to SQLite. */
static bool load_export(sqlite3_context *context, struct library *l, size_t i,
                        sqlite3_int64 *functions)
{
    sqlite3 *db = sqlite3_context_db_handle(context);
    struct lucet_extern_desc export;
    const char *why = NULL;
    char number[32];
    bool taken;

    if (lucet_dl_module_export(l->module, i, &export) != lucet_error_ok ||
        export.kind != lucet_extern_func || !memchr(export.name, '(', export.name_len))
        return true; /* of no concern to SQL */
    struct function *f = function_new(l, &export, &why);
    if (!f) { /* its name is the guest's, and may be anything */
        refuse(context, why,
               sqlite3_snprintf(sizeof number, number, "export %llu", (sqlite3_uint64)i));
        return false;
    }
    int rc = is_taken(db, f->name, &taken);
    if (rc == SQLITE_OK && taken) {
        refuse(context, "there is a function of this name", f->name);
        function_release(f);
        return false;
    }
    if (rc == SQLITE_OK)
        rc = register_function(db, f); /* releases it if it fails */
    else
        function_release(f);
    if (rc != SQLITE_OK) {
        sqlite3_result_error_code(context, rc);
        return false;
    }
    ++*functions;
    return true;
}

static void load_exports(sqlite3_context *context, struct library *l)
{
    const size_t n = lucet_dl_module_export_count(l->module);
    sqlite3_int64 functions = 0;

    for (size_t i = 0; i < n; i++)
        if (!load_export(context, l, i, &functions))
            return; /* with those before it: SQLite cannot take functions back in a statement */
    sqlite3_result_int64(context, functions);
}

static sqlite3_int64 option(int argc, sqlite3_value **argv, int i, sqlite3_int64 standard)
{
    return argc > i ? sqlite3_value_int64(argv[i]) : standard;
}

static void lucet_load(sqlite3_context *context, int argc, sqlite3_value **argv)
{
    const char *path = argc > 0 ? (const char *)sqlite3_value_text(argv[0]) : NULL;
    const sqlite3_int64 timeout = option(argc, argv, 1, MILLISECONDS);
    const sqlite3_int64 memory = option(argc, argv, 2, MEMORY);

    if (argc > 3 || !path || timeout < 1 || memory < 1 || memory > (sqlite3_int64)1 << 32) {
        sqlite3_result_error(context, "lucet_load(file, milliseconds, bytes of memory)", -1);
        return;
    }
    struct library *l = sqlite3_malloc(sizeof *l);
    if (!l) {
        sqlite3_result_error_nomem(context);
        return;
    }
    *l = (struct library){.references = 1};
    if (make_instance(l, path, timeout, memory) == lucet_error_ok)
        load_exports(context, l);
    else
        refuse(context, lucet_error_detail(), path);
    library_release(l); /* its functions have references of their own */
}

/* SQLite finds it by the file's name. */
__attribute__((visibility("default"))) int sqlite3_lucetsqlite_init(sqlite3 *db, char **error,
                                                                    const sqlite3_api_routines *api)
{
    SQLITE_EXTENSION_INIT2(api);
    (void)error;
    /* Views and triggers of a database file that somebody else wrote must not load files. */
    return sqlite3_create_function(db, "lucet_load", -1, SQLITE_UTF8 | SQLITE_DIRECTONLY, NULL,
                                   lucet_load, NULL, NULL);
}
