#ifndef GMT_RECORD_RECORDER_H
#define GMT_RECORD_RECORDER_H

#include "common/log.h"
#include "formats/error.h"
#include "record/options.h"

/*
 * One recording from beginning to end. *status becomes the exit status: the command's own, or what
 * a failure stands for. An error is given in every case where the recording failed or had to stop
 * early.
 */
struct error *recorder_run(const struct record_options *options, const struct log *log,
			   int *status);

/* --check: says what the machine, and the target where one is given, allow. *status: 0 or 125. */
struct error *recorder_check(const struct record_options *options, int *status);

/* --list: prints the plan of each target; nothing is installed. */
struct error *recorder_list(const struct record_options *options, int *status);

#endif
