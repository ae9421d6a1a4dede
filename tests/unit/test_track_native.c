#include "analyze/track_native.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PID   7
#define TID   8
#define START 1000000000u

struct scene {
	struct model model;
	struct track *track;
	uint64_t time;
	uint64_t caller; /* the stack of what follows, of one address */
	struct event_go go;
};

static void scene_begin(struct scene *s)
{
	*s = (struct scene){.time = START, .caller = 0x1000};
	model_init(&s->model);
	s->track = track_new(&s->model, &(struct track_options){0});
}

static void scene_end(struct scene *s)
{
	track_finish(s->track);
}

static void scene_free(struct scene *s)
{
	track_free(s->track);
	model_free(&s->model);
}

static void send(struct scene *s, enum event_kind kind, const uint64_t fields[][2], size_t n)
{
	struct event event = {
		.kind = kind,
		.time = s->time += 1000,
		.pid = PID,
		.tid = TID,
		.stack = &s->caller,
		.n_stack = 1,
		.go = s->go,
	};

	for (size_t i = 0; i < n; i++) {
		event.v[fields[i][0]] = fields[i][1];
		event.has |= EVENT_HAS(fields[i][0]);
	}
	track_event(s->track, &event);
}

#define SEND(s, kind, ...)                                                  \
	do {                                                                \
		const uint64_t fields_[][2] = {__VA_ARGS__};                \
		send(s, kind, fields_, sizeof(fields_) / sizeof(*fields_)); \
	} while (0)

/* glibc: a chunk's header is its size with three flags. */
static void returns(struct scene *s, uint64_t p, uint64_t chunk, uint64_t sp)
{
	SEND(s, EVENT_NATIVE_RETURN, {FIELD_P, p}, {FIELD_CHUNK, chunk}, {FIELD_SP, sp});
}

static void frees(struct scene *s, uint64_t p, uint64_t sp)
{
	SEND(s, EVENT_NATIVE_FREE, {FIELD_P, p}, {FIELD_SP, sp});
}

static void enters(struct scene *s, uint64_t p, uint64_t size, uint64_t sp)
{
	SEND(s, EVENT_NATIVE_ENTER, {FIELD_P, p}, {FIELD_SIZE, size}, {FIELD_SP, sp});
}

/* The only site; its births, deaths, live bytes. */
static void assert_site(const struct scene *s, uint64_t births, uint64_t deaths, uint64_t bytes)
{
	assert_int_equal(s->model.n_sites, 1);
	assert_int_equal(s->model.sites[0].kind, SITE_NATIVE);
	assert_int_equal(s->model.sites[0].births, births);
	assert_int_equal(s->model.sites[0].deaths, deaths);
	assert_int_equal(s->model.sites[0].live_sampled_bytes, bytes);
	assert_int_equal(s->model.processes[0].ended_unseen[SITE_NATIVE], 0);
}

static void test_sizes(void **state)
{
	struct scene s;

	(void)state;
	scene_begin(&s);
	returns(&s, 0x10010, 0x21, 0x7000);    /* 32 bytes, 24 of them usable */
	returns(&s, 0x20010, 0x21002, 0x7000); /* a mapping of its own: 16 are not */
	returns(&s, 0x30010, 0x45, 0x7000);
	frees(&s, 0x30010, 0x7000);
	frees(&s, 0, 0x7000);
	returns(&s, 0, 0, 0x7000); /* no memory */
	scene_end(&s);
	assert_site(&s, 3, 1, 24 + 0x21000 - 16);
	scene_free(&s);
}

/* realloc: in place, moving, from nothing through malloc, and within it a malloc and a free. */
static void test_reallocs(void **state)
{
	struct scene s;

	(void)state;
	scene_begin(&s);
	returns(&s, 0x10010, 0x21, 0x7008);
	enters(&s, 0x10010, 40, 0x7000);
	returns(&s, 0x10010, 0x31, 0x7008);
	enters(&s, 0x10010, 400, 0x7000);
	returns(&s, 0x20010, 0x1a1, 0x6f00);
	frees(&s, 0x10010, 0x6f00);
	returns(&s, 0x20010, 0x1a1, 0x7008);
	/* malloc is jumped to, and returns where realloc does. */
	enters(&s, 0, 40, 0x7000);
	returns(&s, 0x30010, 0x31, 0x7008);
	returns(&s, 0x30010, 0x31, 0x7008);
	scene_end(&s);
	assert_site(&s, 4, 2, 0x198 + 0x28);
	scene_free(&s);
}

/* No headers: the size comes with the entry; a calloc that calls malloc; an entry left behind. */
static void test_entries(void **state)
{
	struct scene s;

	(void)state;
	scene_begin(&s);
	SEND(&s, EVENT_NATIVE_ENTER, {FIELD_SIZE, 10}, {FIELD_NMEMB, 7}, {FIELD_SP, 0x7000});
	SEND(&s, EVENT_NATIVE_ENTER, {FIELD_SIZE, 70}, {FIELD_SP, 0x6f00});
	SEND(&s, EVENT_NATIVE_RETURN, {FIELD_P, 0x10010}, {FIELD_SP, 0x6f08});
	SEND(&s, EVENT_NATIVE_RETURN, {FIELD_P, 0x10010}, {FIELD_SP, 0x7008});
	/* Its return was lost; the next call is not inside of it. */
	SEND(&s, EVENT_NATIVE_ENTER, {FIELD_SIZE, 5}, {FIELD_SP, 0x7000});
	SEND(&s, EVENT_NATIVE_ENTER, {FIELD_SIZE, 6}, {FIELD_SP, 0x7000});
	SEND(&s, EVENT_NATIVE_RETURN, {FIELD_P, 0x20010}, {FIELD_SP, 0x7008});
	SEND(&s, EVENT_NATIVE_ENTER, {FIELD_SIZE, 8}, {FIELD_SP, 0x7000});
	SEND(&s, EVENT_LOST, {FIELD_P, 0});
	SEND(&s, EVENT_NATIVE_RETURN, {FIELD_P, 0x30010}, {FIELD_CHUNK, 0x21}, {FIELD_SP, 0x6000});
	scene_end(&s);
	assert_site(&s, 3, 0, 70 + 6 + 24);
	scene_free(&s);
}

/* What a function gives out and at once again was never in between: two frees of one are two. */
static void test_again(void **state)
{
	struct scene s;

	(void)state;
	scene_begin(&s);
	returns(&s, 0x10010, 0x21, 0x7000);
	frees(&s, 0x10010, 0x7000);
	returns(&s, 0x10010, 0x21, 0x7000);
	/* Its free was lost: another call gives it out once more. */
	returns(&s, 0x20010, 0x21, 0x7000);
	returns(&s, 0x10010, 0x21, 0x7000);
	scene_end(&s);
	assert_site(&s, 4, 2, 48);
	scene_free(&s);
}

/* Thinned out: realloc's events are all there, the others are the kernel's choice. */
static void test_thinned(void **state)
{
	const struct note_native how = {.pid = PID, .every = 4, .whole_from = 0x1000};
	uint64_t picked = 0x10010, left_out = 0x10010;
	struct scene s;

	(void)state;
	while (!note_native_picks(4, picked))
		picked += 16;
	while (note_native_picks(4, left_out))
		left_out += 16;
	scene_begin(&s);
	track_event(s.track, &(struct event){.kind = EVENT_NOTE,
					     .time = s.time,
					     .pid = PID,
					     .note = {.kind = NOTE_NATIVE, .native = how}});
	returns(&s, picked, 0x21, 0x7000);
	SEND(&s, EVENT_NATIVE_ENTER, {FIELD_P, left_out}, {FIELD_CHUNK, 0x21}, {FIELD_SP, 0x7000});
	returns(&s, left_out + 0x100000000, 0x2001, 0x7008);
	SEND(&s, EVENT_NATIVE_ENTER, {FIELD_P, picked}, {FIELD_CHUNK, 0x21}, {FIELD_SP, 0x7000});
	returns(&s, left_out, 0x31, 0x7008);
	scene_end(&s);
	assert_site(&s, 2, 1, 0x2000 - 8);
	assert_true(s.model.sites[0].est_live_bytes == 0x2000 - 8);
	assert_true(s.model.sites[0].est_births_bytes == 4 * 24 + 0x2000 - 8);
	scene_free(&s);
}

static void test_frees_unseen(void **state)
{
	struct scene s;

	(void)state;
	scene_begin(&s);
	returns(&s, 0x10010, 0x21, 0x7000);
	frees(&s, 0x20010, 0x7000);
	scene_end(&s);
	assert_int_equal(s.model.processes[0].ended_unseen[SITE_NATIVE], 1);
	scene_free(&s);
}

static void cgo_call(struct scene *s, uint64_t go, uint64_t fp)
{
	const uint64_t chain[] = {0x400000, go, 0x400999};
	struct event event = {.kind = EVENT_CGO_CALL,
			      .time = s->time += 1000,
			      .pid = PID,
			      .tid = TID,
			      .stack = chain,
			      .n_stack = 3};

	event.v[FIELD_FP] = fp;
	track_event(s->track, &event);
}

/* The Go frames of a stack are of the call that the thread is in, if it is known to be that one. */
static void test_go_frames(void **state)
{
	struct scene s;

	(void)state;
	scene_begin(&s);
	cgo_call(&s, 0x401000, 0xc000002000);
	cgo_call(&s, 0x402000, 0xc000001000); /* from a callback, inside the first */
	s.go = (struct event_go){.frame = 0xc000001000};
	returns(&s, 0x10010, 0x21, 0x7000);
	s.go.frame = 0xc000002000;
	returns(&s, 0x20010, 0x21, 0x7000);
	s.go.frame = 0xc000003000;
	returns(&s, 0x30010, 0x21, 0x7000);
	s.go = (struct event_go){.cut = true};
	returns(&s, 0x40010, 0x21, 0x7000);
	scene_end(&s);
	assert_int_equal(s.model.n_sites, 3);
	for (size_t i = 0; i < 3; i++) {
		const struct stack *stack = &s.model.stacks[s.model.sites[i].stack];

		assert_int_equal(stack->pcs[0], 0x1000);
		assert_int_equal(stack->n, i == 2 ? 1 : 3);
		if (i < 2)
			assert_int_equal(stack->pcs[1], i == 0 ? 0x402000 : 0x401000);
	}
	assert_int_equal(s.model.sites[0].births, 2);
	scene_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sizes),	  cmocka_unit_test(test_reallocs),
		cmocka_unit_test(test_entries),	  cmocka_unit_test(test_again),
		cmocka_unit_test(test_thinned),	  cmocka_unit_test(test_frees_unseen),
		cmocka_unit_test(test_go_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
