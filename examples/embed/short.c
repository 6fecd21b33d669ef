#include <lucet/lucet.h>
#include <stdio.h>

int main(void)
{
    struct lucet_dl_module *module = NULL;
    struct lucet_region *region = NULL;
    struct lucet_instance *instance = NULL;
    struct lucet_result result;
    struct lucet_val args[] = {LUCET_VAL_I32(40), LUCET_VAL_I32(2)};

    bool ok = lucet_dl_module_load("add.so", &module) == lucet_error_ok &&
              lucet_mmap_region_create(16, NULL, &region) == lucet_error_ok &&
              lucet_region_new_instance(region, module, &instance) == lucet_error_ok &&
              lucet_instance_run(instance, "add", 2, args, &result) == lucet_error_ok;
    if (ok)
        printf("40 + 2 = %d\n", (int)lucet_retval_gp(&result.val.returned));
    else
        fprintf(stderr, "%s\n", lucet_error_detail());

    lucet_instance_release(instance);
    lucet_region_release(region);
    lucet_dl_module_release(module);
    return ok ? 0 : 1;
}
