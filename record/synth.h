#ifndef GMT_RECORD_SYNTH_H
#define GMT_RECORD_SYNTH_H

#include "formats/bytes.h"
#include "record/session.h"

/*
 * Appends COMM and MMAP2 records for a process that ran before its events were opened, from /proc:
 * its threads and its executable mappings, as the kernel would have told them.
 */
void synth_process(const struct session *session, pid_t pid, uint64_t time, struct buffer *out);

#endif
