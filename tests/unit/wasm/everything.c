/* Function types: 0 = () -> (), 1 = (i32) -> (i32), 2 = (i32 i64) -> (f32 f64). Functions: 0
 * imported, 1 of every instruction, 2 of control flow. Tables 0 and 1 of funcref, 2 of externref.
 * Globals: 0 imported, 1 mutable i32, 2 funcref. */
#include "build.h"

#include <string.h>

static void put_zero(struct bytes *code, char letter)
{
    switch (letter) {
    case 'a':
    case 'i': put(code, B(0x41, 0x00)); break;
    case 'I': put(code, B(0x42, 0x00)); break;
    case 'f': put(code, B(0x43, 0, 0, 0, 0)); break;
    case 'F': put(code, B(0x44, 0, 0, 0, 0, 0, 0, 0, 0)); break;
    default:
        put(code, B(0xfd, 0x0c));
        put_times(code, 0, 16);
        break;
    }
}

static void put_zero_immediates(struct bytes *code, enum wasm_op op)
{
    switch (wasm_op_info[op].imm) {
    case WASM_IMM_none: break;
    case WASM_IMM_f32: put_times(code, 0, 4); break;
    case WASM_IMM_f64: put_times(code, 0, 8); break;
    case WASM_IMM_v128:
    case WASM_IMM_shuffle: put_times(code, 0, 16); break;
    case WASM_IMM_memarg:
        put_byte(code, (uint8_t)wasm_op_access_log2(op));
        put_byte(code, 0);
        break;
    case WASM_IMM_data_memory:
    case WASM_IMM_memory_memory:
    case WASM_IMM_elem_table:
    case WASM_IMM_table_table: put_times(code, 0, 2); break;
    case WASM_IMM_memarg_lane: put_times(code, 0, 3); break;
    default: put_byte(code, 0); break;
    }
}

static void put_every_instruction(struct bytes *code)
{
    for (int op = 0; op < WASM_OP_COUNT; op++) {
        const struct wasm_op_info *info = &wasm_op_info[op];
        if (!info->sig)
            continue;
        const char *colon = strchr(info->sig, ':');
        for (const char *p = info->sig; p < colon; p++)
            put_zero(code, *p);
        if (info->prefix)
            put_byte(code, info->prefix);
        put_u32(code, info->code);
        put_zero_immediates(code, (enum wasm_op)op);
        for (const char *p = colon + 1; *p; p++)
            put_byte(code, 0x1a);
    }
}

static void put_control(struct bytes *code)
{
    put(code, B(0x02, 0x40, 0x20, 0x00, 0x0d, 0x00, 0x0b)); /* block, br_if, end */
    put(code, B(0x20, 0x00, 0x03, 0x01, 0x0b, 0x1a));       /* loop (i32) -> (i32) */
    put(code, B(0x20, 0x00, 0x04, 0x7f, 0x41, 0x7f, 0x05, 0x41, 0x80, 0x7f, 0x0b, 0x1a));
    put(code, B(0x02, 0x40, 0x02, 0x40, 0x20, 0x00, 0x0e, 0x02, 0x00, 0x01, 0x00, 0x0b, 0x0b));
    put(code, B(0x41, 0x00, 0x41, 0x01, 0x20, 0x00, 0x1b, 0x1a)); /* select */
    put(code, B(0xd0, 0x70, 0xd2, 0x01, 0x20, 0x00, 0x1c, 0x01, 0x70, 0xd1, 0x1a));
    put(code, B(0x41, 0x01, 0x42, 0x02, 0x20, 0x00, 0x11, 0x02, 0x01, 0x1a, 0x1a));
    put(code, B(0x20, 0x00, 0x10, 0x00, 0x22, 0x03, 0x21, 0x03));
    put(code, B(0x23, 0x00, 0x24, 0x01));
    put(code, B(0x41, 0x00, 0x41, 0x00, 0x25, 0x02, 0x26, 0x02)); /* table.get, table.set */
    put(code, B(0xd0, 0x6f, 0x41, 0x01, 0xfc, 0x0f, 0x02, 0x1a)); /* table.grow */
    put(code, B(0x41, 0x00, 0xd0, 0x6f, 0x41, 0x01, 0xfc, 0x11, 0x02));
    put(code, B(0x41, 0x00, 0x41, 0x00, 0x41, 0x00, 0xfc, 0x0a, 0x00, 0x00)); /* memory.copy */
    put(code, B(0x41, 0x00, 0x41, 0x00, 0x41, 0x00, 0xfc, 0x0c, 0x00, 0x00)); /* table.init */
    put(code, B(0x41, 0x00, 0x41, 0x00, 0x41, 0x00, 0xfc, 0x0e, 0x00, 0x00)); /* table.copy */
    put(code, B(0xfc, 0x10, 0x00, 0x1a));                                     /* table.size */
    put(code, B(0x20, 0x00, 0x0f, 0x00)); /* return, unreachable */
}

static void put_code(struct bytes *m)
{
    struct bytes section = {0}, body = {0};
    put_byte(&section, 2);
    put_byte(&body, 0);
    put_every_instruction(&body);
    put_byte(&body, 0x0b);
    put_sized(&section, &body);
    put(&body, B(3, 2, 0x7e, 0, 0x7b, 1, 0x7f));
    put_control(&body);
    put_byte(&body, 0x0b);
    put_sized(&section, &body);
    put_section(m, 10, &section);
}

static void put_elements(struct bytes *m)
{
    struct bytes s = {0};
    put_byte(&s, 8);
    put(&s, B(0, 0x41, 0, 0x0b, 2, 0, 1));
    put(&s, B(1, 0, 1, 2));
    put(&s, B(2, 1, 0x41, 1, 0x0b, 0, 1, 0));
    put(&s, B(3, 0, 1, 1));
    put(&s, B(4, 0x23, 0, 0x0b, 1, 0xd2, 1, 0x0b));
    put(&s, B(5, 0x6f, 1, 0xd0, 0x6f, 0x0b));
    put(&s, B(6, 2, 0x41, 0, 0x0b, 0x6f, 1, 0xd0, 0x6f, 0x0b));
    put(&s, B(7, 0x70, 1, 0xd2, 2, 0x0b));
    put_section(m, 9, &s);
}

static void put_names(struct bytes *m)
{
    struct bytes s = {0}, sub = {0};
    put_name(&s, "name");
    put_name(&sub, "module");
    put_section(&s, 0, &sub);
    put(&sub, B(2, 0, 1, 'f', 1, 2, 0xc3, 0xa9));
    put_section(&s, 1, &sub);
    put_section(m, 0, &s);
}

struct bytes module_with_everything(size_t cuts[EVERYTHING_CUTS])
{
    struct bytes m = start_module(), s = {0};
    size_t n = 0;
    put(&s, B(3, 0x60, 0, 0, 0x60, 1, 0x7f, 1, 0x7f, 0x60, 2, 0x7f, 0x7e, 2, 0x7d, 0x7c));
    cuts[n++] = m.size;
    put_section(&m, 1, &s);
    cuts[n++] = m.size;
    put(&s, B(2, 1, 'm', 1, 'f', 0, 1, 1, 'm', 1, 'g', 3, 0x7f, 0));
    put_section(&m, 2, &s);
    cuts[n++] = m.size;
    put_section(&m, 3, (put(&s, B(2, 0, 1)), &s));
    cuts[n++] = m.size;
    put_section(&m, 4, (put(&s, B(3, 0x70, 0, 9, 0x70, 1, 9, 10, 0x6f, 0, 9)), &s));
    cuts[n++] = m.size;
    put_section(&m, 5, (put(&s, B(1, 1, 1, 2)), &s));
    cuts[n++] = m.size;
    put_section(&m, 6, (put(&s, B(2, 0x7f, 1, 0x23, 0, 0x0b, 0x70, 0, 0xd2, 0, 0x0b)), &s));
    cuts[n++] = m.size;
    put_section(&m, 7, (put(&s, B(2, 1, 'a', 0, 1, 1, 'b', 2, 0)), &s));
    cuts[n++] = m.size;
    put_section(&m, 8, (put(&s, B(1)), &s));
    cuts[n++] = m.size;
    put_elements(&m);
    cuts[n++] = m.size;
    put_section(&m, 12, (put(&s, B(3)), &s));
    cuts[n++] = m.size;
    put_code(&m);
    cuts[n++] = m.size;
    put(&s, B(3, 0, 0x41, 4, 0x0b, 2, 'h', 'i', 1, 1, 'p', 2, 0, 0x41, 8, 0x0b, 0));
    put_section(&m, 11, &s);
    cuts[n++] = m.size;
    put_names(&m);
    cuts[n++] = m.size;
    cuts[n] = 0;
    return m;
}
