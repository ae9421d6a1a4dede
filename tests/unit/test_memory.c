/* Reading a process's memory from outside, and keeping it readable past its end. */

#include "record/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

static uint64_t marker[4] = {11, 22, 33, 44};

/* A child that changes the marker, waits for a byte, and ends. */
static pid_t start_child(int *release)
{
	int fds[2];
	pid_t pid;
	char c;

	assert_int_equal(pipe(fds), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(fds[1]);
		marker[1] = 99;
		_exit(read(fds[0], &c, 1) == 1 ? 7 : 8);
	}
	close(fds[0]);
	*release = fds[1];
	return pid;
}

static void wait_for_marker(const struct memory *memory)
{
	uint64_t value = 0;

	for (int i = 0; i < 1000 && value != 99; i++) {
		assert_true(memory_u64(memory, (uintptr_t)&marker[1], &value));
		usleep(1000);
	}
	assert_int_equal(value, 99);
}

static void test_reads(void **state)
{
	uint64_t a = 0, b = 0;
	struct memory_piece pieces[2] = {
		{(uintptr_t)&marker[0], &a, sizeof(a)},
		{(uintptr_t)&marker[1], &b, sizeof(b)},
	};
	struct memory *memory;
	int release;
	pid_t pid = start_child(&release);

	(void)state;
	assert_null(memory_open(pid, &memory));
	wait_for_marker(memory);
	assert_true(memory_read_pieces(memory, pieces, 2));
	assert_int_equal(a, 11);
	assert_int_equal(b, 99);
	/* An address that nobody has fails instead of giving zeros. */
	assert_false(memory_u64(memory, 8, &a));
	pieces[1].address = 8;
	assert_false(memory_read_pieces(memory, pieces, 2));
	memory_close(memory);
	close(release);
	waitpid(pid, NULL, 0);
}

static void check_held(bool reopened)
{
	uint64_t value = 0;
	struct memory_piece piece = {(uintptr_t)&marker[1], &value, sizeof(value)};
	struct memory *memory;
	int release, status;
	pid_t pid = start_child(&release);

	assert_null(memory_open(pid, &memory));
	wait_for_marker(memory);
	assert_null(memory_hold(memory, (uintptr_t)&marker));
	usleep(20000);
	if (reopened) {
		memory_reopen(memory);
		usleep(20000);
	}
	assert_int_equal(write(release, "x", 1), 1);
	/* The end of the process itself is not held up. */
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(WEXITSTATUS(status), 7);
	assert_true(memory_read_pieces(memory, &piece, 1));
	assert_int_equal(value, 99);
	memory_release(memory);
	assert_false(memory_u64(memory, (uintptr_t)&marker[1], &value));
	memory_close(memory);
	close(release);
}

static void test_held_memory_outlives_process(void **state)
{
	(void)state;
	check_held(false);
}

static void test_reopened_memory_is_held(void **state)
{
	(void)state;
	check_held(true);
}

static void test_no_such_process(void **state)
{
	struct memory *memory;
	struct error *err = memory_open(4194303, &memory);

	(void)state;
	assert_non_null(err);
	assert_non_null(error_remedy_text(err));
	error_free(err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_reads),
		cmocka_unit_test(test_held_memory_outlives_process),
		cmocka_unit_test(test_reopened_memory_is_held),
		cmocka_unit_test(test_no_such_process),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
