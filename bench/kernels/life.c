/* Conway's game of life on bytes: neighbours of each cell, vectorises. */
#include "kernel.h"

#define SIDE 512

static unsigned char cells[2][SIDE + 2][SIDE + 2];

static void generation(const unsigned char (*from)[SIDE + 2], unsigned char (*to)[SIDE + 2])
{
    for (int y = 1; y <= SIDE; y++)
        for (int x = 1; x <= SIDE; x++) {
            const unsigned char n =
                (unsigned char)(from[y - 1][x - 1] + from[y - 1][x] + from[y - 1][x + 1] +
                                from[y][x - 1] + from[y][x + 1] + from[y + 1][x - 1] +
                                from[y + 1][x] + from[y + 1][x + 1]);
            to[y][x] = (unsigned char)((n == 3) | ((n == 2) & from[y][x]));
        }
}

static uint64_t kernel(void)
{
    uint32_t state = 4711;
    uint64_t sum = 0;
    for (int y = 1; y <= SIDE; y++)
        for (int x = 1; x <= SIDE; x++)
            cells[0][y][x] = random_next(&state) % 3 == 0;
    for (int i = 0; i < 60; i++)
        generation(cells[i & 1], cells[~i & 1]);
    for (int y = 1; y <= SIDE; y++)
        for (int x = 1; x <= SIDE; x++)
            sum = sum * 3 + cells[0][y][x];
    return sum;
}
