#include "analyze/report_text_parts.h"
#include "analyze/timeline.h"
#include "formats/xalloc.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum column {
	COLUMN_TIME,
	COLUMN_GC,
	COLUMN_START,
	COLUMN_PEAK,
	COLUMN_LIVE,
	COLUMN_GOAL,
	COLUMN_SAMPLED,
	COLUMN_BORN,
	COLUMN_FREED,
	COLUMN_NATIVE,
	COLUMN_MAPPED,
	COLUMN_RSS,
	/* Of RSS, by groups of owners */
	COLUMN_GO,
	COLUMN_C,
	COLUMN_ANON,
	COLUMN_FILES,
	COLUMN_SHARED,
	COLUMNS
};

/* Titles and widths; the order in which columns give way where the terminal is narrow: the greatest
 * rank first, rank 0 never. */
static const struct {
	const char *title;
	size_t width;
	int rank;
} columns[COLUMNS] = {
	[COLUMN_TIME] = {"time", 7, 0},	      [COLUMN_GC] = {"GC", 9, 0},
	[COLUMN_START] = {"heap", 7, 4},      [COLUMN_PEAK] = {"->peak", 7, 3},
	[COLUMN_LIVE] = {"->live", 7, 0},     [COLUMN_GOAL] = {"goal", 7, 2},
	[COLUMN_SAMPLED] = {"sampled", 7, 0}, [COLUMN_BORN] = {"born", 7, 5},
	[COLUMN_FREED] = {"freed", 7, 5},     [COLUMN_NATIVE] = {"native", 7, 0},
	[COLUMN_MAPPED] = {"mapped", 7, 1},   [COLUMN_RSS] = {"RSS", 7, 0},
	[COLUMN_GO] = {"Go", 7, 1},	      [COLUMN_C] = {"C", 7, 1},
	[COLUMN_ANON] = {"anon", 7, 1},	      [COLUMN_FILES] = {"files", 7, 2},
	[COLUMN_SHARED] = {"shared", 7, 2},
};

/* The owners in a column of RSS. */
static const struct {
	enum memory_owner owner;
	enum column column;
} owned[] = {
	{OWNER_GO_HEAP, COLUMN_GO},	 {OWNER_GO_FREE, COLUMN_GO},
	{OWNER_GO_STACKS, COLUMN_GO},	 {OWNER_GO_RUNTIME, COLUMN_GO},
	{OWNER_C_HEAP, COLUMN_C},	 {OWNER_THREAD_STACKS, COLUMN_C},
	{OWNER_ANON, COLUMN_ANON},	 {OWNER_PROGRAM, COLUMN_FILES},
	{OWNER_LIBRARIES, COLUMN_FILES}, {OWNER_FILES, COLUMN_FILES},
	{OWNER_SHARED, COLUMN_SHARED},
};

/* A column of owners is shown where they ever have this share of the highest RSS. */
#define LEAST_OWNED 0.1

#define WIDEST_BAR 32
#define LEAST_BAR  8

struct layout {
	bool shown[COLUMNS], known;
	size_t bar, marks; /* columns; 0: none */
	double unit;
	const char *unit_name;
	double most; /* bytes at the full length of the bar */
};

static double owned_bytes(const struct timeline_row *row, enum column column)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < sizeof(owned) / sizeof(*owned); i++)
		if (owned[i].column == column)
			sum += row->owners[owned[i].owner];
	return (double)sum;
}

static double cell_value(const struct timeline_row *row, enum column column)
{
	switch (column) {
	case COLUMN_START:
		return (double)row->heap_start;
	case COLUMN_PEAK:
		return (double)row->heap_peak;
	case COLUMN_LIVE:
		return (double)row->heap_live;
	case COLUMN_GOAL:
		return (double)row->goal;
	case COLUMN_SAMPLED:
		return row->live;
	case COLUMN_BORN:
		return row->born;
	case COLUMN_FREED:
		return row->freed;
	case COLUMN_NATIVE:
		return row->native;
	case COLUMN_MAPPED:
		return (double)row->mapped;
	case COLUMN_RSS:
		return (double)row->rss;
	default:
		return owned_bytes(row, column);
	}
}

/* Whether a figure is known, and so printed. */
static bool cell_known(const struct timeline_row *row, enum column column)
{
	switch (column) {
	case COLUMN_TIME:
		return true;
	case COLUMN_GC:
		return row->gcs > 0;
	case COLUMN_SAMPLED:
		return row->sampled;
	case COLUMN_NATIVE:
		return row->native_known;
	case COLUMN_MAPPED:
		return row->mapping;
	case COLUMN_GO:
	case COLUMN_C:
	case COLUMN_ANON:
	case COLUMN_FILES:
	case COLUMN_SHARED:
		return row->has_owners;
	default:
		return cell_value(row, column) > 0;
	}
}

static void choose_unit(const struct timeline *timeline, struct layout *layout)
{
	double most = 0;

	for (size_t i = 0; i < timeline->n; i++)
		for (int c = COLUMN_START; c < COLUMNS; c++)
			most = fmax(most, fabs(cell_value(&timeline->rows[i], (enum column)c)));
	layout->unit = 1 << 20;
	layout->unit_name = "MiB";
	if (most < 1 << 20) {
		layout->unit = 1 << 10;
		layout->unit_name = "KiB";
	} else if (most >= 1e5 * (1 << 20)) {
		layout->unit = 1 << 30;
		layout->unit_name = "GiB";
	}
}

static void choose_columns(const struct report *report, const struct timeline *timeline,
			   struct layout *layout)
{
	size_t width = 0, longest = 0;
	double highest = 0;

	for (size_t i = 0; i < timeline->n; i++)
		highest = fmax(highest, (double)timeline->rows[i].rss);
	for (size_t i = 0; i < timeline->n; i++) {
		const struct timeline_row *row = &timeline->rows[i];
		size_t marks = (row->from_log ? 4 : 0) + (row->dumps ? 8 : 0);

		for (int c = 0; c < COLUMNS; c++)
			layout->shown[c] |= cell_known(row, (enum column)c) &&
					    (c <= COLUMN_RSS || owned_bytes(row, (enum column)c) >=
									LEAST_OWNED * highest);
		for (int c = COLUMN_GC; c < COLUMNS; c++)
			layout->known |= cell_known(row, (enum column)c);
		layout->most = fmax(layout->most, fmax((double)row->rss, (double)row->heap_peak));
		longest = marks > longest ? marks : longest;
	}
	layout->marks = longest;
	for (int rank = 6;; rank--) {
		width = layout->marks ? layout->marks + 1 : 0;
		for (int c = 0; c < COLUMNS; c++) {
			layout->shown[c] &= !columns[c].rank || columns[c].rank < rank;
			if (layout->shown[c])
				width += columns[c].width + 1;
		}
		if (width <= report->options.width || rank <= 1)
			break;
	}
	if (layout->most > 0 && report->options.width >= width + LEAST_BAR + 1)
		layout->bar = report->options.width - width - 1;
	if (layout->bar > WIDEST_BAR)
		layout->bar = WIDEST_BAR;
}

static void print_titles(const struct report *report, const struct layout *layout)
{
	const char *between = "";

	fputs(report_style(report, STYLE_FAINT), report->out);
	for (int c = 0; c < COLUMNS; c++) {
		if (!layout->shown[c])
			continue;
		fprintf(report->out, "%s%*s", between, (int)columns[c].width, columns[c].title);
		between = " ";
	}
	fprintf(report->out, "%s\n", report_plain(report));
}

static void print_gcs(FILE *out, const struct timeline_row *row)
{
	char text[48];

	if (!row->last_gc)
		snprintf(text, sizeof(text), "%" PRIu32 "x", row->gcs);
	else if (row->first_gc == row->last_gc || !row->first_gc)
		snprintf(text, sizeof(text), "%" PRIu64, row->last_gc);
	else
		snprintf(text, sizeof(text), "%" PRIu64 "-%" PRIu64, row->first_gc, row->last_gc);
	fprintf(out, "%*s", (int)columns[COLUMN_GC].width, text);
}

static void print_cell(const struct report *report, const struct layout *layout,
		       const struct timeline_row *row, enum column column)
{
	int width = (int)columns[column].width;
	double value = cell_value(row, column) / layout->unit;

	if (!cell_known(row, column))
		fprintf(report->out, "%*s", width, column == COLUMN_GC ? "" : "-");
	else if (column == COLUMN_TIME)
		fprintf(report->out, "%*s", width, report_time(report, row->from).text);
	else if (column == COLUMN_GC)
		print_gcs(report->out, row);
	else if (column == COLUMN_MAPPED)
		fprintf(report->out, "%+*.*f", width, fabs(value) < 1000 ? 1 : 0, value);
	else
		fprintf(report->out, "%*.*f", width, fabs(value) < 10000 ? 1 : 0, value);
}

/* '#' live heap, '=' garbage up to the peak, '.' the rest of RSS. Without marks after it the bar
 * ends with its last character. */
static void print_bar(FILE *out, const struct layout *layout, const struct timeline_row *row)
{
	double scale = (double)layout->bar / layout->most;
	size_t live = (size_t)lround((double)row->heap_live * scale);
	size_t peak = (size_t)lround((double)row->heap_peak * scale);
	size_t rss = (size_t)lround((double)row->rss * scale);
	size_t end = live > peak ? live : peak;

	end = rss > end ? rss : end;
	if (row->dumps || row->from_log)
		end = layout->bar;
	if (end)
		fputc(' ', out);
	for (size_t i = 0; i < end; i++)
		fputc(i < live ? '#' : i < peak ? '=' : i < rss ? '.' : ' ', out);
}

static void print_marks(const struct report *report, const struct timeline_row *row)
{
	const char *between = "";

	fprintf(report->out, " %s", report_style(report, STYLE_WARN));
	if (row->dumps) {
		fprintf(report->out, "dump %" PRIu32, row->first_dump + 1);
		if (row->dumps > 1)
			fprintf(report->out, "+%" PRIu32, row->dumps - 1);
		between = " ";
	}
	if (row->from_log)
		fprintf(report->out, "%slog", between);
	fputs(report_plain(report), report->out);
}

static void print_rows(const struct report *report, const struct timeline *timeline,
		       const struct layout *layout)
{
	for (size_t i = 0; i < timeline->n; i++) {
		const struct timeline_row *row = &timeline->rows[i];

		for (int c = 0; c < COLUMNS; c++) {
			if (!layout->shown[c])
				continue;
			if (c)
				fputc(' ', report->out);
			print_cell(report, layout, row, (enum column)c);
		}
		if (layout->bar)
			print_bar(report->out, layout, row);
		if (row->dumps || row->from_log)
			print_marks(report, row);
		fputc('\n', report->out);
	}
}

/* What the columns of owners hold, of those that are shown. */
static void print_owner_legend(FILE *out, const struct layout *layout)
{
	static const struct {
		enum column column;
		const char *text;
	} legends[] = {
		{COLUMN_GO, "Go: all that is Go's"},
		{COLUMN_C, "C: what malloc and threads have"},
		{COLUMN_ANON, "anon: other anonymous mappings"},
		{COLUMN_FILES, "files: programs and libraries too"},
		{COLUMN_SHARED, "shared: shared memory"},
	};
	const char *between = "of RSS, ";

	for (size_t i = 0; i < sizeof(legends) / sizeof(*legends); i++) {
		if (!layout->shown[legends[i].column])
			continue;
		fprintf(out, "%s%s", between, legends[i].text);
		between = ", ";
	}
	if (between[0] == ',')
		fputs("; ", out);
}

static void print_legend(const struct report *report, const struct timeline *timeline,
			 const struct layout *layout)
{
	bool dumps = false, log = false;
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	if (!out)
		return;
	for (size_t i = 0; i < timeline->n; i++) {
		dumps |= timeline->rows[i].dumps > 0;
		log |= timeline->rows[i].from_log;
	}
	if (layout->shown[COLUMN_PEAK] || layout->shown[COLUMN_LIVE])
		fprintf(out, "heap: %s%slive after the last GC of the interval; ",
			layout->shown[COLUMN_START] ? "at the first GC's start, " : "",
			layout->shown[COLUMN_PEAK] ? "greatest at a mark's end, " : "");
	if (layout->shown[COLUMN_SAMPLED])
		fprintf(out, "sampled: estimate of what was born in the recording and lives%s; ",
			layout->shown[COLUMN_BORN] ? ", born and freed in the interval" : "");
	if (layout->shown[COLUMN_NATIVE])
		fputs("native: what C code was given in the recording and has not freed; ", out);
	if (layout->shown[COLUMN_MAPPED])
		fputs("mapped: net of mmap, munmap and brk; ", out);
	print_owner_legend(out, layout);
	if (layout->bar)
		fprintf(out, "bar, to %s: # live, = garbage%s; ", units_bytes(layout->most).text,
			layout->shown[COLUMN_RSS] ? ", . the rest of RSS" : "");
	if (dumps)
		fputs("dump N: heap dump N was taken; ", out);
	if (log)
		fputs("log: some of its GC cycles only the gctrace log tells of; ", out);
	fclose(out);
	if (len > 2) {
		text[len - 2] = '\0';
		fputs(report_style(report, STYLE_FAINT), report->out);
		report_wrap(report, 2, 2, "%s.", text);
		fputs(report_plain(report), report->out);
	}
	free(text);
}

static void print_timeline(const struct report *report, uint32_t process)
{
	const struct process *p = &report->model->processes[process];
	struct layout layout = {0};
	struct timeline timeline;
	char *title;

	timeline_init(&timeline, report->model, process, report->options.intervals);
	choose_unit(&timeline, &layout);
	choose_columns(report, &timeline, &layout);
	if (report->model->n_processes > 1)
		title = xasprintf("Timeline of process %" PRIu32, p->pid);
	else
		title = xstrdup("Timeline");
	if (layout.known) {
		char *of = title;

		title = xasprintf("%s, in %s, a row per %s", of, layout.unit_name,
				  units_duration(timeline.step).text);
		free(of);
	}
	report_heading(report, title);
	if (layout.known) {
		print_titles(report, &layout);
		print_rows(report, &timeline, &layout);
		print_legend(report, &timeline, &layout);
	} else {
		report_wrap(report, 2, 2,
			    "There is nothing to show: no GC cycle, no sample, no mapping and no "
			    "RSS was recorded.");
	}
	free(title);
	timeline_free(&timeline);
}

void report_timelines(const struct report *report)
{
	for (size_t i = 0; i < report->model->n_processes; i++)
		if (report_shows_process(report, i))
			print_timeline(report, report->order[i]);
}
