#ifndef GMT_RECORD_STDERR_TEE_H
#define GMT_RECORD_STDERR_TEE_H

/*
 * The command's standard error on its way through the recorder to the recorder's own: every byte is
 * passed on as it is, in order and at once, and the lines that GODEBUG=gctrace=1 writes are copied
 * with the time of their arrival. Where ours is a terminal the command has a terminal too.
 *
 * Two threads do it, so that neither a busy recorder nor a standard error that takes nothing delays
 * the command: one reads, the other writes what was read. What is read and not yet written is
 * bounded (TEE_MAX_PENDING); beyond that the command waits, as it would without a recorder.
 */

#include "formats/error.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEE_MAX_PENDING ((size_t)16 << 20) /* bytes */
#define TEE_MAX_LINES	65536u		   /* that wait for stderr_tee_take */

struct stderr_tee;

/* A line as the runtime wrote it, without its newline. */
struct tee_line {
	uint64_t time; /* CLOCK_MONOTONIC ns: its last byte was read */
	char *text;
};

/*
 * Makes what the command gets for its standard error, before it is forked. Bytes go to out_fd, and
 * the lines also, with their newlines, to log_fd (-1: nowhere). Neither is closed.
 */
struct error *stderr_tee_new(int out_fd, int log_fd, struct stderr_tee **tee);
/* The command's end, for it to dup. */
int stderr_tee_child_fd(const struct stderr_tee *tee);
/* Once the command is forked: closes our copy of its end and begins to read. */
struct error *stderr_tee_start(struct stderr_tee *tee);

/* Becomes readable when there are lines to take. */
int stderr_tee_fd(const struct stderr_tee *tee);
/* The lines since the last call, in order: an array of *n, to be freed with its texts. */
struct tee_line *stderr_tee_take(struct stderr_tee *tee, size_t *n);
/* Lines that were not kept since too many waited. */
uint64_t stderr_tee_left_out(struct stderr_tee *tee);

/*
 * Call when the command has ended: reads what it left, and returns when that is read, and written
 * or has waited for a second. False: another process still has the command's standard error open;
 * it is not read any more.
 */
bool stderr_tee_ended(struct stderr_tee *tee);
/* Waits until everything read is written, then frees. */
void stderr_tee_free(struct stderr_tee *tee);

/* The value of GODEBUG with gctrace switched on, `old` (NULL: none) kept. To be freed. */
char *godebug_with_gctrace(const char *old);

#endif
