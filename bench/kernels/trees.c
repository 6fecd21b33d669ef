/* Trees that are built, walked and freed: the guest's malloc, pointers, recursion. */
#include "kernel.h"

struct node {
    struct node *left, *right;
    uint32_t key;
};

static struct node *build(int depth, uint32_t key)
{
    struct node *n = malloc(sizeof *n);
    n->key = key;
    n->left = depth > 0 ? build(depth - 1, key * 2) : NULL;
    n->right = depth > 0 ? build(depth - 1, key * 2 + 1) : NULL;
    return n;
}

static uint32_t walk(const struct node *n)
{
    return n ? n->key + 3 * walk(n->left) - walk(n->right) : 1;
}

static void destroy(struct node *n)
{
    if (!n)
        return;
    destroy(n->left);
    destroy(n->right);
    free(n);
}

static uint64_t kernel(void)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < 24; i++) {
        struct node *root = build(14, i + 1);
        sum = sum * 7 + walk(root);
        destroy(root);
    }
    return sum;
}
