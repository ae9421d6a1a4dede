#include "tests/unit/perfdata_samples.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>

/* ---- A disk that fails, and a look at the file at every moment --------------------------- */

static struct {
	uint64_t room;	      /* bytes that the file may have; 0: any */
	int fail_at;	      /* the number of the write that fails; 0: none */
	int writes;	      /* so far */
	void (*look)(void *); /* called before every write and in its middle */
	uint64_t bytes;	      /* written since the last look */
	uint64_t blind;	      /* written in this flush while there was no table */
	void *arg;
} disk;

static ssize_t real_pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
	return syscall(SYS_pwrite64, fd, bytes, len, offset);
}

/* In place of the C library's, for the writer too. */
ssize_t pwrite(int fd, const void *bytes, size_t len, off_t offset)
{
	size_t half = len / 2;

	if (++disk.writes == disk.fail_at) {
		errno = EIO;
		return -1;
	}
	if (disk.room && (uint64_t)offset + len > disk.room) {
		if ((uint64_t)offset >= disk.room) {
			errno = ENOSPC;
			return -1;
		}
		len = disk.room - (uint64_t)offset;
	}
	if (!disk.look)
		return real_pwrite(fd, bytes, len, offset);
	disk.look(disk.arg);
	/* The header is written in one go: it lies in one page, which no signal divides. */
	disk.bytes = offset == 0 || !half ? len : half;
	if (disk.bytes == len)
		return real_pwrite(fd, bytes, len, offset);
	if (real_pwrite(fd, bytes, half, offset) != (ssize_t)half)
		return -1;
	disk.look(disk.arg);
	return (ssize_t)half;
}

static void disk_reset(void)
{
	memset(&disk, 0, sizeof(disk));
}

/* ---- Failing disks and killed recorders --------------------------------------------------- */

/* Whether the table lies where perf looks for it: its first entry leads to the tracing data. */
static bool table_in_place(const struct fixture *f)
{
	uint64_t at = header_word(f, 40) + header_word(f, 48), entry[2];
	char bytes[23];

	if (pread(f->fd, entry, sizeof(entry), (off_t)at) != sizeof(entry))
		return false;
	return entry[1] == sizeof(bytes) &&
	       pread(f->fd, bytes, sizeof(bytes), (off_t)entry[0]) == sizeof(bytes) &&
	       memcmp(bytes, "not really tracing data", sizeof(bytes)) == 0;
}

static void look(void *arg)
{
	struct fixture *f = arg;
	bool damaged;

	assert_true(read_samples(f->path, &damaged) >= f->flushed);
	/* perf itself may miss the table while its own place is written, never while data are. */
	if (!table_in_place(f))
		disk.blind += disk.bytes;
	disk.bytes = 0;
	assert_true(disk.blind <= 400);
}

static void flush(struct fixture *f)
{
	disk.blind = disk.bytes = 0;
	check(perfdata_writer_flush(f->writer));
	f->flushed = f->written;
}

/* Whenever the recorder is killed, the file has what was flushed, and all features. */
static void test_killed(void **state)
{
	(void)state;
	for (int level = 0; level < 2; level++) {
		struct fixture *f = fixture_new(level);

		disk.look = look;
		disk.arg = f;
		for (int i = 0; i < 10; i++) {
			write_samples(f, i % 3 * 50 + 1);
			if (i == 4)
				perfdata_writer_feature(f->writer, PERFDATA_FEAT_SYMTAB,
							"symbols that will go again", 26);
			if (i == 6)
				perfdata_writer_feature(f->writer, PERFDATA_FEAT_SYMTAB, "fewer",
							5);
			perfdata_writer_times(f->writer, 1, f->written);
			flush(f);
			check_all(f, f->written);
		}
		assert_true(disk.writes > 40);
		disk_reset();
		check(perfdata_writer_finish(f->writer));
		fixture_free(f);
	}
}

/* What remains after a failed flush: the file as it was, an error that says so, and a second
 * chance. */
static void check_failed_flush(struct fixture *f)
{
	struct error *err = perfdata_writer_flush(f->writer);

	disk_reset();
	if (!err) {
		f->flushed = f->written;
		return;
	}
	assert_non_null(strstr(error_message(err), "stay readable"));
	assert_non_null(error_remedy_text(err));
	assert_int_not_equal(error_errnum(err), 0);
	error_free(err);
	check_all(f, f->flushed);
	flush(f);
}

static void test_full_disk(void **state)
{
	(void)state;
	for (uint64_t more = 0; more < 6000; more += 71) {
		struct fixture *f = fixture_new(more % 2);
		uint64_t size;

		write_samples(f, 50);
		flush(f);
		write_samples(f, 50);
		size = (uint64_t)lseek(f->fd, 0, SEEK_END);
		disk.room = size + more;
		check_failed_flush(f);
		check_all(f, 100);
		/* And where the program gives up: the file is what it was at the last flush. */
		size = (uint64_t)lseek(f->fd, 0, SEEK_END);
		write_samples(f, 5000);
		disk.room = size + more;
		error_free(perfdata_writer_finish(f->writer));
		disk_reset();
		assert_int_equal(lseek(f->fd, 0, SEEK_END), size);
		check_all(f, 100);
		fixture_free(f);
	}
}

static void test_failing_write(void **state)
{
	(void)state;
	for (int n = 1; n < 8; n++) {
		struct fixture *f = fixture_new(1);

		write_samples(f, 50);
		flush(f);
		write_samples(f, 50);
		perfdata_writer_times(f->writer, 1, 2);
		perfdata_writer_feature(f->writer, PERFDATA_FEAT_SYMTAB, "symbols", 7);
		disk.fail_at = disk.writes + n;
		check_failed_flush(f);
		check_all(f, 100);
		check(perfdata_writer_finish(f->writer));
		fixture_free(f);
	}
}

/* A full disk and a program that goes on: it is told, and its memory does not fill instead. */
static void test_full_disk_ignored(void **state)
{
	struct fixture *f = fixture_new(0);
	uint8_t *bytes = xcalloc(1, 1 << 20);
	struct perf_event_header header = {.type = 9, .size = 1 << 15};
	struct error *err = NULL;
	int failed = 0;

	(void)state;
	for (size_t at = 0; at < 1 << 20; at += 1 << 15)
		memcpy(bytes + at, &header, sizeof(header));
	write_samples(f, 10);
	flush(f);
	disk.room = (uint64_t)lseek(f->fd, 0, SEEK_END);
	for (int i = 0; i < 100; i++) {
		err = perfdata_write(f->writer, bytes, 1 << 20);
		failed += err != NULL;
		error_free(err);
	}
	assert_true(failed > 90);
	error_free(perfdata_writer_finish(f->writer));
	disk_reset();
	check_all(f, 10);
	free(bytes);
	fixture_free(f);
}

/* The same by the kernel's own limit. */
static void test_file_size_limit(void **state)
{
	struct fixture *f = fixture_new(1);
	struct rlimit before, limit;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	write_samples(f, 500);
	flush(f);
	getrlimit(RLIMIT_FSIZE, &before);
	limit = before;
	limit.rlim_cur = (rlim_t)lseek(f->fd, 0, SEEK_END) + 1000;
	write_samples(f, 20000);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	{
		struct error *err = perfdata_writer_flush(f->writer);

		assert_non_null(err);
		assert_int_equal(error_errnum(err), EFBIG);
		error_free(err);
	}
	check_all(f, 500);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	check(perfdata_writer_finish(f->writer));
	check_all(f, 20500);
	fixture_free(f);
}

/* A copy that was cut, anywhere in or behind the data, has its features still. */
static void test_cut_copy(void **state)
{
	struct fixture *f = fixture_new(1);
	off_t size, data;
	uint32_t last = 300;

	(void)state;
	for (int i = 0; i < 3; i++) {
		write_samples(f, 100);
		flush(f);
	}
	perfdata_writer_feature(f->writer, PERFDATA_FEAT_SYMTAB, "symbols", 7);
	check(perfdata_writer_finish(f->writer));
	size = lseek(f->fd, 0, SEEK_END);
	data = (off_t)header_word(f, 40);
	while (--size >= data) {
		bool damaged;
		uint32_t n;

		assert_int_equal(ftruncate(f->fd, size), 0);
		n = read_samples(f->path, &damaged);
		assert_true(n <= last);
		assert_true(n == 300 || damaged);
		last = n;
	}
	assert_int_equal(last, 0);
	fixture_free(f);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_killed),		cmocka_unit_test(test_full_disk),
		cmocka_unit_test(test_failing_write),	cmocka_unit_test(test_full_disk_ignored),
		cmocka_unit_test(test_file_size_limit), cmocka_unit_test(test_cut_copy),
	};

	return cmocka_run_group_tests_name("perfdata_disk", tests, NULL, NULL);
}
