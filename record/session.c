#include "record/session.h"

#include "common/map.h"
#include "formats/note.h"
#include "formats/xalloc.h"
#include "record/session_attr.h"

#include <errno.h>
#include <internal/evsel.h>
#include <internal/mmap.h>
#include <perf/cpumap.h>
#include <perf/evlist.h>
#include <perf/evsel.h>
#include <perf/mmap.h>
#include <perf/threadmap.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define MAX_EXECS 256u /* that wait to be taken */
/* Ring size: 8 MiB per CPU, 128 MiB in all, and never below 256 KiB per CPU. */
#define RING_BYTES	 (8ul << 20)
#define RINGS_BYTES	 (128ul << 20)
#define RING_BYTES_LEAST (256ul << 10)

struct session {
	struct perf_evlist *evlist;
	struct perf_cpu_map *cpus;
	struct perf_thread_map *threads, *any_thread;
	struct perf_evsel **evsels;
	struct perfdata_event *events;
	size_t n_events;
	size_t note, tracking; /* indexes into events */
	int *wake_fds;	       /* one of each ring */
	size_t n_wake_fds;
	struct session_counts counts;
	uint32_t execs[MAX_EXECS]; /* processes that executed a program */
	size_t n_execs;
	/* Who looks at samples: at those of which events, by their ids. */
	session_look *look;
	void *look_context;
	struct map looked_at;
	uint8_t *whole; /* a record that goes round the end of a ring */
};

/* libperf reports through this hook; the values it returns say all we need. */
static int libperf_silent(enum libperf_print_level level, const char *fmt, va_list ap)
{
	(void)level;
	(void)fmt;
	(void)ap;
	return 0;
}

static size_t ring_bytes(const struct session_options *options, int n_cpus)
{
	size_t bytes = RING_BYTES;

	if (options->ring_pages)
		return options->ring_pages * (size_t)sysconf(_SC_PAGESIZE);
	while (bytes > RING_BYTES_LEAST && bytes * (size_t)n_cpus > RINGS_BYTES)
		bytes /= 2;
	return bytes;
}

/* Every thread takes one descriptor per event and CPU. */
static void raise_descriptor_limit(size_t need)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= need + 256)
		return;
	limit.rlim_cur = need + 256;
	if (limit.rlim_max < limit.rlim_cur)
		limit.rlim_max = limit.rlim_cur;
	setrlimit(RLIMIT_NOFILE, &limit);
}

static struct error *open_error(int errnum, const char *name)
{
	struct error *err = error_errno(errnum, "perf_event_open of %s", name);

	switch (errnum) {
	case EACCES:
	case EPERM:
		return error_remedy(err,
				    "run record as root or with CAP_PERFMON; or lower "
				    "kernel.perf_event_paranoid; a container needs the capability "
				    "and a seccomp profile that lets perf_event_open through");
	case EMFILE:
		return error_remedy(err, "too many threads for the limit of open files: raise "
					 "`ulimit -n`");
	case ENOSYS:
		return error_remedy(err, "this kernel has no perf events (CONFIG_PERF_EVENTS)");
	case ENOENT:
	case ENODEV:
	case EOPNOTSUPP:
		return error_remedy(err, "this machine cannot count that: virtual machines often "
					 "have no hardware counters; cpu-clock needs none");
	default:
		return err;
	}
}

static struct error *add_event(struct session *s, size_t slot, struct perf_event_attr attr,
			       char *name)
{
	struct perf_evsel *evsel = perf_evsel__new(&attr);

	s->events[slot] = (struct perfdata_event){.attr = attr, .name = name};
	if (!evsel)
		return error_new("out of memory");
	s->evsels[slot] = evsel;
	perf_evlist__add(s->evlist, evsel);
	return NULL;
}

/*
 * The note event comes first in libperf's list and is bound to CPUs, not to threads: so it owns the
 * rings, whose wake-ups then do not end with a thread. In the file it stands behind the events that
 * sample, since some importers insist on a sampling event in the first place.
 */
static struct error *add_events(struct session *s, const struct session_options *options,
				uint32_t watermark)
{
	s->n_events = options->n_events + 2;
	s->note = options->n_events;
	s->tracking = options->n_events + 1;
	s->evsels = xcalloc(s->n_events, sizeof(struct perf_evsel *));
	s->events = xcalloc(s->n_events, sizeof(*s->events));
	TRY(add_event(s, s->note, session_note_attr(options), xstrdup(NOTE_EVENT_NAME)));
	s->evsels[s->note]->system_wide = true;
	for (size_t i = 0; i < options->n_events; i++) {
		const struct trace_event *event = &options->events[i];

		TRY(add_event(s, i, session_trace_attr(options, event, watermark),
			      probes_event_name(event)));
		s->evsels[i]->system_wide = event->path != NULL;
	}
	return add_event(s, s->tracking, session_tracking_attr(options), xstrdup("dummy:u"));
}

/* Old kernels do not know every bit that we ask for; none of these is essential. */
static bool relax_attr(struct perf_event_attr *attr)
{
	if (attr->mmap2) {
		attr->mmap2 = 0;
		return true;
	}
	if (attr->comm_exec) {
		attr->comm_exec = 0;
		return true;
	}
	return false;
}

static struct error *open_events(struct session *s, const struct session_options *options,
				 bool *gone)
{
	for (size_t i = 0; i < s->n_events; i++) {
		struct perf_thread_map *threads =
			s->evsels[i]->system_wide ? s->any_thread : s->threads;
		int err = perf_evsel__open(s->evsels[i], s->cpus, threads);

		while (err == -EINVAL && relax_attr(&s->evsels[i]->attr)) {
			s->events[i].attr = s->evsels[i]->attr;
			err = perf_evsel__open(s->evsels[i], s->cpus, threads);
		}
		if (err == -ESRCH)
			*gone = true;
		if (err)
			return open_error(-err, s->events[i].name);
		/* A pointer of ours says nothing to anybody else. */
		if (i < options->n_events && options->events[i].path)
			s->events[i].attr.config1 = 0;
		if (i < options->n_events && options->events[i].filter) {
			err = perf_evsel__apply_filter(s->evsels[i], options->events[i].filter);
			if (err)
				return error_remedy(error_errno(errno, "event filter \"%s\" of %s",
								options->events[i].filter,
								s->events[i].name),
						    "its fields are in the file `format` of the "
						    "event's folder in tracefs");
		}
	}
	return NULL;
}

static struct error *map_rings(struct session *s, size_t bytes)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), cap = 0;
	struct perf_mmap *map;

	/* libperf gives each ring one page more, for its header. */
	while (perf_evlist__mmap(s->evlist, (int)(bytes / page)) != 0) {
		int errnum = errno;

		if (errnum != EPERM || bytes <= RING_BYTES_LEAST)
			return error_remedy(error_errno(errnum, "cannot map the event buffers"),
					    "run record as root, or raise "
					    "kernel.perf_event_mlock_kb, or take fewer pages: -m");
		bytes /= 2;
	}
	perf_evlist__for_each_mmap (s->evlist, map, false) {
		xgrow(s->wake_fds, cap, s->n_wake_fds + 1);
		s->wake_fds[s->n_wake_fds++] = map->fd;
	}
	for (size_t i = 0; i < s->n_events; i++) {
		struct perf_evsel *evsel = s->evsels[i];

		s->events[i].ids = xcalloc(evsel->ids ? evsel->ids : 1, sizeof(uint64_t));
		s->events[i].n_ids = evsel->ids;
		memcpy(s->events[i].ids, evsel->id, evsel->ids * sizeof(uint64_t));
	}
	return NULL;
}

static struct error *session_try(struct session *s, const struct session_options *options,
				 bool *gone)
{
	size_t bytes;

	libperf_init(libperf_silent);
	s->cpus = perf_cpu_map__new(NULL);
	s->threads = perf_thread_map__new_array((int)options->n_threads, (pid_t *)options->threads);
	s->any_thread = perf_thread_map__new_dummy();
	s->evlist = perf_evlist__new();
	if (!s->cpus || !s->any_thread || !s->threads || !s->evlist)
		return error_new("out of memory");
	raise_descriptor_limit((options->n_events + 2) * options->n_threads *
			       (size_t)perf_cpu_map__nr(s->cpus));
	bytes = ring_bytes(options, perf_cpu_map__nr(s->cpus));
	TRY(add_events(s, options, (uint32_t)(bytes / 4)));
	perf_evlist__set_maps(s->evlist, s->cpus, s->threads);
	TRY(open_events(s, options, gone));
	return map_rings(s, bytes);
}

struct error *session_open(const struct session_options *options, struct session **session,
			   bool *gone)
{
	struct session *s = xcalloc(1, sizeof(*s));
	struct error *err = session_try(s, options, gone);

	if (err) {
		session_close(s);
		return err;
	}
	*session = s;
	return NULL;
}

void session_enable(struct session *session)
{
	perf_evlist__enable(session->evlist);
}

void session_disable(struct session *session)
{
	perf_evlist__disable(session->evlist);
}

const struct perfdata_event *session_events(const struct session *session, size_t *n)
{
	*n = session->n_events;
	return session->events;
}

void session_wait(struct session *session, const int *fds, size_t n_fds, uint64_t timeout_ns)
{
	struct pollfd all[session->n_wake_fds + n_fds];
	struct timespec timeout = {.tv_sec = (time_t)(timeout_ns / 1000000000),
				   .tv_nsec = (long)(timeout_ns % 1000000000)};
	size_t n = 0;

	for (size_t i = 0; i < session->n_wake_fds; i++)
		all[n++] = (struct pollfd){.fd = session->wake_fds[i], .events = POLLIN};
	for (size_t i = 0; i < n_fds; i++)
		all[n++] = (struct pollfd){.fd = fds[i], .events = POLLIN};
	ppoll(all, n, &timeout, NULL);
}

/* When a record was made; 0 where it does not tell. Words never wrap, being 8-aligned. */
static uint64_t record_time(const uint8_t *data, uint64_t mask, uint64_t from,
			    const struct perf_event_header *header)
{
	/* A sample: IDENTIFIER, IP, TID, TIME; else the trailer is pid and tid, time, cpu, id. */
	uint64_t offset = header->type == PERF_RECORD_SAMPLE ? 32 : header->size - 24u, time;

	if (header->size < 40)
		return 0;
	memcpy(&time, data + ((from + offset) & mask), sizeof(time));
	return time;
}

static bool is_exec(const struct perf_event_header *header)
{
	return header->type == PERF_RECORD_COMM && header->misc & PERF_RECORD_MISC_COMM_EXEC;
}

/* A COMM record of an exec; the first word behind the header is the process. */
static void note_exec(struct session *s, const uint8_t *data, uint64_t mask, uint64_t from,
		      const struct perf_event_header *header)
{
	if (is_exec(header) && s->n_execs < MAX_EXECS)
		memcpy(&s->execs[s->n_execs++], data + ((from + sizeof(*header)) & mask),
		       sizeof(*s->execs));
}

/* Shows a record to who looks at its event. */
static void show_record(struct session *s, const uint8_t *data, uint64_t mask, uint64_t from,
			const struct perf_event_header *header)
{
	const uint8_t *record = data + (from & mask);
	size_t event = SESSION_EXEC, first;
	uint64_t id, *found;

	if (header->type == PERF_RECORD_SAMPLE && header->size >= sizeof(*header) + sizeof(id)) {
		memcpy(&id, data + ((from + sizeof(*header)) & mask), sizeof(id));
		found = map_find(&s->looked_at, id);
		if (!found)
			return;
		event = (size_t)*found;
	} else if (!is_exec(header)) {
		return;
	}
	if ((from & mask) + header->size > mask + 1) {
		first = mask + 1 - (from & mask);
		memcpy(s->whole, record, first);
		memcpy(s->whole + first, data, header->size - first);
		record = s->whole;
	}
	s->look(s->look_context, event, record);
}

void session_look_at(struct session *session, const bool *events, session_look *look, void *context)
{
	session->look = look;
	session->look_context = context;
	session->whole = xmalloc(UINT16_MAX + 1u);
	for (size_t i = 0; i < session->note; i++) {
		for (size_t k = 0; events[i] && k < session->events[i].n_ids; k++)
			*map_put(&session->looked_at, session->events[i].ids[k], NULL) = i;
	}
}

static void count_record(struct session_counts *counts, const uint8_t *data, uint64_t mask,
			 uint64_t from, const struct perf_event_header *header)
{
	uint64_t lost;

	counts->records++;
	/* The fields of a small record at the very end of the ring lie at its start. */
	if (header->type == PERF_RECORD_LOST) {
		memcpy(&lost, data + ((from + 16) & mask), sizeof(lost));
		counts->lost += lost;
		counts->lost_records++;
	} else if (header->type == PERF_RECORD_LOST_SAMPLES) {
		memcpy(&lost, data + ((from + 8) & mask), sizeof(lost));
		counts->lost += lost;
		counts->lost_records++;
	} else if (header->type == PERF_RECORD_THROTTLE) {
		counts->throttled++;
	} else if (header->type == PERF_RECORD_SAMPLE) {
		uint64_t time = record_time(data, mask, from, header);

		counts->samples++;
		if (time && (!counts->first_time || time < counts->first_time))
			counts->first_time = time;
		if (time > counts->last_time)
			counts->last_time = time;
	}
}

/*
 * Walks the records of a ring up to the first that is newer than `until`, and returns where that
 * begins. Only headers and times are looked at.
 */
static uint64_t count_records(struct session *s, const uint8_t *data, uint64_t mask, uint64_t from,
			      uint64_t to, uint64_t until)
{
	while (from < to) {
		const struct perf_event_header *header =
			(const struct perf_event_header *)(data + (from & mask));

		if (header->size < sizeof(*header))
			return to;
		if (until != UINT64_MAX && record_time(data, mask, from, header) > until)
			return from;
		count_record(&s->counts, data, mask, from, header);
		note_exec(s, data, mask, from, header);
		if (s->look)
			show_record(s, data, mask, from, header);
		from += header->size;
	}
	return to;
}

size_t session_take_execs(struct session *session, uint32_t *pids, size_t max)
{
	size_t n = session->n_execs < max ? session->n_execs : max;

	memcpy(pids, session->execs, n * sizeof(*pids));
	session->n_execs -= n;
	memmove(session->execs, session->execs + n, session->n_execs * sizeof(*pids));
	return n;
}

struct error *session_drain(struct session *session, uint64_t until, session_sink *sink,
			    void *context)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct perf_mmap *map;

	perf_evlist__for_each_mmap (session->evlist, map, false) {
		const uint8_t *data = (const uint8_t *)map->base + page;
		uint64_t mask = (uint64_t)map->mask, from = map->prev, end, size;

		if (!map->base)
			continue;
		end = count_records(session, data, mask, from, perf_mmap__read_head(map), until);
		size = end - from;
		if (!size)
			continue;
		session->counts.bytes += size;
		if ((from & mask) + size > mask + 1) {
			size_t first = mask + 1 - (from & mask);

			TRY(sink(context, data + (from & mask), first));
			TRY(sink(context, data, size - first));
		} else {
			TRY(sink(context, data + (from & mask), size));
		}
		map->prev = end;
		perf_mmap__consume(map);
	}
	return NULL;
}

void session_restart_times(struct session *session)
{
	session->counts.first_time = session->counts.last_time = 0;
}

const struct session_counts *session_counts(const struct session *session)
{
	return &session->counts;
}

uint64_t session_event_count(const struct session *session, size_t i)
{
	struct perf_evsel *evsel = session->evsels[i];
	uint64_t total = 0;

	for (int cpu = 0; cpu < perf_cpu_map__nr(evsel->cpus); cpu++) {
		for (int thread = 0; thread < perf_thread_map__nr(evsel->threads); thread++) {
			struct perf_counts_values counts;

			if (perf_evsel__read(evsel, cpu, thread, &counts) == 0)
				total += counts.val;
		}
	}
	return total;
}

void session_note(const struct session *session, uint32_t pid, uint64_t time, const void *payload,
		  size_t len, struct buffer *out)
{
	/* The raw size counts padding, so that it ends on 8 bytes with its own 4-byte field. */
	size_t padding = (8 - (len + 4) % 8) % 8;
	struct perf_event_header header = {
		.type = PERF_RECORD_SAMPLE,
		.misc = PERF_RECORD_MISC_USER,
		.size = (uint16_t)(sizeof(header) + 6 * 8 + 4 + len + padding),
	};

	buffer_append(out, &header, sizeof(header));
	buffer_u64(out, session->events[session->note].ids[0]); /* IDENTIFIER */
	buffer_u64(out, 0);					/* IP */
	buffer_u32(out, pid);
	buffer_u32(out, pid);
	buffer_u64(out, time);
	buffer_u64(out, 0); /* CPU */
	buffer_u64(out, 1); /* PERIOD */
	buffer_u32(out, (uint32_t)(len + padding));
	buffer_append(out, payload, len);
	for (size_t i = 0; i < padding; i++)
		buffer_u8(out, 0);
}

void session_sample_id(const struct session *session, uint32_t pid, uint32_t tid, uint64_t time,
		       struct buffer *out)
{
	buffer_u32(out, pid);
	buffer_u32(out, tid);
	buffer_u64(out, time);
	buffer_u64(out, 0); /* CPU */
	buffer_u64(out, session->events[session->tracking].ids[0]);
}

void session_close(struct session *session)
{
	if (!session)
		return;
	if (session->evlist)
		perf_evlist__delete(session->evlist); /* with its evsels, their fds and rings */
	perf_cpu_map__put(session->cpus);
	perf_thread_map__put(session->threads);
	perf_thread_map__put(session->any_thread);
	for (size_t i = 0; i < session->n_events; i++) {
		free(session->events[i].name);
		free(session->events[i].ids);
	}
	free(session->events);
	free(session->evsels);
	free(session->wake_fds);
	free(session->whole);
	map_free(&session->looked_at);
	free(session);
}
