#include "record/stderr_tee.h"

#include "record/watch.h"

#include <poll.h>

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define LINE(n)                                                                            \
	"gc " #n " @0.01" #n "s 13%: 1.9+0.30+0.005 ms clock, 3.9+0/0.24/0+0.011 ms cpu, " \
	"1->1->1 MB, 4 MB goal, 0 MB stacks, 0 MB globals, 2 P"

struct bench {
	struct stderr_tee *tee;
	int out[2], log, command;
};

/* `command` stands for the descriptor that the command would have. */
static void bench_open(struct bench *bench)
{
	char path[] = "/tmp/test_stderr_tee.XXXXXX";

	assert_int_equal(pipe(bench->out), 0);
	bench->log = mkstemp(path);
	unlink(path);
	assert_null(stderr_tee_new(bench->out[1], bench->log, &bench->tee));
	bench->command = dup(stderr_tee_child_fd(bench->tee));
	assert_null(stderr_tee_start(bench->tee));
}

static void bench_close(struct bench *bench)
{
	if (bench->command >= 0)
		close(bench->command);
	stderr_tee_free(bench->tee);
	close(bench->out[0]);
	close(bench->out[1]);
	close(bench->log);
}

static void say(struct bench *bench, const void *bytes, size_t len)
{
	assert_int_equal(write(bench->command, bytes, len), len);
}

static void assert_text(int fd, const char *text, size_t len)
{
	char *got = malloc(len);
	size_t n = 0;

	while (n < len) {
		ssize_t more = read(fd, got + n, len - n);

		assert_true(more > 0);
		n += (size_t)more;
	}
	assert_memory_equal(got, text, len);
	free(got);
}

static void assert_line(const struct tee_line *line, const char *text, uint64_t from)
{
	assert_string_equal(line->text, text);
	assert_in_range(line->time, from, watch_now());
	free(line->text);
}

/* As the runtime writes it, a piece at a time, with another's output torn into it. */
static void test_pieces(void **state)
{
	static const char text[] = "starting\0\xff\n" LINE(1) "\nGC forced\n" LINE(2) "\nend";
	uint64_t from = watch_now();
	struct tee_line *lines;
	struct bench bench;
	size_t n;

	(void)state;
	bench_open(&bench);
	for (size_t i = 0; i < sizeof(text) - 1; i++)
		say(&bench, text + i, 1);
	close(bench.command);
	bench.command = -1;
	assert_true(stderr_tee_ended(bench.tee));
	assert_text(bench.out[0], text, sizeof(text) - 1);
	assert_int_equal(
		poll(&(struct pollfd){.fd = stderr_tee_fd(bench.tee), .events = POLLIN}, 1, 0), 1);
	lines = stderr_tee_take(bench.tee, &n);
	assert_int_equal(n, 3);
	assert_line(&lines[0], LINE(1), from);
	assert_line(&lines[1], "GC forced", from);
	assert_line(&lines[2], LINE(2), from);
	free(lines);
	lines = stderr_tee_take(bench.tee, &n);
	assert_int_equal(n, 0);
	free(lines);
	lseek(bench.log, 0, SEEK_SET);
	assert_text(bench.log, LINE(1) "\nGC forced\n" LINE(2) "\n",
		    sizeof(LINE(1) "\nGC forced\n" LINE(2) "\n") - 1);
	bench_close(&bench);
}

/* A line is there as soon as it is complete, while the command goes on. */
static void test_at_once(void **state)
{
	struct tee_line *lines;
	struct bench bench;
	uint64_t from;
	size_t n;

	(void)state;
	bench_open(&bench);
	from = watch_now();
	say(&bench, LINE(7) "\n", sizeof(LINE(7)));
	assert_int_equal(
		poll(&(struct pollfd){.fd = stderr_tee_fd(bench.tee), .events = POLLIN}, 1, 10000),
		1);
	lines = stderr_tee_take(bench.tee, &n);
	assert_int_equal(n, 1);
	assert_line(&lines[0], LINE(7), from);
	free(lines);
	/* Its end is still open elsewhere when the command is said to have ended. */
	assert_false(stderr_tee_ended(bench.tee));
	bench_close(&bench);
}

/* An output that takes nothing does not stop the command, and gets everything later. */
static void test_blocked_output(void **state)
{
	size_t len = 8u << 20, n = 0;
	uint8_t *bytes = malloc(len), *got = malloc(len);
	struct bench bench;

	(void)state;
	for (size_t i = 0; i < len; i++)
		bytes[i] = (uint8_t)(i * 2654435761u >> 13);
	bench_open(&bench);
	say(&bench, bytes, len); /* would never return if it were not read */
	while (n < len) {
		ssize_t more = read(bench.out[0], got + n, len - n);

		assert_true(more > 0);
		n += (size_t)more;
	}
	assert_memory_equal(got, bytes, len);
	bench_close(&bench);
	free(bytes);
	free(got);
}

static void test_too_many_lines(void **state)
{
	struct tee_line *lines;
	struct bench bench;
	size_t n;

	(void)state;
	bench_open(&bench);
	close(bench.out[0]); /* nobody reads: SIGPIPE is ignored as in the recorder */
	for (unsigned i = 0; i < TEE_MAX_LINES + 10; i++)
		say(&bench, LINE(1) "\n", sizeof(LINE(1)));
	close(bench.command);
	bench.command = -1;
	assert_true(stderr_tee_ended(bench.tee));
	lines = stderr_tee_take(bench.tee, &n);
	assert_int_equal(n, TEE_MAX_LINES);
	assert_int_equal(stderr_tee_left_out(bench.tee), 10);
	for (size_t i = 0; i < n; i++)
		free(lines[i].text);
	free(lines);
	bench.out[0] = dup(bench.out[1]);
	bench_close(&bench);
}

static void test_never_started(void **state)
{
	struct stderr_tee *tee;

	(void)state;
	assert_null(stderr_tee_new(STDERR_FILENO, -1, &tee));
	stderr_tee_free(tee);
}

static void test_godebug(void **state)
{
	static const char *const cases[][2] = {
		{NULL, "gctrace=1"},
		{"", "gctrace=1"},
		{"a=1", "a=1,gctrace=1"},
		{"gctrace=0", "gctrace=0,gctrace=1"},
		{"gctrace=1", "gctrace=1"},
		{"x=y,gctrace=2,z=0", "x=y,gctrace=2,z=0"},
		{"gctrace=1,gctrace=0", "gctrace=1,gctrace=0,gctrace=1"},
		{"nogctrace=1", "nogctrace=1,gctrace=1"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *got = godebug_with_gctrace(cases[i][0]);

		assert_string_equal(got, cases[i][1]);
		free(got);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces),	       cmocka_unit_test(test_at_once),
		cmocka_unit_test(test_blocked_output), cmocka_unit_test(test_too_many_lines),
		cmocka_unit_test(test_never_started),  cmocka_unit_test(test_godebug),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests_name("stderr_tee", tests, NULL, NULL);
}
