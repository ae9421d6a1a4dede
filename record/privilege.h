#ifndef GMT_RECORD_PRIVILEGE_H
#define GMT_RECORD_PRIVILEGE_H

#include "formats/error.h"

/*
 * Gives up every capability but what the rest of a recording needs: CAP_SYS_PTRACE, to read the
 * target's memory and maps, and CAP_DAC_OVERRIDE, to remove our events from tracefs where it is
 * not owned by our user. Call when all events are open.
 */
struct error *privilege_drop(void);

#endif
