/* Arithmetic that keeps many registers busy. How far it is stands in memory; in several places,
 * or the compiler would write it at the end. */
static unsigned progress[16];

__attribute__((export_name("where"))) const unsigned *where(void)
{
    return progress;
}

__attribute__((export_name("work"))) unsigned work(unsigned n)
{
    unsigned long long a = 1, b = 2, c = 3;
    double x = 1.5;

    for (unsigned i = 0; i < n; i++) {
        a = a * 6364136223846793005ull + b;
        b = (b << 13 | b >> 51) ^ a;
        c += b >> 3;
        x = x * 0.999 + (double)(a & 1023);
        progress[i & 15] = i;
    }
    return (unsigned)(a ^ b ^ c) + (unsigned)(int)x;
}
