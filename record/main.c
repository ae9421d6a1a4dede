/* record: captures the memory life of a Go process into a trace file. */

#include "common/log.h"
#include "record/options.h"
#include "record/recorder.h"
#include "record/target.h"

#include <stdio.h>

int main(int argc, char *argv[])
{
	struct log log = {.out = stderr};
	struct record_options options;
	struct error *err = options_parse(argc, argv, &options);
	int status = EXIT_RECORD_FAILED;

	if (!err) {
		log.verbosity = options.verbosity;
		switch (options.action) {
		case ACTION_HELP:
			status = fputs(options_help, stdout) < 0 ? EXIT_RECORD_FAILED : 0;
			break;
		case ACTION_VERSION:
			status = printf("record %s\n", GMT_VERSION) < 0 ? EXIT_RECORD_FAILED : 0;
			break;
		case ACTION_CHECK:
			err = recorder_check(&options, &status);
			break;
		case ACTION_LIST:
			err = recorder_list(&options, &status);
			break;
		case ACTION_RECORD:
			err = recorder_run(&options, &log, &status);
			break;
		}
	}
	if (err)
		log_error(&log, err);
	error_free(err);
	options_free(&options);
	return status;
}
