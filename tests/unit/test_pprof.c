/* formats/pprof, its writer, and the view of a heap dump. The dumps in tests/data/pprof were
 * written by tests/data/pprof/dumper.go; the two forms of each describe the same moment. */

#include "formats/pprof.h"

#include "formats/decompress.h"
#include "formats/heapprofile.h"
#include "formats/heapstack.h"
#include "formats/xalloc.h"
#include "tests/unit/slurp.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

#define DATA "tests/data/pprof/"

static struct buffer slurp_plain(const char *path)
{
	struct buffer packed = slurp(path), plain = {0};

	assert_null(decompress(packed.data, packed.len, &plain));
	buffer_free(&packed);
	return plain;
}

static void assert_error(struct error *err, const char *part)
{
	assert_non_null(err);
	if (!strstr(error_message(err), part))
		fail_msg("\"%s\" lacks \"%s\"", error_message(err), part);
	assert_null(strchr(error_message(err), '\n'));
	assert_non_null(error_remedy_text(err));
	error_free(err);
}

/* ---- Against the text form -------------------------------------------------------------- */

struct row {
	uint64_t key;
	uint64_t size;
	int64_t alloc_objects, alloc_bytes, inuse_objects, inuse_bytes;
};

static int compare_rows(const void *a, const void *b)
{
	const struct row *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->size < y->size ? -1 : x->size > y->size;
}

/* The entries by stack and size, those of the same summed. */
static struct row *rows_of(const struct heap_profile *p, size_t *n)
{
	struct row *rows = xcalloc(p->n_entries + 1, sizeof(*rows));

	*n = 0;
	for (size_t i = 0; i < p->n_entries; i++) {
		const struct heap_entry *e = &p->entries[i];

		/* Up to Go 1.26 the proto does not label a bucket that never had an object. */
		if (!e->alloc_objects && !e->inuse_objects)
			continue;
		rows[(*n)++] = (struct row){heap_stack_key(e->frames, e->n_frames),
					    e->size,
					    e->alloc_objects,
					    e->alloc_bytes,
					    e->inuse_objects,
					    e->inuse_bytes};
	}
	qsort(rows, *n, sizeof(*rows), compare_rows);
	for (size_t from = 0, end = *n, to = *n = 0; from < end; from++) {
		if (to && !compare_rows(&rows[to - 1], &rows[from])) {
			rows[to - 1].alloc_objects += rows[from].alloc_objects;
			rows[to - 1].alloc_bytes += rows[from].alloc_bytes;
			rows[to - 1].inuse_objects += rows[from].inuse_objects;
			rows[to - 1].inuse_bytes += rows[from].inuse_bytes;
		} else {
			rows[to++] = rows[from];
		}
		*n = to;
	}
	return rows;
}

static void assert_same(const struct heap_profile *proto, const struct heap_profile *text)
{
	size_t n_proto, n_text;
	struct row *a = rows_of(proto, &n_proto), *b = rows_of(text, &n_text);

	assert_true(n_text > 10);
	assert_int_equal(n_proto, n_text);
	for (size_t i = 0; i < n_text; i++) {
		assert_int_equal(a[i].key, b[i].key);
		assert_int_equal(a[i].size, b[i].size);
		assert_int_equal(a[i].alloc_objects, b[i].alloc_objects);
		assert_int_equal(a[i].alloc_bytes, b[i].alloc_bytes);
		assert_int_equal(a[i].inuse_objects, b[i].inuse_objects);
		assert_int_equal(a[i].inuse_bytes, b[i].inuse_bytes);
	}
	free(a);
	free(b);
}

static const char *const names[] = {"go1.19", "go1.25",		 "go1.26",
				    "go1.27", "go1.19-rate4096", "go1.27-rate4096"};

/* Every bucket of the proto, unscaled, equals that of the text form, on each Go release. */
static void test_unscaled_equals_text(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char *proto_path = xasprintf(DATA "%s.pb.gz", names[i]);
		char *text_path = xasprintf(DATA "%s.txt", names[i]);
		struct heap_profile *proto, *text;

		assert_null(heap_profile_read(proto_path, &proto));
		assert_null(heap_profile_read(text_path, &text));
		assert_int_equal(proto->rate, strstr(names[i], "4096") ? 4096 : 524288);
		assert_int_equal(proto->rate, text->rate);
		assert_int_equal(proto->n_inexact, 0);
		assert_int_equal(proto->inuse_objects, text->inuse_objects);
		assert_int_equal(proto->inuse_bytes, text->inuse_bytes);
		assert_int_equal(proto->alloc_objects, text->alloc_objects);
		assert_int_equal(proto->alloc_bytes, text->alloc_bytes);
		assert_true(proto->time_nanos > INT64_C(1000000000000000000));
		assert_string_equal(proto->exe + strlen(proto->exe) - 6, "dumper");
		assert_same(proto, text);
		heap_profile_free(proto);
		heap_profile_free(text);
		free(proto_path);
		free(text_path);
	}
}

/*
 * `go tool pprof -proto` adds samples up that have the same visible stack and size, each of which
 * was truncated by itself: that is told, and the counts are found all the same.
 */
static void test_merged(void **state)
{
	struct heap_profile *merged, *text;

	(void)state;
	assert_null(heap_profile_read(DATA "go1.27-merged.pb.gz", &merged));
	assert_null(heap_profile_read(DATA "go1.27-rate4096.txt", &text));
	assert_int_equal(merged->n_inexact, 5);
	assert_same(merged, text);
	heap_profile_free(merged);
	heap_profile_free(text);
}

/* The innermost address of each physical frame, +1, is among the bucket's, in order. */
static void test_addresses(void **state)
{
	struct heap_profile *proto, *text;
	size_t checked = 0;

	(void)state;
	assert_null(heap_profile_read(DATA "go1.27.pb.gz", &proto));
	assert_null(heap_profile_read(DATA "go1.27.txt", &text));
	for (size_t i = 0; i < proto->n_entries; i++) {
		const struct heap_entry *p = &proto->entries[i], *t = NULL;
		size_t at = 0;

		for (size_t k = 0; k < text->n_entries && !t; k++) {
			const struct heap_entry *e = &text->entries[k];

			if (e->size == p->size && e->alloc_objects == p->alloc_objects &&
			    e->n_frames == p->n_frames &&
			    heap_stack_key(e->frames, e->n_frames) ==
				    heap_stack_key(p->frames, p->n_frames))
				t = e;
		}
		if (!t)
			continue;
		for (size_t k = 0; k < p->n_pcs; k++, at++) {
			while (at < t->n_pcs && t->pcs[at] != p->pcs[k])
				at++;
			assert_true(at < t->n_pcs);
		}
		checked++;
	}
	assert_true(checked > 10);
	heap_profile_free(proto);
	heap_profile_free(text);
}

/* ---- Scaling ---------------------------------------------------------------------------- */

static void test_unscale(void **state)
{
	static const uint64_t sizes[] = {
		8, 16, 48, 80, 1024, 9472, 32768, 524288, 1048576, 8388608, UINT64_C(1) << 33};
	static const int64_t counts[] = {1, 2, 3, 7, 100, 12345, 1000003};

	(void)state;
	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
		for (size_t k = 0; k < sizeof(counts) / sizeof(*counts); k++) {
			double scale = heap_scale(sizes[i], 524288);
			int64_t objects = (int64_t)((double)counts[k] * scale), n = 0;
			int64_t bytes = (int64_t)((double)(counts[k] * (int64_t)sizes[i]) * scale);

			assert_true(heap_unscale(sizes[i], 524288, objects, bytes, &n));
			assert_int_equal(n, counts[k]);
			/* What is not the value of any count is told, as far as float64 can. */
			if (counts[k] < 100000) {
				assert_false(
					heap_unscale(sizes[i], 524288, objects + 1, bytes, &n));
				assert_int_equal(n, counts[k]);
			}
			assert_false(heap_unscale(sizes[i], 524288, objects, bytes + 1000, &n));
		}
	}
}

static void test_unscale_edges(void **state)
{
	int64_t n;

	(void)state;
	assert_true(heap_unscale(64, 1, 5, 320, &n));
	assert_int_equal(n, 5);
	assert_true(heap_unscale(64, 0, 5, 320, &n));
	assert_int_equal(n, 5);
	assert_true(heap_unscale(64, 524288, 0, 0, &n));
	assert_int_equal(n, 0);
	assert_true(heap_unscale(0, 524288, 0, 0, &n));
	assert_int_equal(n, 0);
	assert_false(heap_unscale(0, 524288, 3, 100, &n));
	/* Of a difference of two dumps. */
	assert_true(heap_unscale(1 << 20, 524288, -1, -1212696, &n));
	assert_int_equal(n, -1);
	assert_false(heap_unscale(1, INT64_MAX, INT64_MIN, INT64_MIN, &n));
}

/* ---- Round trip ------------------------------------------------------------------------- */

static char *raw_of(const char *path)
{
	char *command = xasprintf("go tool pprof -raw -symbolize=none %s 2>/dev/null", path);
	FILE *pipe = popen(command, "r");
	struct buffer out = {0};
	int c;

	free(command);
	assert_non_null(pipe);
	while ((c = getc(pipe)) != EOF)
		buffer_u8(&out, (uint8_t)c);
	if (pclose(pipe)) {
		buffer_free(&out);
		return NULL;
	}
	buffer_u8(&out, 0);
	return (char *)out.data;
}

/* What is read and written again is the same profile to `go tool pprof -raw`. */
static void test_round_trip(void **state)
{
	(void)state;
	if (system("go version >/dev/null 2>&1"))
		skip();
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		char path[] = "/tmp/test_pprof_XXXXXX", *before, *after;
		char *from = xasprintf(DATA "%s.pb.gz", names[i]);
		struct buffer in = slurp(from), out = {0};
		struct pprof_profile *profile;
		int fd = mkstemp(path);

		assert_true(fd >= 0);
		assert_null(pprof_parse(in.data, in.len, &profile));
		assert_null(pprof_encode(profile, true, &out));
		assert_int_equal(write(fd, out.data, out.len), out.len);
		close(fd);
		before = raw_of(from);
		after = raw_of(path);
		assert_non_null(before);
		assert_non_null(after);
		assert_non_null(strstr(before, "dumper.go"));
		assert_string_equal(before, after);
		unlink(path);
		free(before);
		free(after);
		free(from);
		pprof_free(profile);
		buffer_free(&in);
		buffer_free(&out);
	}
}

static struct pprof_profile *small_profile(void)
{
	struct pprof_profile *p = pprof_new();
	struct pprof_mapping m = {.start = 0x1000, .limit = 0x2000, .file = "/bin/x"};
	struct pprof_label labels[] = {{.key = "bytes", .str = "", .unit = "bytes", .num = 64},
				       {.key = "verdict", .str = "leak", .unit = "", .num = 0}};
	struct pprof_line lines[2];
	uint32_t locations[2];
	int64_t values[] = {-3, INT64_MIN};

	pprof_add_sample_type(p, "inuse_objects", "count");
	pprof_add_sample_type(p, "inuse_space", "bytes");
	lines[0] = (struct pprof_line){.function = pprof_add_function(p, "main.f", "f.go", 3),
				       .line = 5};
	lines[1] = (struct pprof_line){.function = PPROF_NONE, .line = 7, .column = 2};
	m.build_id = "";
	locations[0] = pprof_add_location(p, pprof_add_mapping(p, &m), 0x1234, lines, 2);
	locations[1] = pprof_add_location(p, PPROF_NONE, 0, NULL, 0);
	pprof_add_sample(p, locations, 2, values, labels, 2);
	pprof_add_sample(p, NULL, 0, values, NULL, 0);
	pprof_add_comment(p, "made by a test");
	return p;
}

static void test_built(void **state)
{
	struct pprof_profile *p = small_profile(), *q;
	struct buffer out = {0};

	(void)state;
	p->period = 524288;
	p->period_type = (struct pprof_value_type){.type = "space", .unit = "bytes"};
	p->time_nanos = 123;
	p->default_sample_type = "inuse_space";
	assert_null(pprof_encode(p, false, &out));
	assert_null(pprof_parse(out.data, out.len, &q));
	assert_int_equal(q->n_samples, 2);
	assert_int_equal(q->samples[0].n_locations, 2);
	assert_int_equal(q->samples[0].values[0], -3);
	assert_true(q->samples[0].values[1] == INT64_MIN);
	assert_int_equal(q->samples[0].n_labels, 2);
	assert_int_equal(q->samples[0].labels[0].num, 64);
	assert_string_equal(q->samples[0].labels[1].key, "verdict");
	assert_string_equal(q->samples[0].labels[1].str, "leak");
	assert_int_equal(q->locations[0].address, 0x1234);
	assert_int_equal(q->locations[0].mapping, 0);
	assert_int_equal(q->locations[1].mapping, PPROF_NONE);
	assert_int_equal(q->locations[0].lines[1].function, PPROF_NONE);
	assert_int_equal(q->locations[0].lines[1].column, 2);
	assert_string_equal(q->functions[0].name, "main.f");
	assert_int_equal(q->functions[0].start_line, 3);
	assert_string_equal(q->comments[0], "made by a test");
	assert_string_equal(q->default_sample_type, "inuse_space");
	assert_string_equal(q->period_type.unit, "bytes");
	assert_int_equal(q->time_nanos, 123);
	assert_int_equal(pprof_value_index(q, "inuse_space"), 1);
	assert_int_equal(pprof_value_index(q, "cpu"), -1);
	pprof_free(p);
	pprof_free(q);
	buffer_free(&out);
}

/* ---- What is no profile ------------------------------------------------------------------ */

static struct error *parse(const void *data, size_t len)
{
	struct pprof_profile *profile = NULL;
	struct error *err = pprof_parse(data, len, &profile);

	assert_true(!err == !!profile);
	pprof_free(profile);
	return err;
}

/* Ids and strings that lead nowhere are named with their place. */
static void test_dangling(void **state)
{
	/* sample_type {type 1 unit 2}, strings "", "a", "b"; then the fault. */
	static const uint8_t head[] = {0x0a, 4, 8, 1, 16, 2, 0x32, 0, 0x32, 1, 'a', 0x32, 1, 'b'};
	static const struct {
		uint8_t bytes[16];
		size_t n;
		const char *message;
	} cases[] = {
		{{0x12, 6, 0x0a, 1, 99, 0x12, 1, 1}, 8, "sample 0: location 99 is not"},
		{{0x12, 4, 0x12, 2, 1, 1}, 6, "sample 0: 2 values where the profile has 1"},
		{{0x12, 7, 0x12, 1, 1, 0x1a, 2, 8, 9}, 9, "sample 0: string 9 of a table of 3"},
		{{0x22, 4, 8, 1, 16, 5}, 6, "location 0: mapping 5 is not"},
		{{0x22, 6, 8, 1, 0x22, 2, 8, 7}, 8, "location 0: function 7 is not"},
		{{0x22, 2, 8, 1, 0x22, 2, 8, 1}, 8, "same id"},
		{{0x22, 0}, 2, "has no id"},
		{{0x2a, 4, 8, 1, 16, 3}, 6, "function 0: string 3"},
		{{0x70, 77}, 2, "default_sample_type: string 77"},
		{{0x0a, 2, 8, 50}, 4, "sample_type 1: string 50"},
	};

	(void)state;
	assert_null(parse(head, sizeof(head)));
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		struct buffer b = {0};

		buffer_append(&b, head, sizeof(head));
		buffer_append(&b, cases[i].bytes, cases[i].n);
		assert_error(parse(b.data, b.len), cases[i].message);
		buffer_free(&b);
	}
}

/* Every prefix of a real dump is an error, packed; plain, it never crashes. */
static void test_cut(void **state)
{
	struct buffer packed = slurp(DATA "go1.27.pb.gz"), plain = slurp_plain(DATA "go1.27.pb.gz");

	(void)state;
	for (size_t n = 0; n < packed.len; n++)
		assert_error(parse(packed.data, n), "not a pprof profile");
	for (size_t n = 0; n < plain.len; n++)
		error_free(parse(plain.data, n));
	assert_null(parse(plain.data, plain.len));
	buffer_free(&packed);
	buffer_free(&plain);
}

/* Any flipped byte of a gzip is found by its checksum. */
static void test_damaged(void **state)
{
	struct buffer packed = slurp(DATA "go1.19.pb.gz");

	(void)state;
	for (size_t i = 10; i < packed.len; i++) {
		packed.data[i] ^= 0x55;
		assert_error(parse(packed.data, packed.len), "not a pprof profile");
		packed.data[i] ^= 0x55;
	}
	buffer_free(&packed);
}

static void test_zstd_and_members(void **state)
{
	struct buffer plain = slurp_plain(DATA "go1.25.pb.gz"), packed = {0};
	size_t half = plain.len / 2, n;

	(void)state;
	buffer_extend(&packed, ZSTD_compressBound(plain.len));
	n = ZSTD_compress(packed.data, packed.len, plain.data, plain.len, 3);
	assert_null(parse(packed.data, n));
	assert_error(parse(packed.data, n - 1), "cut");
	packed.len = 0;
	assert_null(gzip_compress(plain.data, half, &packed));
	assert_null(gzip_compress(plain.data + half, plain.len - half, &packed));
	buffer_append(&packed, "\0\0\0", 3);
	assert_null(parse(packed.data, packed.len));
	buffer_free(&plain);
	buffer_free(&packed);
}

/* A bomb is refused by its ratio long before it fills the memory. */
static void test_bombs(void **state)
{
	struct buffer zeros = {0}, packed = {0};
	size_t n = (size_t)64 << 20;

	(void)state;
	memset(buffer_extend(&zeros, n), 0, n);
	assert_null(gzip_compress(zeros.data, n, &packed));
	assert_error(parse(packed.data, packed.len), "unpack to more than");
	packed.len = 0;
	buffer_extend(&packed, ZSTD_compressBound(n));
	packed.len = ZSTD_compress(packed.data, packed.len, zeros.data, n, 1);
	assert_error(parse(packed.data, packed.len), "unpack to more than");
	/* Millions of empty samples: small in the file, large unpacked. */
	for (size_t i = 0; i < n; i += 2)
		memcpy(zeros.data + i, "\x12", 2);
	assert_error(parse(zeros.data, n), "not a pprof profile");
	buffer_free(&zeros);
	buffer_free(&packed);
}

static struct error *parse_heap(const void *data, size_t len)
{
	struct heap_profile *profile = NULL;
	struct error *err = heap_profile_parse(data, len, &profile);

	assert_true(!err == !!profile);
	heap_profile_free(profile);
	return err;
}

static void test_not_a_heap_dump(void **state)
{
	static const uint8_t cpu[] = {0x0a, 4,	 8,   1,   16,	 2, 0x32, 0,  0x32,
				      3,    'c', 'p', 'u', 0x32, 2, 'n',  's'};
	static const char html[] = "<html>404 page not found</html>\n";
	uint8_t evil[sizeof(cpu)];
	static const char noise[] = {(char)0x80, 1, 2, 3, 4};

	(void)state;
	assert_error(parse_heap("", 0), "empty");
	assert_error(parse_heap(html, strlen(html)), "it begins with \"<html>404 page not found");
	assert_error(parse_heap("PERFILE2________", 16), "a trace, not a heap dump");
	assert_error(parse_heap("\177ELF____", 8), "a program");
	assert_error(parse_heap("go 1.26 trace\0\0\0", 16), "an execution trace");
	assert_error(parse_heap(noise, sizeof(noise)), "not a pprof profile");
	assert_error(parse_heap(cpu, sizeof(cpu)), "a profile of cpu/ns, not a heap dump");
	memcpy(evil, cpu, sizeof(cpu));
	evil[10] = 27;
	evil[11] = '\n';
	assert_error(parse_heap(evil, sizeof(evil)), "a profile of ??u/ns");
	assert_error(parse_heap("goroutine profile: total 3\n", 27), "begins with \"goroutine");
}

/* Profiles of other kinds are read as what they are, and are no heap dumps. */
static void test_goroutines(void **state)
{
	static const char *const kinds[] = {"goroutine", "goroutineleak"};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		char *path = xasprintf(DATA "%s1.27.pb.gz", kinds[i]);
		struct buffer packed = slurp(path);
		struct pprof_profile *p;
		const struct pprof_sample *sample;

		assert_null(pprof_parse(packed.data, packed.len, &p));
		assert_int_equal(p->n_sample_types, 1);
		assert_int_equal(pprof_value_index(p, kinds[i]), 0);
		assert_string_equal(p->sample_types[0].unit, "count");
		sample = &p->samples[0];
		assert_int_equal(sample->values[0], 5);
		assert_int_equal(sample->n_locations, 4);
		assert_string_equal(
			p->functions[p->locations[sample->locations[3]].lines[0].function].name,
			"main.wait");
		assert_error(parse_heap(packed.data, packed.len), "a profile of goroutine");
		pprof_free(p);
		buffer_free(&packed);
		free(path);
	}
}

static void test_unlabelled(void **state)
{
	struct pprof_profile *p = small_profile();
	struct heap_profile *heap;

	(void)state;
	p->period = 524288;
	p->samples[0].values[0] = 8192;
	p->samples[0].values[1] = 8192 * 64 + 32;
	p->samples[0].n_labels = 0;
	p->n_samples = 1;
	assert_null(heap_profile_from_pprof(p, &heap));
	assert_int_equal(heap->n_inexact, 1);
	assert_int_equal(heap->entries[0].size, 64);
	assert_int_equal(heap->entries[0].inuse_objects, 1);
	heap_profile_free(heap);
	pprof_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unscaled_equals_text),
		cmocka_unit_test(test_merged),
		cmocka_unit_test(test_addresses),
		cmocka_unit_test(test_unscale),
		cmocka_unit_test(test_unscale_edges),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_built),
		cmocka_unit_test(test_dangling),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_zstd_and_members),
		cmocka_unit_test(test_bombs),
		cmocka_unit_test(test_not_a_heap_dump),
		cmocka_unit_test(test_goroutines),
		cmocka_unit_test(test_unlabelled),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
