/* A guest that imports a function of another guest: see link.c. Both have memories of their own. */

__attribute__((import_module("counter"), import_name("add"))) int counter_add(int n);

static int calls;

__attribute__((export_name("run"))) int run(int n)
{
    int total = 0;

    for (int i = 0; i < n; i++, calls++)
        total = counter_add(1);
    return total;
}
