/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
#include "service/blockpage.h"

/* The text of etc/templates/block.html as a string: see local.mk. */
static const char builtin[] =
#include "src/service/block_html.h"
    ;

struct slice
blockpage_builtin(void)
{
	return SLICE_LIT(builtin);
}
