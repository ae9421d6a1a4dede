#include "record/options.h"

#include "common/arguments.h"
#include "formats/xalloc.h"
#include "record/native.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

const char options_help[] =
	"usage: record [OPTIONS] -- COMMAND [ARG...]   start COMMAND and record it\n"
	"       record [OPTIONS] -p PID[,PID...]       attach to running Go programs\n"
	"       record --check [-p PID | -- COMMAND]   say what this machine and target allow\n"
	"       record --list [-p PID | -- COMMAND]    print the probes it would install\n"
	"\n"
	"Records the memory life of a Go program - sampled allocations and their deaths, GC\n"
	"cycles, mappings, the heap profile's own counters - into one file that perf reads\n"
	"too. It rides on Go's heap sampler: no slowdown, no change to the program.\n"
	"\n"
	"  -o, --output FILE    the trace (default trace.gmt); an old one is kept as FILE.old;\n"
	"                       - is standard output, for `record -o - ... | analyze -`\n"
	"  -d, --duration TIME  stop after 90s, 10m, 2h\n"
	"  -p, --pid PID,...    attach to these processes, all their threads\n"
	"      --heap MODE      auto (default): sampled where the program links heap profiling;\n"
	"                       sampled: births and deaths of sampled objects;\n"
	"                       counters: the bucket table alone, no breakpoint at all;\n"
	"                       all: every allocation; span: span refills; off\n"
	"      --set-rate BYTES switch Go's sampler on, or to this rate, from outside; put back "
	"at\n"
	"                       the end (this writes runtime.MemProfileRate in the program)\n"
	"      --native[=N]     malloc and free of C code too, also of programs that are not Go;\n"
	"                       one allocation of N, a power of two, with its free\n"
	"      --min-size BYTES with --heap=all, --native: leave out smaller allocations, in the\n"
	"                       kernel\n"
	"      --every N        with --heap=all: record one allocation of N, in the kernel\n"
	"      --goroutines     record where goroutines are started, and their ends\n"
	"      --gctrace[=FILE] run COMMAND with GODEBUG=gctrace=1 and keep the GC's lines, with\n"
	"                       their times, in the trace (and in FILE); its standard error\n"
	"                       passes through untouched\n"
	"      --pprof URL[@EVERY]  fetch heap dumps while recording and keep them in the trace:\n"
	"                       at the end, or with @30s also from the start on, every 30 s\n"
	"      --faults         every page fault, with address and call stack: who touches "
	"memory\n"
	"      --kprobe SPEC    a function of the kernel: 'handle_mm_fault address=%si:x64'\n"
	"  -e, --event SPEC     a further event: page-faults, SYSTEM:NAME[/FILTER/],\n"
	"                       kprobe:SYMBOL[+OFF] ARG..., uprobe:PATH:SYMBOL[+OFF] ARG...\n"
	"      --max-size SIZE  end the recording when the trace has 500M, 2G\n"
	"      --rotate EVERY   a new file, complete by itself, each 10m, 1h or each 100M, 1G:\n"
	"                       FILE.000001, FILE.000002, ...; analyze takes them together\n"
	"      --keep N         with --rotate: keep the last N files only\n"
	"      --snapshot[=WHEN]  keep the last minutes in memory; write them to FILE.000001,\n"
	"                       ... on SIGUSR2, at the end, and when it begins to hold that\n"
	"                       rss>2G, rss+500M/10m (growth in a time) or heap>1G\n"
	"      --snapshot-window TIME   so much of it (default 5m)\n"
	"      --snapshot-memory SIZE   in at most so much memory (default 64M)\n"
	"      --check          say what works here, and the remedy for what does not\n"
	"      --list           print the probes, with address, instruction and reason\n"
	"  -z, --compress LEVEL zstd level, 1 to 19 (default 1; more buys little), or 0: not "
	"packed,\n"
	"                       for a perf without zstd\n"
	"  -m, --pages N        ring buffer pages for each CPU, a power of two\n"
	"  -q, --quiet          warnings only\n"
	"  -v, --verbose        details\n"
	"  -h, --help           this text\n"
	"      --version        the version\n"
	"\n"
	"SIGINT ends a recording cleanly. The exit status is the command's own; 125 where\n"
	"record failed, 126 where the command cannot be executed, 127 where there is none.\n"
	"\n"
	"Examples:\n"
	"  record -p $(pgrep myserver) -d 10m -o /tmp/trace.gmt   a production process\n"
	"  record --gctrace -- ./myserver                         a program from its start\n"
	"  go test -exec 'record -o trace.gmt --' ./pkg           a test\n"
	"  analyze trace.gmt                                      then, anywhere\n";

enum {
	OPT_HEAP = 256,
	OPT_LIST,
	OPT_CHECK,
	OPT_VERSION,
	OPT_SET_RATE,
	OPT_MIN_SIZE,
	OPT_EVERY,
	OPT_NATIVE,
	OPT_GOROUTINES,
	OPT_GCTRACE,
	OPT_PPROF,
	OPT_FAULTS,
	OPT_KPROBE,
	OPT_MAX_SIZE,
	OPT_ROTATE,
	OPT_KEEP,
	OPT_SNAPSHOT,
	OPT_SNAPSHOT_WINDOW,
	OPT_SNAPSHOT_MEMORY,
};

#define SNAPSHOT_WINDOW_NS  300000000000ull
#define SNAPSHOT_MEMORY	    (64ull << 20)
#define SNAPSHOT_MEMORY_MIN (1ull << 20)
#define ROTATE_SIZE_MIN	    (64ull << 10)
#define ROTATE_TIME_MIN	    1000000000ull

static const struct option long_options[] = {
	{"output", required_argument, NULL, 'o'},
	{"duration", required_argument, NULL, 'd'},
	{"pid", required_argument, NULL, 'p'},
	{"heap", required_argument, NULL, OPT_HEAP},
	{"set-rate", required_argument, NULL, OPT_SET_RATE},
	{"min-size", required_argument, NULL, OPT_MIN_SIZE},
	{"every", required_argument, NULL, OPT_EVERY},
	{"native", optional_argument, NULL, OPT_NATIVE},
	{"goroutines", no_argument, NULL, OPT_GOROUTINES},
	{"gctrace", optional_argument, NULL, OPT_GCTRACE},
	{"pprof", required_argument, NULL, OPT_PPROF},
	{"faults", no_argument, NULL, OPT_FAULTS},
	{"kprobe", required_argument, NULL, OPT_KPROBE},
	{"event", required_argument, NULL, 'e'},
	{"max-size", required_argument, NULL, OPT_MAX_SIZE},
	{"rotate", required_argument, NULL, OPT_ROTATE},
	{"keep", required_argument, NULL, OPT_KEEP},
	{"snapshot", optional_argument, NULL, OPT_SNAPSHOT},
	{"snapshot-window", required_argument, NULL, OPT_SNAPSHOT_WINDOW},
	{"snapshot-memory", required_argument, NULL, OPT_SNAPSHOT_MEMORY},
	{"check", no_argument, NULL, OPT_CHECK},
	{"list", no_argument, NULL, OPT_LIST},
	{"compress", required_argument, NULL, 'z'},
	{"pages", required_argument, NULL, 'm'},
	{"quiet", no_argument, NULL, 'q'},
	{"verbose", no_argument, NULL, 'v'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, OPT_VERSION},
	{NULL, 0, NULL, 0},
};

bool options_duration(const char *text, uint64_t *ms)
{
	uint64_t ns;

	if (!argument_duration(text, &ns) || ns < 1000000)
		return false;
	*ms = ns / 1000000;
	return true;
}

static struct error *usage(const char *option, const char *value, const char *wanted)
{
	return error_remedy(error_new("%s %s: %s", option, value, wanted), "see `record --help`");
}

static struct error *parse_pids(const char *text, struct record_options *options)
{
	char *copy = xstrdup(text), *save = NULL;
	size_t cap = options->n_pids;
	bool ok = false;
	uint64_t pid;

	for (char *word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		ok = argument_number(word, 1, 1 << 22, &pid);
		if (!ok)
			break;
		xgrow(options->pids, cap, options->n_pids + 1);
		options->pids[options->n_pids++] = (pid_t)pid;
	}
	free(copy);
	return ok ? NULL : usage("-p", text, "not a list of PIDs");
}

static struct error *parse_heap(const char *text, struct record_options *options)
{
	static const struct {
		const char *name;
		enum heap_mode mode;
	} modes[] = {
		{"auto", HEAP_AUTO}, {"sampled", HEAP_SAMPLED}, {"counters", HEAP_COUNTERS},
		{"all", HEAP_ALL},   {"span", HEAP_SPAN},	{"off", HEAP_OFF},
	};

	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		if (strcmp(text, modes[i].name) == 0) {
			options->heap = modes[i].mode;
			return NULL;
		}
	}
	return usage("--heap", text, "not one of auto, sampled, counters, all, span, off");
}

static struct error *parse_bytes(const char *option, const char *text, uint64_t *bytes)
{
	if (!argument_bytes(text, bytes) || !*bytes || *bytes > 1ull << 40)
		return usage(option, text, "not a number of bytes such as 4096 or 64K");
	return NULL;
}

static struct error *parse_native_every(const char *text, struct record_options *options)
{
	uint64_t number;

	if (!argument_number(text, 1, NATIVE_MAX_EVERY, &number) || (number & (number - 1)))
		return usage("--native", text, "not a power of two from 1 to 256");
	options->native_every = number;
	return NULL;
}

/* `10m` is a time and `10M` is a size; a number alone would be either. */
static struct error *parse_rotate(const char *text, struct record_options *options)
{
	size_t len = strlen(text);

	if (len && !strchr("0123456789", text[len - 1])) {
		if (argument_duration(text, &options->rotate_time) &&
		    options->rotate_time >= ROTATE_TIME_MIN) {
			options->rotate_size = 0;
			return NULL;
		}
		options->rotate_time = 0;
		if (argument_bytes(text, &options->rotate_size) &&
		    options->rotate_size >= ROTATE_SIZE_MIN)
			return NULL;
	}
	return usage("--rotate", text, "not a time from 1s or a size from 64K: 10m, 1h, 100M, 1G");
}

static struct error *parse_snapshot(const char *text, struct record_options *options)
{
	options->snapshot = true;
	if (!text)
		return NULL;
	xgrow(options->conditions, options->cap_conditions, options->n_conditions + 1);
	if (!snapshot_parse(text, &options->conditions[options->n_conditions]))
		return usage("--snapshot", text, "not one of rss>2G, rss+500M/10m, heap>1G");
	options->n_conditions++;
	return NULL;
}

/* What bounds the files of a recording. */
static struct error *parse_bound(int opt, struct record_options *options)
{
	uint64_t number;

	switch (opt) {
	case OPT_MAX_SIZE:
		return parse_bytes("--max-size", optarg, &options->max_size);
	case OPT_ROTATE:
		return parse_rotate(optarg, options);
	case OPT_KEEP:
		if (!argument_number(optarg, 2, 1000000, &number))
			return usage("--keep", optarg, "not a number from 2 up");
		options->keep = (uint32_t)number;
		return NULL;
	case OPT_SNAPSHOT:
		return parse_snapshot(optarg, options);
	case OPT_SNAPSHOT_WINDOW:
		if (argument_duration(optarg, &options->snapshot_window) &&
		    options->snapshot_window >= 8 * ROTATE_TIME_MIN)
			return NULL;
		return usage("--snapshot-window", optarg, "not a time from 8s up, such as 5m");
	case OPT_SNAPSHOT_MEMORY:
		TRY(parse_bytes("--snapshot-memory", optarg, &options->snapshot_memory));
		if (options->snapshot_memory >= SNAPSHOT_MEMORY_MIN)
			return NULL;
		return usage("--snapshot-memory", optarg, "not 1M or more");
	}
	return error_remedy(error_new("bad option"), "see `record --help`");
}

static struct error *parse_option(int opt, struct record_options *options)
{
	uint64_t number;

	switch (opt) {
	case 'o':
		options->output = optarg;
		return NULL;
	case 'd':
		return options_duration(optarg, &options->duration_ms)
			       ? NULL
			       : usage("-d", optarg, "not a time such as 90s, 10m, 2h");
	case 'p':
		return parse_pids(optarg, options);
	case OPT_HEAP:
		return parse_heap(optarg, options);
	case OPT_SET_RATE:
		return parse_bytes("--set-rate", optarg, &options->set_rate);
	case OPT_MIN_SIZE:
		return parse_bytes("--min-size", optarg, &options->min_size);
	case OPT_EVERY:
		if (!argument_number(optarg, 1, 1000000000, &number))
			return usage("--every", optarg, "not a number from 1 up");
		options->every = number;
		return NULL;
	case OPT_NATIVE:
		options->native = true;
		return optarg ? parse_native_every(optarg, options) : NULL;
	case OPT_GOROUTINES:
		options->goroutines = true;
		return NULL;
	case OPT_GCTRACE:
		if (optarg && !*optarg)
			return usage("--gctrace", "=", "the name of the file is missing");
		options->gctrace = true;
		options->gctrace_file = optarg;
		return NULL;
	case OPT_PPROF:
		xgrow(options->dumps, options->cap_dumps, options->n_dumps + 1);
		if (!fetch_parse_source(optarg, &options->dumps[options->n_dumps]))
			return usage("--pprof", optarg,
				     "not http://HOST:PORT/debug/pprof/heap[@30s]");
		options->n_dumps++;
		return NULL;
	case OPT_FAULTS:
		return extra_specs_add(&options->extra, EXTRA_FAULTS, false);
	case OPT_KPROBE:
		return extra_specs_add(&options->extra, optarg, true);
	case 'e':
		return extra_specs_add(&options->extra, optarg, false);
	case OPT_CHECK:
		options->action = ACTION_CHECK;
		return NULL;
	case OPT_LIST:
		options->action = ACTION_LIST;
		return NULL;
	case 'z':
		if (!argument_number(optarg, 0, 19, &number))
			return usage("-z", optarg, "not a zstd level from 0 to 19");
		options->compression_level = (int)number;
		return NULL;
	case 'm':
		if (!argument_number(optarg, 8, 1 << 20, &number) || (number & (number - 1)))
			return usage("-m", optarg, "not a power of two from 8 up");
		options->ring_pages = (unsigned)number;
		return NULL;
	case 'q':
		options->verbosity = -1;
		return NULL;
	case 'v':
		options->verbosity = 1;
		return NULL;
	case 'h':
		options->action = ACTION_HELP;
		return NULL;
	case OPT_VERSION:
		options->action = ACTION_VERSION;
		return NULL;
	default:
		return parse_bound(opt, options);
	}
}

bool options_to_pipe(const struct record_options *options)
{
	return strcmp(options->output, "-") == 0;
}

bool options_numbered(const struct record_options *options)
{
	return options->rotate_size || options->rotate_time || options->snapshot;
}

static struct error *clash(const char *one, const char *other, const char *remedy)
{
	return error_remedy(error_new("%s and %s were both given", one, other), "%s", remedy);
}

/* What bounds the files must fit together. */
static struct error *check_bounds(const struct record_options *options)
{
	bool rotates = options->rotate_size || options->rotate_time;

	if (rotates && options->snapshot)
		return clash("--rotate", "--snapshot",
			     "--rotate keeps everything on disk, --snapshot the last minutes in "
			     "memory: give one of them");
	if (options_to_pipe(options) && options_numbered(options))
		return clash("-o -", rotates ? "--rotate" : "--snapshot",
			     "give the name that the files begin with: -o FILE");
	if (options->max_size && options->snapshot)
		return clash("--max-size", "--snapshot",
			     "a snapshot has no more than --snapshot-memory allows");
	if (options->keep && !rotates)
		return error_remedy(error_new("--keep was given without --rotate"),
				    "say when a new file begins: --rotate=100M, --rotate=1h");
	if ((options->snapshot_window || options->snapshot_memory) && !options->snapshot)
		return error_remedy(error_new("--snapshot-%s was given without --snapshot",
					      options->snapshot_window ? "window" : "memory"),
				    "give --snapshot too");
	if (options_to_pipe(options) && options->n_dumps)
		return clash("-o -", "--pprof",
			     "perf's pipe form has no place for heap dumps: fetch them yourself "
			     "and give them to `analyze - --pprof FILE`");
	return NULL;
}

static struct error *check_target(int argc, const struct record_options *options)
{
	if (options->action == ACTION_HELP || options->action == ACTION_VERSION)
		return NULL;
	if (options->action == ACTION_CHECK && !options->n_pids && optind >= argc)
		return NULL;
	if (options->n_pids && options->gctrace)
		return error_remedy(
			error_new("--gctrace needs a program that is started: the standard error "
				  "of a running one cannot be had"),
			"start it through record: `record --gctrace -- COMMAND`; or give its log "
			"to the analyzer: `analyze TRACE --gctrace FILE`");
	if (options->n_pids && optind < argc)
		return error_remedy(error_new("both -p and a command were given"),
				    "give one of them: `record -p PID` or `record -- COMMAND`");
	if (!options->n_pids && optind >= argc)
		return error_remedy(
			error_new("nothing to record was given"),
			"`record -- COMMAND` starts a program, `record -p PID` attaches to "
			"one; see `record --help`");
	return NULL;
}

struct error *options_parse(int argc, char *argv[], struct record_options *options)
{
	int opt;

	*options = (struct record_options){
		.output = "trace.gmt",
		.compression_level = 1,
		.native_every = 1,
		.argv = argv,
	};
	opterr = 0;
	while ((opt = getopt_long(argc, argv, "+:o:d:p:e:z:m:qvh", long_options, NULL)) != -1) {
		if (opt == '?' || opt == ':') {
			const char *word = argv[optind - 1];

			return error_remedy(
				error_new("%s: %s", word,
					  opt == '?' ? "no such option" : "a value is missing"),
				"see `record --help`");
		}
		TRY(parse_option(opt, options));
	}
	TRY(check_target(argc, options));
	TRY(check_bounds(options));
	if (!options->snapshot_window)
		options->snapshot_window = SNAPSHOT_WINDOW_NS;
	if (!options->snapshot_memory)
		options->snapshot_memory = SNAPSHOT_MEMORY;
	options->command = optind < argc ? argv + optind : NULL;
	return NULL;
}

void options_free(struct record_options *options)
{
	free(options->pids);
	free(options->conditions);
	for (size_t i = 0; i < options->n_dumps; i++)
		free(options->dumps[i].url);
	free(options->dumps);
	extra_specs_free(&options->extra);
}
