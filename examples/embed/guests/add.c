/* The guest of short.c: a function, and nothing else. */

__attribute__((export_name("add"))) int add(int a, int b)
{
    return a + b;
}
