#ifndef LUCETC_VERSION_H
#define LUCETC_VERSION_H

/* All parts are released together. */
#include "lucet/types.h"

#define LUCETC_VERSION LUCET_VERSION

#endif
