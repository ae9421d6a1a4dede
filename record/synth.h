#ifndef GMT_RECORD_SYNTH_H
#define GMT_RECORD_SYNTH_H

#include "formats/bytes.h"
#include "record/session.h"

/*
 * Appends COMM and MMAP2 records for a process that ran before its events were opened, from /proc:
 * its threads and its executable mappings, as the kernel would have told them.
 */
void synth_process(const struct session *session, pid_t pid, uint64_t time, struct buffer *out);

/*
 * Appends the MMAP record of the kernel itself, by which perf places its symbols; nothing where the
 * kernel does not tell its addresses (kernel.kptr_restrict).
 */
void synth_kernel(const struct session *session, uint64_t time, struct buffer *out);
/* The running kernel's GNU build id into id (20 bytes); its length, or 0. */
size_t synth_kernel_build_id(uint8_t *id);
/* The same for what it has started, and what those have started. */
void synth_children(const struct session *session, pid_t pid, uint64_t time, struct buffer *out);

#endif
