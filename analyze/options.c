#include "analyze/options.h"

#include "common/arguments.h"
#include "formats/xalloc.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

const char analyze_help[] =
	"usage: analyze TRACE... [--gctrace FILE]... [--pprof FILE]... [OPTIONS]\n"
	"       analyze --gctrace FILE...              how the garbage collector fares\n"
	"\n"
	"Says which allocation sites of a Go program leak, how fast, and how sure that is.\n"
	"TRACE is a file that `record` wrote, or any perf.data; `-` is standard input. Several\n"
	"are taken as the parts of one recording.\n"
	"\n"
	"      --gctrace FILE   what the program wrote to standard error under\n"
	"                       GODEBUG=gctrace=1; placed on the trace's clock by its GC cycles\n"
	"      --gotrace FILE   an execution trace (runtime/trace, `go tool trace`) of Go 1.22 or\n"
	"                       later: GC phases, heap and goroutines, on the same clock\n"
	"      --pprof FILE     a heap dump (/debug/pprof/heap, of either form); compared with\n"
	"                       the trace object by object at the GC cycle it describes\n"
	"  -f, --format FORMAT  text (default); json: all of it with every curve behind it, for\n"
	"                       programs, in a form that stays\n"
	"      --hot            also show where the allocation is, by chains of callers\n"
	"      --near-goal SHARE  and where it is while the heap is as near to its goal as that, "
	"as\n"
	"                       0.9: there goroutines have to help the collector\n"
	"      --baseline FILE  compare with another trace, or with the JSON report on one: what\n"
	"                       allocates or grows more, less, is new or gone, site by site\n"
	"      --fail-on EXPR   exit with 1 where this holds, as in 'rss.growth > 1MB/min' or\n"
	"                       'leaks(confidence >= 0.9) > 0'; may be given again\n"
	"      --gates FILE     the same, a condition a line\n"
	"      --list-metrics   the figures and functions for such conditions; with a trace\n"
	"                       also what they are\n"
	"  -o, --output FILE    where to write the report; standard output by default\n"
	"      --from TIME      leave out what was before, 90s, 10m or 2h into the trace:\n"
	"      --to TIME        and what came after, as if it had been recorded from and to there\n"
	"      --top N          how many sites to show (default 5)\n"
	"      --limit BYTES    the program's memory limit, as 512M or 2G: say when growth gets "
	"there;\n"
	"                       else the lowest of GOMEMLIMIT, its control group's and the "
	"machine's\n"
	"      --gc-threshold NAME=VALUE\n"
	"                       when to speak of an anomaly of the collector: cpu-share, rate,\n"
	"                       pause, pause-p99, assist, mark-growth, live-goal,\n"
	"                       live-goal-part, forced, live-growth, live-growth-bytes,\n"
	"                       flat-goal, overshoot, overshoot-part, stacks, stacks-bytes;\n"
	"                       as in pause=5ms, assist=10%; may be given again\n"
	"      --salvage FILE   write no report, but a whole file of what is left of a TRACE that\n"
	"                       was cut off or damaged: one that perf reads, too\n"
	"      --color WHEN     auto (default), always, never\n"
	"  -q, --quiet          warnings only\n"
	"  -v, --verbose        details\n"
	"  -h, --help           this text\n"
	"      --version        the version\n"
	"\n"
	"Exit status: 0 well, 1 a gate was tripped, 2 trouble (wrong usage, unreadable input, a\n"
	"gate over a figure that the trace does not tell).\n"
	"\n"
	"A service whose memory grows: record ten minutes of it, look at the file at home.\n"
	"  $ record -p $(pgrep myserver) -d 10m -o trace.gmt\n"
	"  $ analyze trace.gmt\n"
	"Read from the top: the timeline shows whether the live heap rises from one GC cycle to\n"
	"the next. Below it stand the sites, leaks first, each with its growth, the number of GC\n"
	"generations among its survivors (a leak's keeps rising, a cache's levels off) and where\n"
	"it is in the source. At the end, how far to trust it: events lost, counters compared.\n"
	"\n"
	"The same with all there is: a GC log and two heap dumps, and only after the warm-up.\n"
	"  $ GODEBUG=gctrace=1 record -o trace.gmt -- ./myserver 2> gc.log &\n"
	"  $ curl -so heap1.pb.gz localhost:6060/debug/pprof/heap\n"
	"  $ sleep 600; curl -so heap2.pb.gz localhost:6060/debug/pprof/heap\n"
	"  $ analyze trace.gmt --gctrace gc.log --pprof heap1.pb.gz --pprof heap2.pb.gz --from 2m\n"
	"All three must agree; where they do not, that is reported too: events that were lost, a\n"
	"dump of another process, a log that cannot be placed.\n"
	"\n"
	"In a build: the test fails where it leaks, or where it allocates more than it did.\n"
	"  $ go test -exec 'record -o trace.gmt --' ./pkg\n"
	"  $ analyze trace.gmt --baseline main.json --fail-on 'leaks() > 0' \\\n"
	"        --fail-on 'regressions(alloc_rate > 1MB/s) > 0'\n";

enum {
	OPT_GCTRACE = 256,
	OPT_PPROF,
	OPT_GOTRACE,
	OPT_FROM,
	OPT_TO,
	OPT_TOP,
	OPT_LIMIT,
	OPT_GC_THRESHOLD,
	OPT_HOT,
	OPT_NEAR_GOAL,
	OPT_BASELINE,
	OPT_FAIL_ON,
	OPT_GATES,
	OPT_LIST_METRICS,
	OPT_SALVAGE,
	OPT_COLOR,
	OPT_VERSION,
};

static const struct option long_options[] = {
	{"gctrace", required_argument, NULL, OPT_GCTRACE},
	{"pprof", required_argument, NULL, OPT_PPROF},
	{"gotrace", required_argument, NULL, OPT_GOTRACE},
	{"format", required_argument, NULL, 'f'},
	{"output", required_argument, NULL, 'o'},
	{"from", required_argument, NULL, OPT_FROM},
	{"to", required_argument, NULL, OPT_TO},
	{"top", required_argument, NULL, OPT_TOP},
	{"limit", required_argument, NULL, OPT_LIMIT},
	{"gc-threshold", required_argument, NULL, OPT_GC_THRESHOLD},
	{"hot", no_argument, NULL, OPT_HOT},
	{"near-goal", required_argument, NULL, OPT_NEAR_GOAL},
	{"baseline", required_argument, NULL, OPT_BASELINE},
	{"fail-on", required_argument, NULL, OPT_FAIL_ON},
	{"gates", required_argument, NULL, OPT_GATES},
	{"list-metrics", no_argument, NULL, OPT_LIST_METRICS},
	{"salvage", required_argument, NULL, OPT_SALVAGE},
	{"color", required_argument, NULL, OPT_COLOR},
	{"colour", required_argument, NULL, OPT_COLOR},
	{"quiet", no_argument, NULL, 'q'},
	{"verbose", no_argument, NULL, 'v'},
	{"help", no_argument, NULL, 'h'},
	{"version", no_argument, NULL, OPT_VERSION},
	{NULL, 0, NULL, 0},
};

static struct error *usage(const char *option, const char *value, const char *wanted)
{
	return error_remedy(error_new("%s %s: %s", option, value, wanted), "see `analyze --help`");
}

static struct error *parse_format(const char *text, struct analyze_options *options)
{
	static const char *const names[] = {[FORMAT_TEXT] = "text", [FORMAT_JSON] = "json"};

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!strcmp(text, names[i])) {
			options->format = (enum analyze_format)i;
			return NULL;
		}
	}
	return error_remedy(error_new("-f %s: no such format; there are: text, json", text),
			    "see `analyze --help`");
}

static struct error *parse_color(const char *text, struct analyze_options *options)
{
	static const char *const names[] = {"auto", "always", "never"};

	for (int i = 0; i < 3; i++) {
		if (!strcmp(text, names[i])) {
			options->color = (enum analyze_color)i;
			return NULL;
		}
	}
	return usage("--color", text, "not one of auto, always, never");
}

static struct error *parse_time(const char *option, const char *text, uint64_t *ns)
{
	return argument_duration(text, ns)
		       ? NULL
		       : usage(option, text, "not a time into the trace such as 90s, 10m, 2h");
}

static struct error *parse_share(const char *option, const char *text, double *share)
{
	char *end;

	*share = strtod(text, &end);
	if (end != text && !strcmp(end, "%"))
		*share /= 100;
	else if (end == text || *end)
		*share = 0;
	return *share > 0 && *share < 1 ? NULL : usage(option, text, "not a share such as 0.9");
}

static struct error *parse_option(int opt, struct analyze_options *options)
{
	uint64_t number;

	switch (opt) {
	case OPT_GCTRACE:
		options->gctraces[options->n_gctraces++] = optarg;
		return NULL;
	case OPT_PPROF:
		options->dumps[options->n_dumps++] = optarg;
		return NULL;
	case OPT_GOTRACE:
		options->gotraces[options->n_gotraces++] = optarg;
		return NULL;
	case 'f':
		return parse_format(optarg, options);
	case 'o':
		options->output = optarg;
		return NULL;
	case OPT_FROM:
		return parse_time("--from", optarg, &options->from);
	case OPT_TO:
		TRY(parse_time("--to", optarg, &options->to));
		return options->to ? NULL : usage("--to", optarg, "nothing comes before the start");
	case OPT_TOP:
		if (!argument_number(optarg, 1, 100000, &number))
			return usage("--top", optarg, "not a number from 1 up");
		options->top = (unsigned)number;
		return NULL;
	case OPT_LIMIT:
		return argument_bytes(optarg, &options->limit) && options->limit
			       ? NULL
			       : usage("--limit", optarg, "not a size such as 512M or 2G");
	case OPT_GC_THRESHOLD:
		return error_context(gchealth_set_threshold(&options->gc, optarg),
				     "--gc-threshold");
	case OPT_HOT:
		options->hot = true;
		return NULL;
	case OPT_NEAR_GOAL:
		return parse_share("--near-goal", optarg, &options->near_goal);
	case OPT_BASELINE:
		options->baseline = optarg;
		return NULL;
	case OPT_FAIL_ON:
		return gates_add(&options->gates, optarg);
	case OPT_GATES:
		return gates_add_file(&options->gates, optarg);
	case OPT_LIST_METRICS:
		options->action = ANALYZE_METRICS;
		return NULL;
	case OPT_SALVAGE:
		options->salvage = optarg;
		options->action = ANALYZE_SALVAGE;
		return NULL;
	case OPT_COLOR:
		return parse_color(optarg, options);
	case 'q':
		options->verbosity = -1;
		return NULL;
	case 'v':
		options->verbosity = 1;
		return NULL;
	case 'h':
		options->action = ANALYZE_HELP;
		return NULL;
	default:
		options->action = ANALYZE_VERSION;
		return NULL;
	}
}

static struct error *check(const struct analyze_options *options)
{
	if (options->action == ANALYZE_SALVAGE && options->n_traces != 1)
		return error_remedy(error_new("--salvage makes one file of one trace"),
				    "see `analyze --help`");
	if (options->action != ANALYZE_REPORT)
		return NULL;
	if (options->baseline && !options->n_traces)
		return error_remedy(error_new("a baseline is compared with a trace, and none was "
					      "given"),
				    "see `analyze --help`");
	if (!options->n_traces && options->n_dumps)
		return error_remedy(
			error_new("a heap dump is compared with a trace, and none was given"),
			"see `analyze --help`");
	if (!options->n_traces && options->n_gotraces)
		return error_remedy(
			error_new("an execution trace is laid beside a trace, and none was given"),
			"see `analyze --help`");
	if (!options->n_traces && !options->n_gctraces)
		return error_remedy(error_new("no trace was given"),
				    "`analyze trace.gmt` reads what `record -o trace.gmt` wrote; "
				    "see `analyze --help`");
	if (options->to && options->from >= options->to)
		return error_remedy(error_new("--from is not before --to"), "see `analyze --help`");
	return NULL;
}

struct error *analyze_options_parse(int argc, char *argv[], struct analyze_options *options)
{
	size_t n = (size_t)argc;
	int opt;

	*options = (struct analyze_options){
		.traces = xcalloc(n, sizeof(*options->traces)),
		.gctraces = xcalloc(n, sizeof(*options->gctraces)),
		.dumps = xcalloc(n, sizeof(*options->dumps)),
		.gotraces = xcalloc(n, sizeof(*options->gotraces)),
		.gc = gchealth_defaults(),
	};
	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":f:o:qvh", long_options, NULL)) != -1) {
		if (opt == '?' || opt == ':')
			return error_remedy(
				error_new("%s: %s", argv[optind - 1],
					  opt == '?' ? "no such option" : "a value is missing"),
				"see `analyze --help`");
		TRY(parse_option(opt, options));
	}
	while (optind < argc)
		options->traces[options->n_traces++] = argv[optind++];
	return check(options);
}

void analyze_options_free(struct analyze_options *options)
{
	free(options->traces);
	free(options->gctraces);
	free(options->dumps);
	free(options->gotraces);
	gates_free(&options->gates);
}
