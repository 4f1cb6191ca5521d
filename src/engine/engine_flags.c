/* SPDX-License-Identifier: GPL-2.0-only WITH cryptsetup-OpenSSL-exception */
/* Settings as libclamav's option words. */
#include "engine/engine.h"

#include <clamav.h>

void
engine_scan_flags(const struct engine_flags *f, struct scan_opts *opts)
{
	opts->general = CL_SCAN_GENERAL_ALLMATCHES;
	if (f->heuristic_alerts)
		opts->general |= CL_SCAN_GENERAL_HEURISTICS;
	opts->parse =
	    CL_SCAN_PARSE_ARCHIVE | CL_SCAN_PARSE_ELF | CL_SCAN_PARSE_PDF |
	    CL_SCAN_PARSE_SWF | CL_SCAN_PARSE_HWP3 | CL_SCAN_PARSE_XMLDOCS |
	    CL_SCAN_PARSE_MAIL | CL_SCAN_PARSE_OLE2 | CL_SCAN_PARSE_HTML |
	    CL_SCAN_PARSE_PE | CL_SCAN_PARSE_ONENOTE | CL_SCAN_PARSE_IMAGE;
	if (f->image_fuzzy_hash)
		opts->parse |= CL_SCAN_PARSE_IMAGE_FUZZY_HASH;
	opts->heuristic = CL_SCAN_HEURISTIC_EXCEEDS_MAX;
	if (f->alert_encrypted)
		opts->heuristic |= CL_SCAN_HEURISTIC_ENCRYPTED_ARCHIVE |
				   CL_SCAN_HEURISTIC_ENCRYPTED_DOC;
	if (f->alert_broken)
		opts->heuristic |= CL_SCAN_HEURISTIC_BROKEN;
	if (f->alert_macros)
		opts->heuristic |= CL_SCAN_HEURISTIC_MACROS;
	opts->mail = 0;
	opts->dev = 0;
}
