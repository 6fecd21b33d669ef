#include "shapes.h"

#include <stdio.h>

char mix_letter(unsigned mix, unsigned i)
{
    static const char *const mixes[] = {"i", "I", "F", "f", "iIfF", "FFiIfIi", "vIfiFv"};
    return mixes[mix][i % strlen(mixes[mix])];
}

const char *mix_valtype(char letter)
{
    return letter == 'i'   ? "i32"
           : letter == 'I' ? "i64"
           : letter == 'f' ? "f32"
           : letter == 'v' ? "v128"
                           : "f64";
}

void mix_add_const(struct text *t, char letter, unsigned value)
{
    /* The upper half of an i64 counts too. */
    if (letter == 'I')
        text_add(t, "(i64.const 0x%x%08x)", value, value);
    else if (letter == 'v')
        text_add(t, "(v128.const i64x2 %u 0x%x00000000)", value, value);
    else
        text_add(t, "(%s.const %u)", mix_valtype(letter), value);
}

uint64_t mix_bits(char letter, unsigned value)
{
    const float f = (float)value;
    const double d = value;
    uint32_t f_bits;
    uint64_t d_bits;

    memcpy(&f_bits, &f, sizeof f);
    memcpy(&d_bits, &d, sizeof d);
    return letter == 'i'   ? value
           : letter == 'I' ? (uint64_t)value << 32 | value
           : letter == 'v' ? (uint64_t)value << 32 ^ value
           : letter == 'f' ? f_bits
                           : d_bits;
}

void mix_add_types(struct text *t, const char *keyword, unsigned mix, unsigned n)
{
    if (n > 0)
        text_add(t, " (%s", keyword);
    for (unsigned i = 0; i < n; i++)
        text_add(t, " %s", mix_valtype(mix_letter(mix, i)));
    if (n > 0)
        text_add(t, ")");
}

void mix_add_to_i64(struct text *t, char letter, const char *inner)
{
    switch (letter) {
    case 'i': text_add(t, "(i64.extend_i32_u %s)", inner); break;
    case 'I': text_add(t, "%s", inner); break;
    case 'f': text_add(t, "(i64.extend_i32_u (i32.reinterpret_f32 %s))", inner); break;
    case 'v':
        text_add(t, "(i64.xor (i64x2.extract_lane 0 %s) (i64x2.extract_lane 1 %s))", inner, inner);
        break;
    default: text_add(t, "(i64.reinterpret_f64 %s)", inner); break;
    }
}

uint64_t mix_hash(unsigned mix, unsigned n, unsigned base)
{
    uint64_t h = 0;

    for (unsigned i = 0; i < n; i++)
        h = h * 31 + mix_bits(mix_letter(mix, i), base + i);
    return h;
}

void mix_add_locals(struct text *t, unsigned mix, unsigned n)
{
    text_add(t, " (local $h i64)");
    for (unsigned i = 0; i < n; i++)
        text_add(t, " (local $r%u %s)", i, mix_valtype(mix_letter(mix, i)));
}

void mix_add_hash(struct text *t, unsigned mix, unsigned n)
{
    for (unsigned i = n; i-- > 0;)
        text_add(t, " (local.set $r%u)", i);
    for (unsigned i = 0; i < n; i++) {
        char inner[32];
        snprintf(inner, sizeof inner, "(local.get $r%u)", i);
        text_add(t, " (local.set $h (i64.add (i64.mul (local.get $h) (i64.const 31)) ");
        mix_add_to_i64(t, mix_letter(mix, i), inner);
        text_add(t, "))");
    }
    text_add(t, " (local.get $h)");
}

void shapes_add_imports(struct text *t, const char *module, const char *name, const char *prefix,
                        const char *keyword, const char *others)
{
    for (unsigned m = 0; m < SHAPE_MIXES; m++) {
        for (unsigned n = 0; n <= SHAPE_MAX; n++) {
            text_add(t, "(import \"%s\" \"%s %u %u\" (func $%s_%u_%u", module, name, m, n, prefix,
                     m, n);
            mix_add_types(t, keyword, m, n);
            text_add(t, "%s))\n", others);
        }
    }
}

void shapes_add_table(struct text *t, const char *prefix)
{
    text_add(t, "(table funcref (elem");
    for (unsigned m = 0; m < SHAPE_MIXES; m++)
        for (unsigned n = 0; n <= SHAPE_MAX; n++)
            text_add(t, " $%s_%u_%u", prefix, m, n);
    text_add(t, "))\n");
}

void shapes_expect_hashes(struct lucet_instance *inst, const char *name,
                          unsigned (*base)(unsigned mix, unsigned n))
{
    for (unsigned m = 0; m < SHAPE_MIXES; m++) {
        for (unsigned n = 0; n <= SHAPE_MAX; n++) {
            char full[64];
            snprintf(full, sizeof full, "%s %u %u", name, m, n);
            if (guest_call(inst, full, 0, NULL) != mix_hash(m, n, base(m, n)))
                fail_msg("%s: wrong values", full);
        }
    }
}

void shapes_each(const char *wat, void (*expect)(struct lucet_instance *inst))
{
    struct lucet_region *region = guest_region(1);

    for (unsigned i = 0; i < 3; i++) {
        struct lucet_dl_module *module = guest_module(wat, &guest_modes[i]);
        struct lucet_instance *inst = guest_instance(region, module, NULL, NULL);
        expect(inst);
        lucet_instance_release(inst);
        lucet_dl_module_release(module);
    }
    lucet_region_release(region);
}

void shapes_each_linked(const char *owner, const char *user,
                        void (*expect)(struct lucet_instance *user))
{
    struct lucet_region *region = guest_region(2);

    for (unsigned i = 0; i < 3; i++) {
        struct lucet_linker *linker;
        assert_int_equal(lucet_linker_new(&linker), lucet_error_ok);
        struct lucet_dl_module *a = guest_module(owner, &guest_modes[i]);
        struct lucet_dl_module *b = guest_module(user, &guest_modes[i]);
        struct lucet_instance *first = guest_instance(region, a, NULL, NULL);
        assert_int_equal(lucet_linker_instance(linker, "owner", first), lucet_error_ok);
        struct lucet_instance *inst = guest_instance(region, b, linker, NULL);
        expect(inst);
        lucet_instance_release(inst);
        lucet_instance_release(first);
        lucet_linker_release(linker);
        lucet_dl_module_release(a);
        lucet_dl_module_release(b);
    }
    lucet_region_release(region);
}
