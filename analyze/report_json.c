#include "analyze/report_json.h"

#include "analyze/report_json_parts.h"
#include "analyze/timeline.h"
#include "formats/xalloc.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A goal from here on is the runtime's way to say that there is none (GOGC=off). */
#define NO_GOAL ((uint64_t)1 << 60)

void report_json_known(struct json_report *report, const char *key, uint64_t value)
{
	if (value)
		json_u64(&report->json, key, value);
	else
		json_null(&report->json, key);
}

void report_json_goal(struct json_report *report, const char *key, uint64_t goal)
{
	report_json_known(report, key, goal < NO_GOAL ? goal : 0);
}

void report_json_index(struct json_report *report, const char *key, size_t index, size_t n)
{
	if (index < n)
		json_u64(&report->json, key, index);
	else
		json_null(&report->json, key);
}

void report_json_frame(struct json_report *report, const struct symtab_frame *frame)
{
	json_string(&report->json, "function", frame->function);
	json_string(&report->json, "file", frame->file[0] ? frame->file : NULL);
	report_json_known(report, "line", frame->line);
}

/* ---- The trace and its processes -------------------------------------------------------- */

static void put_wall_time(struct json *json, uint64_t wall)
{
	time_t seconds = (time_t)(wall / 1000000000);
	char text[40], *value = NULL;
	struct tm tm;

	if (wall && gmtime_r(&seconds, &tm) && strftime(text, 32, "%Y-%m-%dT%H:%M:%S", &tm))
		value = xasprintf("%s.%09uZ", text, (unsigned)(wall % 1000000000));
	json_string(json, "wall_start", value);
	free(value);
}

static void put_trace(struct json_report *report)
{
	const struct model *model = report->model;
	struct json *json = &report->json;
	uint64_t wall = model_wall_time(model, model->first_time), span = 0;

	if (!model->trace_path) {
		json_null(json, "trace");
		return;
	}
	if (model->last_time > model->first_time)
		span = model->last_time - model->first_time;
	json_object(json, "trace");
	json_string(json, "path", model->trace_path);
	json_string(json, "host", model->hostname);
	json_string(json, "kernel", model->osrelease);
	json_string(json, "arch", model->arch);
	json_string(json, "command", model->cmdline);
	json_u64(json, "first_time_ns", model->first_time);
	json_u64(json, "last_time_ns", model->last_time);
	json_number(json, "duration_s", (double)span / 1e9);
	report_json_known(report, "wall_start_ns", wall);
	put_wall_time(json, wall);
	report_json_known(report, "from_ns", model->from);
	report_json_known(report, "to_ns", model->to);
	json_bool(json, "truncated", model->truncated);
	json_string(json, "damage", model->damage);
	json_end(json);
}

static void put_epochs(struct json_report *report, const struct process *process)
{
	struct json *json = &report->json;

	json_array(json, "epochs");
	for (size_t i = 0; i < process->n_epochs; i++) {
		const struct epoch *epoch = &process->epochs[i];

		json_object(json, NULL);
		json_u64(json, "first_cycle", epoch->first_cycle);
		json_u64(json, "last_cycle", epoch->last_cycle);
		report_json_known(report, "end_ns", epoch->end_time);
		report_json_known(report, "heap_live_bytes", epoch->heap_live);
		report_json_goal(report, "goal_bytes", epoch->heap_goal);
		json_end(json);
	}
	json_end(json);
}

/* Sums over the sites and cycles of one process. */
struct process_sums {
	uint64_t births, deaths, unmatched_deaths, sites, cycles;
	struct native_sums {
		uint64_t births, deaths, sites, live, live_bytes;
		double live_est_bytes;
	} native; /* of C allocations */
};

static void add_native(struct native_sums *sum, const struct site *site)
{
	sum->births += site->births;
	sum->deaths += site->deaths;
	sum->sites++;
	sum->live += site->live;
	sum->live_bytes += site->live_sampled_bytes;
	sum->live_est_bytes += site->est_live_bytes;
}

static struct process_sums *sum_processes(const struct model *model)
{
	struct process_sums *sums = xcalloc(model->n_processes + 1, sizeof(*sums));

	for (size_t i = 0; i < model->n_sites; i++) {
		const struct site *site = &model->sites[i];
		struct process_sums *sum;

		if (site->process >= model->n_processes)
			continue;
		sum = &sums[site->process];
		if (site->kind == SITE_NATIVE)
			add_native(&sum->native, site);
		if (site->kind != SITE_HEAP)
			continue;
		sum->births += site->births;
		sum->deaths += site->deaths + site->unmatched_deaths;
		sum->unmatched_deaths += site->unmatched_deaths;
		sum->sites += site->births || site->unmatched_deaths;
	}
	for (size_t i = 0; i < model->n_cycles; i++)
		if (model->cycles[i].process < model->n_processes)
			sums[model->cycles[i].process].cycles++;
	return sums;
}

/* Left out where no C allocations were recorded. */
static void put_native(struct json_report *report, const struct process *process,
		       const struct process_sums *sums)
{
	const struct native_sums *native = &sums->native;
	uint64_t unseen = process->ended_unseen[SITE_NATIVE];
	struct json *json = &report->json;

	if (!native->sites && !unseen)
		return;
	json_object(json, "native");
	json_u64(json, "births", native->births);
	json_u64(json, "deaths", native->deaths);
	json_u64(json, "unmatched_deaths", unseen);
	json_u64(json, "sites", native->sites);
	json_u64(json, "live", native->live);
	json_u64(json, "live_sampled_bytes", native->live_bytes);
	json_number(json, "live_est_bytes", native->live_est_bytes);
	json_end(json);
}

static void put_process(struct json_report *report, const struct process *process,
			const struct process_sums *sums)
{
	struct json *json = &report->json;
	char *comm = xstrndup(process->comm, sizeof(process->comm));

	json_object(json, NULL);
	json_u64(json, "pid", process->pid);
	json_string(json, "exe", process->exe);
	json_string(json, "comm", comm);
	json_string(json, "go_version",
		    process->go_version && process->go_version[0] ? process->go_version : NULL);
	json_string(json, "build_id", process->build_id);
	json_bool(json, "attached", process->attached);
	report_json_known(report, "start_ns", process->start);
	report_json_known(report, "end_ns", process->end);
	report_json_known(report, "runtime_init_ns", process->runtime_init);
	json_u64(json, "mem_profile_rate", process->mem_profile_rate);
	json_bool(json, "by_spans", process->by_spans);
	json_u64(json, "births", sums->births);
	json_u64(json, "deaths", sums->deaths);
	json_u64(json, "unmatched_deaths", sums->unmatched_deaths);
	json_u64(json, "sites", sums->sites);
	json_u64(json, "gc_cycles", sums->cycles);
	if (process->near_known)
		json_u64(json, "near_goal_total_ns", process->near_time);
	else
		json_null(json, "near_goal_total_ns");
	json_u64(json, "near_goal_times", process->near_times);
	put_native(report, process, sums);
	put_epochs(report, process);
	json_array(json, "slices");
	for (size_t i = 0; i < process->n_slices; i++) {
		json_object(json, NULL);
		report_json_known(report, "end_ns", process->slices[i].end_time);
		json_end(json);
	}
	json_end(json);
	json_end(json);
	free(comm);
}

static void put_processes(struct json_report *report)
{
	struct process_sums *sums = sum_processes(report->model);

	json_array(&report->json, "processes");
	for (size_t i = 0; i < report->model->n_processes; i++)
		put_process(report, &report->model->processes[i], &sums[i]);
	json_end(&report->json);
	free(sums);
}

/* ---- What they did over time ------------------------------------------------------------ */

static void put_row(struct json_report *report, size_t process, const struct timeline_row *row)
{
	struct json *json = &report->json;

	json_object(json, NULL);
	json_u64(json, "process", process);
	json_u64(json, "from_ns", row->from);
	json_u64(json, "to_ns", row->to);
	json_u64(json, "gcs", row->gcs);
	json_u64(json, "forced", row->forced);
	report_json_known(report, "first_gc", row->first_gc);
	report_json_known(report, "last_gc", row->last_gc);
	json_bool(json, "from_log", row->from_log);
	report_json_known(report, "heap_start_bytes", row->heap_start);
	report_json_known(report, "heap_peak_bytes", row->heap_peak);
	report_json_known(report, "heap_live_bytes", row->heap_live);
	report_json_goal(report, "goal_bytes", row->goal);
	if (row->sampled)
		json_number(json, "live_est_bytes", row->live);
	else
		json_null(json, "live_est_bytes");
	json_number(json, "born_est_bytes", row->born);
	json_number(json, "freed_est_bytes", row->freed);
	if (row->mapping)
		json_i64(json, "mapped_bytes", row->mapped);
	else
		json_null(json, "mapped_bytes");
	if (row->native_known)
		json_number(json, "native_est_bytes", row->native);
	report_json_known(report, "rss_bytes", row->rss);
	report_json_index(report, "first_dump", row->dumps ? row->first_dump : SIZE_MAX,
			  report->model->n_dumps);
	json_u64(json, "dumps", row->dumps);
	json_end(json);
}

static void put_timeline(struct json_report *report)
{
	json_array(&report->json, "timeline");
	for (uint32_t p = 0; p < report->model->n_processes; p++) {
		struct timeline timeline;

		timeline_init(&timeline, report->model, p, 0);
		for (size_t i = 0; i < timeline.n; i++)
			put_row(report, p, &timeline.rows[i]);
		timeline_free(&timeline);
	}
	json_end(&report->json);
}

/* A time that may be nothing, or not be known. */
static void put_time(struct json *json, const char *key, bool known, uint64_t value)
{
	if (known)
		json_u64(json, key, value);
	else
		json_null(json, key);
}

static void put_cycles(struct json_report *report)
{
	const struct model *model = report->model;
	struct json *json = &report->json;

	json_array(json, "cycles");
	for (size_t i = 0; i < model->n_cycles; i++) {
		const struct gc_cycle *cycle = &model->cycles[i];

		json_object(json, NULL);
		report_json_index(report, "process", cycle->process, model->n_processes);
		report_json_known(report, "gc", cycle->number);
		report_json_known(report, "profile_cycle", cycle->prof_cycle);
		report_json_known(report, "start_ns", cycle->start);
		report_json_known(report, "mark_ns", cycle->mark);
		report_json_known(report, "mark_term_ns", cycle->mark_term);
		report_json_known(report, "end_ns", cycle->end);
		report_json_known(report, "heap_start_bytes", cycle->heap0);
		report_json_known(report, "heap_peak_bytes", cycle->heap1);
		report_json_known(report, "heap_live_bytes", cycle->heap2);
		report_json_goal(report, "goal_bytes", cycle->goal);
		json_bool(json, "forced", cycle->forced);
		report_json_known(report, "procs", cycle->procs);
		report_json_known(report, "stacks_bytes", cycle->stacks);
		report_json_known(report, "pause_ns", cycle->pause);
		report_json_known(report, "pause_total_ns", cycle->pause_total);
		put_time(json, "assist_ns", cycle->has_cpu, cycle->assist);
		put_time(json, "background_ns", cycle->has_cpu, cycle->background);
		put_time(json, "idle_ns", cycle->has_cpu, cycle->idle);
		json_end(json);
	}
	json_end(json);
}

static void put_rss(struct json_report *report)
{
	const struct model *model = report->model;
	struct json *json = &report->json;

	json_array(json, "rss");
	for (size_t i = 0; i < model->n_rss; i++) {
		const struct rss_point *point = &model->rss[i];

		json_object(json, NULL);
		report_json_index(report, "process", point->process, model->n_processes);
		json_u64(json, "time_ns", point->time);
		json_u64(json, "rss_bytes", point->rss);
		json_u64(json, "anon_bytes", point->anon);
		json_u64(json, "file_bytes", point->file);
		json_u64(json, "shmem_bytes", point->shmem);
		json_u64(json, "swap_bytes", point->swap);
		report_json_owners(report, point);
		json_end(json);
	}
	json_end(json);
}

static void put_mappings(struct json_report *report)
{
	const struct model *model = report->model;
	struct json *json = &report->json;

	json_array(json, "mappings");
	for (size_t p = 0; p < model->n_processes; p++) {
		const struct process *process = &model->processes[p];

		json_object(json, NULL);
		json_u64(json, "process", p);
		json_u64(json, "mmap_calls", process->mmap_calls);
		json_u64(json, "munmap_calls", process->munmap_calls);
		json_u64(json, "brk_calls", process->brk_calls);
		json_u64(json, "madvise_calls", process->madvise_calls);
		json_u64(json, "released_bytes", process->released);
		json_i64(json, "net_bytes", process->mapped_net);
		json_array(json, "changes");
		for (size_t i = 0; i < model->n_maps; i++) {
			if (model->maps[i].process != p)
				continue;
			json_object(json, NULL);
			json_u64(json, "time_ns", model->maps[i].time);
			json_i64(json, "delta_bytes", model->maps[i].delta);
			json_end(json);
		}
		json_end(json);
		json_end(json);
	}
	json_end(json);
}

struct error *report_json(FILE *out, const struct findings *findings)
{
	struct json_report report = {
		.json = json_make(out),
		.findings = findings,
		.model = &findings->model,
		.health = &findings->health,
	};

	json_object(&report.json, NULL);
	json_u64(&report.json, "schema_version", REPORT_JSON_VERSION);
	put_trace(&report);
	put_processes(&report);
	put_timeline(&report);
	report_json_candidates(&report);
	report_json_gates(&report);
	put_cycles(&report);
	report_json_gc(&report);
	report_json_memory(&report);
	put_rss(&report);
	put_mappings(&report);
	report_json_executions(&report);
	report_json_faults(&report);
	report_json_goroutines(&report);
	report_json_goroutine_dumps(&report);
	report_json_witnesses(&report);
	json_end(&report.json);
	if (fflush(out) || ferror(out))
		return error_errno(errno, "cannot write the report");
	return NULL;
}
