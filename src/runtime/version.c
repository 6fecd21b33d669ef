#include "lucet/types.h"

const char *lucet_version(void)
{
    return LUCET_VERSION;
}
