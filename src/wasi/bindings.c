/* The functions, for lucetc. Apart from link.c, so that a compiler needs no runtime. */
#include "lucet/wasi.h"

static const char bindings[] = "{\"wasi_snapshot_preview1\":{"
#define WASI_FIRST(name, signature, ...) "\"" #name "\":\"lucet_wasi_" #name "\""
#define WASI(name, signature, ...) ",\"" #name "\":\"lucet_wasi_" #name "\""
#include "wasi/table.def"
                               "},\"wasi_unstable\":{"
#define WASI_FIRST(name, signature, ...) "\"" #name "\":\"lucet_wasi_" #name "\""
#define WASI(name, signature, ...) ",\"" #name "\":\"lucet_wasi_" #name "\""
#define WASI_CHANGED(name, signature, ...) ",\"" #name "\":\"lucet_wasi_unstable_" #name "\""
#include "wasi/table.def"
                               "},\"wasi\":{\"thread-spawn\":\"lucet_wasi_thread_spawn\"}}";

const char *lucet_wasi_bindings_json(void)
{
    return bindings;
}
