#include "formats/perfdata.h"

#include "formats/xalloc.h"
#include "tests/unit/random.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/*
 * Against perf itself: what it records is read here as it reads it, in all its forms, and what is
 * written here it reads without a word. Needs perf, and the right to record.
 */

static char folder[] = "/tmp/test_perfdata_perf.XXXXXX";

static void check(struct error *err)
{
	if (err)
		print_error("%s\n", error_message(err));
	assert_null(err);
}

/* Runs a shell command in the folder and returns what it prints, errors included; NULL: it failed.
 */
static __attribute__((format(printf, 1, 2))) char *run(const char *fmt, ...)
{
	struct buffer out = {0};
	char *inner, *command;
	va_list ap;
	FILE *pipe;
	size_t n;

	va_start(ap, fmt);
	assert_true(vasprintf(&inner, fmt, ap) >= 0);
	va_end(ap);
	command = xasprintf("cd %s && { %s; } 2>&1", folder, inner);
	pipe = popen(command, "r");
	assert_non_null(pipe);
	do {
		n = fread(buffer_extend(&out, 1 << 16), 1, 1 << 16, pipe);
		out.len -= (1 << 16) - n;
	} while (n);
	buffer_u8(&out, 0);
	free(command);
	free(inner);
	if (pclose(pipe) == 0)
		return (char *)out.data;
	print_message("%s\n", out.data);
	buffer_free(&out);
	return NULL;
}

static bool have_perf(void)
{
	char *version = run("command -v perf");

	if (!version)
		print_message("skipped: perf is not installed\n");
	else if (geteuid() != 0)
		print_message("skipped: only root may record system calls\n");
	free(version);
	return version && geteuid() == 0;
}

static char *in_folder(const char *name)
{
	return xasprintf("%s/%s", folder, name);
}

/* ---- What perf script prints, and the same from the reader ------------------------------ */

struct call {
	uint64_t time, fd, buf, count;
	uint32_t pid, tid, cpu;
	size_t place; /* in the file */
};

struct calls {
	struct call *items;
	size_t n, cap;
	size_t chain; /* addresses in all call chains */
};

static struct call *add_call(struct calls *calls)
{
	xgrow(calls->items, calls->cap, calls->n + 1);
	calls->items[calls->n] = (struct call){.place = calls->n};
	return &calls->items[calls->n++];
}

static int by_time(const void *a, const void *b)
{
	const struct call *x = a, *y = b;

	if (x->time != y->time)
		return x->time < y->time ? -1 : 1;
	return x->place < y->place ? -1 : 1;
}

static struct calls calls_of_perf(const char *name)
{
	char *text =
		run("perf script --ns -F pid,tid,cpu,time,event,trace -i %s 2>/dev/null", name);
	struct calls calls = {0};
	char *rest = text, *line;

	assert_non_null(text);
	while ((line = strsep(&rest, "\n"))) {
		unsigned long sec, ns, fd, buf, count;
		unsigned pid, tid, cpu;
		struct call *call;

		/* Of the pipe form perf prints call chains without being asked. */
		if (!*line || *line == '\t')
			continue;
		assert_int_equal(sscanf(line,
					"%u/%u [%u] %lu.%lu: syscalls:sys_enter_write: fd: %lx, "
					"buf: %lx, count: %lx",
					&pid, &tid, &cpu, &sec, &ns, &fd, &buf, &count),
				 8);
		call = add_call(&calls);
		call->time = sec * 1000000000 + ns;
		call->pid = pid;
		call->tid = tid;
		call->cpu = cpu;
		call->fd = fd;
		call->buf = buf;
		call->count = count;
	}
	free(text);
	text = run("perf script -D -i %s 2>/dev/null | grep -o 'chain: nr:[0-9]*' || true", name);
	assert_non_null(text);
	for (rest = text; (line = strsep(&rest, "\n"));)
		if (*line)
			calls.chain += strtoul(strrchr(line, ':') + 1, NULL, 10);
	free(text);
	return calls;
}

static struct calls calls_of_reader(const char *name)
{
	struct perfdata_reader *reader;
	struct perfdata_record record;
	struct calls calls = {0};
	char *path = in_folder(name);

	check(perfdata_open(path, &reader));
	for (;;) {
		struct perfdata_sample s;
		struct call *call;

		perfdata_next(reader, &record);
		if (!record.header)
			break;
		if (record.header->type != PERF_RECORD_SAMPLE)
			continue;
		assert_true(perfdata_sample(reader, record.header, &s));
		assert_non_null(s.event);
		assert_string_equal(s.event->name, "syscalls:sys_enter_write");
		/* The fields as the event's format file has them, padded to whole words. */
		assert_int_equal(s.raw_len, 44);
		call = add_call(&calls);
		call->time = s.time;
		call->pid = s.pid;
		call->tid = s.tid;
		call->cpu = s.cpu;
		memcpy(&call->fd, s.raw + 16, 8);
		memcpy(&call->buf, s.raw + 24, 8);
		memcpy(&call->count, s.raw + 32, 8);
		calls.chain += s.n_callchain;
	}
	if (perfdata_damage(reader))
		print_error("%s\n", perfdata_damage(reader));
	assert_null(perfdata_damage(reader));
	perfdata_close(reader);
	free(path);
	if (calls.n)
		qsort(calls.items, calls.n, sizeof(*calls.items), by_time);
	return calls;
}

static void check_agreement(const char *name)
{
	struct calls theirs = calls_of_perf(name), ours = calls_of_reader(name);

	assert_true(theirs.n >= 3000);
	assert_int_equal(ours.n, theirs.n);
	assert_int_equal(ours.chain, theirs.chain);
	for (size_t i = 0; i < ours.n; i++) {
		assert_int_equal(ours.items[i].time, theirs.items[i].time);
		assert_int_equal(ours.items[i].pid, theirs.items[i].pid);
		assert_int_equal(ours.items[i].tid, theirs.items[i].tid);
		assert_int_equal(ours.items[i].cpu, theirs.items[i].cpu);
		assert_int_equal(ours.items[i].fd, theirs.items[i].fd);
		assert_int_equal(ours.items[i].buf, theirs.items[i].buf);
		assert_int_equal(ours.items[i].count, theirs.items[i].count);
	}
	free(ours.items);
	free(theirs.items);
}

/* ---- Rewriting a recording through the writer ------------------------------------------- */

static void rewrite(const char *from, const char *to, int level, bool pipe)
{
	char *from_path = in_folder(from), *to_path = in_folder(to);
	struct perfdata_writer_options options = {
		.compression_level = level, .version = "1.0", .pipe = pipe};
	char *cmdline[] = {(char *)"record", (char *)"-p", (char *)"1", NULL};
	const struct perfdata_info *info;
	struct perfdata_reader *reader;
	struct perfdata_writer *writer;
	struct perfdata_record record;
	struct random rng = {5};

	check(perfdata_open(from_path, &reader));
	info = perfdata_info(reader);
	options.fd = open(to_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	options.events = info->events;
	options.n_events = info->n_events;
	options.cmdline = cmdline;
	options.tracing_data = info->tracing_data;
	options.tracing_data_len = info->tracing_data_len;
	assert_true(options.fd >= 0);
	check(perfdata_writer_new(&options, &writer));
	for (;;) {
		const uint8_t *bytes;
		size_t half;

		perfdata_next(reader, &record);
		if (!record.header)
			break;
		if (record.header->type == PERFDATA_FINISHED_ROUND) {
			check(perfdata_write_round(writer));
			continue;
		}
		bytes = (const uint8_t *)record.header;
		half = random_u64(&rng) % record.header->size;
		check(perfdata_write_part(writer, bytes, half));
		if (random_u64(&rng) % 1000 == 0)
			check(perfdata_writer_flush(writer));
		check(perfdata_write_part(writer, bytes + half, record.header->size - half));
	}
	perfdata_writer_times(writer, info->first_time, info->last_time);
	perfdata_writer_feature(writer, PERFDATA_FEAT_SYMTAB, "nothing perf knows", 18);
	check(perfdata_writer_finish(writer));
	perfdata_close(reader);
	close(options.fd);
	free(from_path);
	free(to_path);
}

/* perf prints the same of both; of the pipe form it leaves out where in a function an address is.
 */
static void check_same_script(const char *from, const char *to, bool pipe)
{
	const char *filter = pipe ? "sed 's/+0x[0-9a-f]* (.*//'" : "cat";
	char *first = run("perf script --ns -i %s 2>/dev/null | %s", from, filter);
	char *second = run("perf script --ns -i %s 2>/dev/null | %s", to, filter);

	assert_non_null(first);
	assert_non_null(second);
	assert_true(strlen(first) > 100000);
	assert_string_equal(first, second);
	free(first);
	free(second);
}

/* What perf says of the header, and that it has nothing to complain about. */
static void check_header(const char *name)
{
	char *header = run("perf report --header-only -i %s", name);
	char *verbose = run("perf report -v --header-only -i %s 2>&1 >/dev/null", name);

	assert_non_null(header);
	assert_non_null(strstr(header, "# cmdline : record -p 1"));
	assert_non_null(strstr(header, "# perf version : 1.0"));
	assert_non_null(strstr(header, "# clockid: monotonic (1)"));
	assert_non_null(strstr(header, "name = syscalls:sys_enter_write"));
	for (char *rest = header, *line; (line = strsep(&rest, "\n"));)
		if (*line && *line != '#') {
			print_error("%s\n", line);
			fail();
		}
	assert_non_null(verbose);
	if (*verbose)
		print_error("%s\n", verbose);
	assert_string_equal(verbose, "");
	free(header);
	free(verbose);
}

/* ---- Tests -------------------------------------------------------------------------------- */

static void check_form(const char *options, const char *name, const char *redirection)
{
	char *out, *rewritten;

	if (!have_perf())
		skip();
	out = run("perf record -q -m 4096 -k mono -e syscalls:sys_enter_write %s -o %s -- "
		  "dd if=/dev/zero of=/dev/null bs=1 count=4000 status=none %s",
		  options, *redirection ? "-" : name, redirection);
	assert_non_null(out);
	free(out);
	check_agreement(name);
	for (int level = 0; level < 4; level += 3) {
		rewritten = xasprintf("%s.%d", name, level);
		rewrite(name, rewritten, level, false);
		check_agreement(rewritten);
		check_same_script(name, rewritten, false);
		check_header(rewritten);
		free(rewritten);
		rewritten = xasprintf("%s.pipe.%d", name, level);
		rewrite(name, rewritten, level, true);
		check_agreement(rewritten);
		check_same_script(name, rewritten, true);
		free(rewritten);
	}
}

static void test_plain(void **state)
{
	(void)state;
	check_form("", "plain", "");
}

static void test_compressed(void **state)
{
	(void)state;
	check_form("-z", "compressed", "");
}

static void test_call_chains(void **state)
{
	(void)state;
	check_form("-z -g", "chains", "");
}

static void test_pipe(void **state)
{
	(void)state;
	check_form("", "pipe", "> pipe");
}

static void test_compressed_pipe(void **state)
{
	(void)state;
	check_form("-z", "pipe-z", "> pipe-z");
}

/* Each event has its samples, also where their layouts differ. */
static void test_several_events(void **state)
{
	struct perfdata_reader *reader;
	struct perfdata_record record;
	size_t n[3] = {0};
	char *out, *path;

	(void)state;
	if (!have_perf())
		skip();
	out = run("perf record -q -m 4096 -k mono -o several -e "
		  "syscalls:sys_enter_write/call-graph=fp/ "
		  "-e syscalls:sys_enter_read -e dummy -- dd if=/dev/zero of=/dev/null bs=1 "
		  "count=4000 status=none");
	assert_non_null(out);
	free(out);
	path = in_folder("several");
	check(perfdata_open(path, &reader));
	assert_int_equal(perfdata_info(reader)->n_events, 3);
	for (;;) {
		struct perfdata_sample s;
		size_t event;

		perfdata_next(reader, &record);
		if (!record.header)
			break;
		if (record.header->type != PERF_RECORD_SAMPLE)
			continue;
		assert_true(perfdata_sample(reader, record.header, &s));
		assert_non_null(s.event);
		event = (size_t)(s.event - perfdata_info(reader)->events);
		assert_int_equal(s.callchain != NULL, event == 0);
		n[event]++;
	}
	perfdata_close(reader);
	free(path);
	out = run("perf script -F event -i several 2>/dev/null | sort | uniq -c");
	assert_non_null(out);
	for (char *rest = out, *line; (line = strsep(&rest, "\n"));) {
		unsigned long count;
		char name[64];

		if (sscanf(line, "%lu %63[a-z_:]", &count, name) == 2) {
			/* Lines of call chains come out empty and are counted apart. */
			if (strstr(name, "write"))
				assert_int_equal(n[0], count);
			else if (strstr(name, "read"))
				assert_int_equal(n[1], count);
		}
	}
	if (n[0] <= 3000 || n[1] <= 3000)
		print_error("%zu writes, %zu reads\n", n[0], n[1]);
	assert_true(n[0] > 3000 && n[1] > 3000);
	free(out);
}

static int setup(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	free(run("rm -rf %s", folder));
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),		cmocka_unit_test(test_compressed),
		cmocka_unit_test(test_call_chains),	cmocka_unit_test(test_pipe),
		cmocka_unit_test(test_compressed_pipe), cmocka_unit_test(test_several_events),
	};

	return cmocka_run_group_tests_name("perfdata_perf", tests, setup, teardown);
}
