/* Arithmetic that keeps many registers busy. */
__attribute__((export_name("work"))) unsigned work(unsigned n)
{
    unsigned long long a = 1, b = 2, c = 3;
    double x = 1.5;

    for (unsigned i = 0; i < n; i++) {
        a = a * 6364136223846793005ull + b;
        b = (b << 13 | b >> 51) ^ a;
        c += b >> 3;
        x = x * 0.999 + (double)(a & 1023);
    }
    return (unsigned)(a ^ b ^ c) + (unsigned)(int)x;
}
