/* A guest that others import from: see link.c. */

static int total;

__attribute__((export_name("add"))) int add(int n)
{
    total += n;
    return total;
}
