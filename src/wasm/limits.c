#include "wasm/wasm.h"

/* The first group is what the browsers agreed on, so that a module which runs there runs here. */
const struct wasm_limits_config wasm_limits_default = {
    .module_size = 1 << 30,
    .body_size = 7654321,
    .types = 1000000,
    .functions = 1000000,
    .imports = 1000000,
    .exports = 1000000,
    .globals = 1000000,
    .data_segments = 100000,
    .element_segments = 100000,
    .tables = 100,
    .memories = 100,
    .tags = 1000000,
    .params = 1000,
    .results = 1000,
    .locals = 50000,
    .name_length = 100000,
    .br_table_targets = 65520,

    /* A call of two bytes can push a thousand operands. */
    .operands = 1000000,
    /* Declaring costs nothing; who creates instances has limits of their own. */
    .table_initial = UINT32_MAX,
    .memory_pages = 1ull << 48,
    /* Who evaluates them has that much room. */
    .const_operands = 256,
    /* A third of a second. */
    .comparisons = 100000000,
    .custom_sections = 100000,
    .memory = 1 << 30,
};
