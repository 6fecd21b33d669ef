/* State of one wasm_module_decode(), shared by the sections. */
#ifndef LUCET_WASM_DECODER_H
#define LUCET_WASM_DECODER_H

#include "wasm/arena.h"
#include "wasm/canonical.h"
#include "wasm/cursor.h"
#include "wasm/validator.h"
#include "wasm/wasm.h"

struct wasm_decoder {
    struct wasm_module *module;
    const struct wasm_limits_config *limits;
    uint32_t features;
    struct wasm_failure failure;
    struct wasm_arena arena;   /* of the module */
    struct wasm_arena scratch; /* released with the decoder */
    struct {
        uint32_t types, imports, funcs, tables, memories, globals, tags, exports, elems, datas;
        uint32_t customs;
    } capacity;
    uint8_t last_section_rank;
    bool has_data_count;
    uint32_t data_count;
    uint32_t nbodies; /* read so far */
    uint64_t comparisons;
    uint32_t
        visible_types; /* types may refer to: those of complete groups and of the one at hand */
    struct wasm_group_tree groups;
    struct wasm_validator validator;
};

/* Sections. Each reads its payload to where the items end; the caller checks that nothing is
 * left. */
void wasm_decode_types(struct wasm_decoder *d, struct wasm_cursor *c);
void wasm_decode_imports(struct wasm_decoder *d, struct wasm_cursor *c);
void wasm_decode_functions(struct wasm_decoder *d, struct wasm_cursor *c);
void wasm_decode_tables(struct wasm_decoder *d, struct wasm_cursor *c);
void wasm_decode_memories(struct wasm_decoder *d, struct wasm_cursor *c);
void wasm_decode_tags(struct wasm_decoder *d, struct wasm_cursor *c);
void wasm_decode_globals(struct wasm_decoder *d, struct wasm_cursor *c);
void wasm_decode_exports(struct wasm_decoder *d, struct wasm_cursor *c);
void wasm_decode_start(struct wasm_decoder *d, struct wasm_cursor *c);
void wasm_decode_elements(struct wasm_decoder *d, struct wasm_cursor *c);
void wasm_decode_data_count(struct wasm_decoder *d, struct wasm_cursor *c);
void wasm_decode_code(struct wasm_decoder *d, struct wasm_cursor *c);
void wasm_decode_data(struct wasm_decoder *d, struct wasm_cursor *c);
void wasm_decode_custom(struct wasm_decoder *d, struct wasm_cursor *c);

/* Gives the module and its functions their names. Bad name sections are ignored. */
void wasm_decode_names(struct wasm_module *m, uint32_t name_length);

/* Parts of sections. */
uint32_t wasm_decode_type_index(struct wasm_decoder *d, struct wasm_cursor *c);
wasm_valtype wasm_decode_valtype(struct wasm_decoder *d, struct wasm_cursor *c);
struct wasm_bytes wasm_decode_name(struct wasm_decoder *d, struct wasm_cursor *c);
void wasm_decode_table_type(struct wasm_decoder *d, struct wasm_cursor *c);
void wasm_decode_memory_type(struct wasm_decoder *d, struct wasm_cursor *c);
struct wasm_global_type wasm_decode_global_type(struct wasm_decoder *d, struct wasm_cursor *c);
void wasm_decode_tag(struct wasm_decoder *d, struct wasm_cursor *c);
struct wasm_expr wasm_decode_const_expr(struct wasm_decoder *d, struct wasm_cursor *c,
                                        wasm_valtype type);

/* The number of items that follow, each at least one byte. `what` names them in messages. */
uint32_t wasm_decode_count(struct wasm_decoder *d, struct wasm_cursor *c, const char *what,
                           uint32_t limit);

/* Fails with WASM_LIMIT when `number` is above `limit`. */
void wasm_check_limit(struct wasm_decoder *d, uint64_t offset, const char *what, uint64_t number,
                      uint64_t limit);

/* Fails with WASM_UNSUPPORTED when `feature` is off; `what` needs it. */
void wasm_require(struct wasm_decoder *d, uint64_t offset, uint32_t feature, const char *what);

/* Fails when the type needs a feature that is off. */
void wasm_require_type(struct wasm_decoder *d, uint64_t offset, wasm_valtype type);

/* Fails unless `index` is below `count`: "unknown function 7". */
void wasm_check_index(struct wasm_decoder *d, uint64_t offset, const char *what, uint32_t index,
                      uint32_t count);

/* Grows an array from `old_count` to `count` items, or fails with WASM_NO_MEMORY. */
void *wasm_resize(struct wasm_decoder *d, struct wasm_arena *arena, void *array, uint64_t old_count,
                  uint64_t count, size_t item_size);

/* Room for item number `count`, cleared, in an array of which at most `most` items are wanted: the
 * array is doubled as items are really read, never sized by what the module declares. */
void *wasm_array_room(struct wasm_decoder *d, struct wasm_arena *arena, void *array, uint32_t count,
                      uint32_t *capacity, uint32_t most, size_t item_size);

/* Appends a cleared item to one of the module's arrays and evaluates to its address. */
#define WASM_APPEND(d, array)                                                                      \
    ((d)->module->array =                                                                          \
         wasm_array_room((d), &(d)->arena, (d)->module->array, (d)->module->n##array,              \
                         &(d)->capacity.array, WASM_NONE, sizeof *(d)->module->array),             \
     &(d)->module->array[(d)->module->n##array++])

#endif
