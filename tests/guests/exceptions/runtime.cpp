// What a C++ program that was compiled with -fwasm-exceptions calls, as far as tests need it: the C++
// library of the test machines was built without exceptions. The layout of the tables is that which LLVM
// writes for WebAssembly; types are compared by the library's own run-time type information.
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <typeinfo>

#ifdef DEFINE_TAGS
__asm__(".tagtype __cpp_exception i32\n.globl __cpp_exception\n__cpp_exception:\n");
#endif

namespace __cxxabiv1
{
// The part of the library's class that is in its vtable.
class __attribute__((visibility("default"))) __shim_type_info : public std::type_info
{
  public:
    virtual ~__shim_type_info();
    virtual void noop1() const;
    virtual void noop2() const;
    virtual bool can_catch(const __shim_type_info *thrown, void *&adjusted) const = 0;
};
} // namespace __cxxabiv1

namespace
{
struct Header {
    const std::type_info *type;
    void *(*destroy)(void *); // destructors return their argument on this machine
    Header *next; // of those being handled, the latest first
    void *adjusted;
    int handlers; // negative: thrown again, and still handled
    int padding;
};

Header *handled;

void *object(Header *h)
{
    return h + 1;
}

struct Table {
    const uint8_t *p;
    uint32_t number()
    {
        uint32_t value = 0;
        for (unsigned shift = 0;; shift += 7) {
            value |= (uint32_t)(*p & 0x7f) << shift;
            if (!(*p++ & 0x80))
                return value;
        }
    }
    int32_t signed_number()
    {
        uint32_t value = 0;
        unsigned shift = 0;
        uint8_t byte;
        do {
            byte = *p++;
            value |= (uint32_t)(byte & 0x7f) << shift;
            shift += 7;
        } while (byte & 0x80);
        return byte & 0x40 && shift < 32 ? (int32_t)(value | ~0u << shift) : (int32_t)value;
    }
};
} // namespace

extern "C" {
// What landing pads tell the personality, and get from it.
struct {
    uint32_t index;
    const uint8_t *table;
    uint32_t selector;
} __wasm_lpad_context;

void *__cxa_allocate_exception(size_t size) noexcept
{
    void *p = calloc(1, sizeof(Header) + size);
    if (!p)
        std::terminate();
    return static_cast<Header *>(p) + 1;
}

void __cxa_free_exception(void *p) noexcept
{
    free(static_cast<Header *>(p) - 1);
}

[[noreturn]] void __cxa_throw(void *p, std::type_info *type, void *(*destroy)(void *))
{
    Header *h = static_cast<Header *>(p) - 1;
    h->type = type;
    h->destroy = destroy;
    h->adjusted = p;
    __builtin_wasm_throw(0, h);
}

void *__cxa_begin_catch(void *exception) noexcept
{
    Header *h = static_cast<Header *>(exception);
    h->handlers = h->handlers < 0 ? 1 - h->handlers : h->handlers + 1;
    if (handled != h) {
        h->next = handled;
        handled = h;
    }
    return h->adjusted;
}

void __cxa_end_catch()
{
    Header *h = handled;
    if (h->handlers < 0) {
        if (++h->handlers == 0)
            handled = h->next;
        return;
    }
    if (--h->handlers > 0)
        return;
    handled = h->next;
    if (h->destroy)
        h->destroy(object(h));
    free(h);
}

[[noreturn]] void __cxa_rethrow()
{
    Header *h = handled;
    if (!h)
        std::terminate();
    h->handlers = -h->handlers;
    __builtin_wasm_throw(0, h);
}

void *__cxa_get_exception_ptr(void *exception) noexcept
{
    return static_cast<Header *>(exception)->adjusted;
}

// Which clause of the landing pad's catches the exception; 0 = none.
int _Unwind_CallPersonality(void *exception)
{
    using __cxxabiv1::__shim_type_info;
    Header *h = static_cast<Header *>(exception);
    Table t = {__wasm_lpad_context.table};
    const uint8_t *types = nullptr, *actions;
    uint32_t action = 0;

    __wasm_lpad_context.selector = 0;
    if (*t.p++ != 0xff)
        abort();
    if (*t.p++ != 0xff) {
        const uint32_t offset = t.number();
        types = t.p + offset;
    }
    t.p++;
    const uint32_t size = t.number();
    actions = t.p + size;
    for (uint32_t i = 0; i <= __wasm_lpad_context.index; i++) {
        t.number();
        action = t.number();
    }
    if (action == 0)
        return 0;
    for (t.p = actions + action - 1;;) {
        const int32_t filter = t.signed_number();
        const uint8_t *here = t.p;
        const int32_t next = t.signed_number();
        if (filter > 0) {
            const __shim_type_info *type;
            memcpy(&type, types - 4 * filter, 4);
            void *adjusted = object(h);
            if (!type ||
                type->can_catch(static_cast<const __shim_type_info *>(h->type), adjusted)) {
                h->adjusted = type ? adjusted : object(h);
                __wasm_lpad_context.selector = (uint32_t)filter;
                break;
            }
        }
        if (next == 0)
            break;
        t.p = here + next;
    }
    return 0;
}
}
