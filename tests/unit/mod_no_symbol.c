/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* For test_registry: a shared object that is no module. */
#include "service/service.h"

SERVICE_EXPORT int not_a_module(void);

int
not_a_module(void)
{
	return 1;
}
