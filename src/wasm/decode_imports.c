/* import = module:name name:name kind:byte description */
#include "wasm/decoder.h"

static void decode_import(struct wasm_decoder *d, struct wasm_cursor *c)
{
    struct wasm_module *m = d->module;
    struct wasm_import *import = WASM_APPEND(d, imports);
    import->module = wasm_decode_name(d, c);
    import->name = wasm_decode_name(d, c);

    uint32_t kind_at = wasm_position(c);
    uint8_t kind = wasm_read_byte(c);
    switch (kind) {
    case WASM_EXTERN_FUNC: {
        uint32_t type = wasm_decode_type_index(d, c);
        WASM_APPEND(d, funcs)->type = type;
        import->index = m->nimported_funcs++;
        break;
    }
    case WASM_EXTERN_TABLE:
        wasm_decode_table_type(d, c);
        import->index = m->nimported_tables++;
        break;
    case WASM_EXTERN_MEMORY:
        wasm_decode_memory_type(d, c);
        import->index = m->nimported_memories++;
        break;
    case WASM_EXTERN_GLOBAL:
        WASM_APPEND(d, globals)->type = wasm_decode_global_type(d, c);
        import->index = m->nimported_globals++;
        if (m->globals[import->index].type.mutable)
            wasm_require(d, kind_at, WASM_FEATURE_MUTABLE_GLOBALS, "import of a mutable global");
        break;
    case WASM_EXTERN_TAG:
        wasm_decode_tag(d, c);
        import->index = m->nimported_tags++;
        break;
    default: wasm_malformed(c, c->pos - 1, "malformed import kind 0x%02x", kind);
    }
    import->kind = kind;
}

void wasm_decode_imports(struct wasm_decoder *d, struct wasm_cursor *c)
{
    uint32_t count = wasm_decode_count(d, c, "imports", d->limits->imports);
    for (uint32_t i = 0; i < count; i++)
        decode_import(d, c);
}
