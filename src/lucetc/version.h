#ifndef LUCETC_VERSION_H
#define LUCETC_VERSION_H

#define LUCETC_VERSION "0.1.0"

#endif
