/* The events that a user asks for: how their text is read, and where their places are. */

#include "record/extra_spec.h"

#include "formats/xalloc.h"
#include "record/extra_events.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct extra_spec parse(const char *text, bool is_kprobe)
{
	struct extra_spec spec;
	struct error *err = extra_spec_parse(text, is_kprobe, &spec);

	if (err)
		fail_msg("%s", error_message(err));
	return spec;
}

static void refuse(const char *text, bool is_kprobe, const char *why)
{
	struct extra_spec spec;
	struct error *err = extra_spec_parse(text, is_kprobe, &spec);

	assert_non_null(err);
	if (!strstr(error_message(err), why))
		fail_msg("'%s': %s", text, error_message(err));
	assert_non_null(error_remedy_text(err));
	error_free(err);
}

static void test_perf_events(void **state)
{
	struct extra_spec spec = parse("faults", false);

	(void)state;
	assert_int_equal(spec.kind, EXTRA_PERF);
	assert_string_equal(spec.name, "page-faults");
	assert_int_equal(spec.type, PERF_TYPE_SOFTWARE);
	assert_int_equal(spec.config, PERF_COUNT_SW_PAGE_FAULTS);
	assert_int_equal(spec.period, 1);
	assert_true(spec.has_address);
	assert_false(spec.is_freq);
	extra_spec_free(&spec);

	spec = parse("cycles/freq=99/:u", false);
	assert_int_equal(spec.type, PERF_TYPE_HARDWARE);
	assert_true(spec.is_freq);
	assert_int_equal(spec.period, 99);
	assert_true(spec.exclude_kernel);
	assert_false(spec.exclude_user);
	assert_false(spec.has_address);
	assert_string_equal(spec.name, "cycles/freq=99/:u");
	extra_spec_free(&spec);

	spec = parse("cpu-clock/period=1000000/", false);
	assert_false(spec.is_freq);
	assert_int_equal(spec.period, 1000000);
	extra_spec_free(&spec);

	spec = parse("cs:k", false);
	assert_string_equal(spec.name, "context-switches:k");
	assert_true(spec.exclude_user);
	extra_spec_free(&spec);
}

static void test_tracepoints(void **state)
{
	struct extra_spec spec = parse("sched:sched_sw*", false);

	(void)state;
	assert_int_equal(spec.kind, EXTRA_TRACEPOINT);
	assert_string_equal(spec.system, "sched");
	assert_string_equal(spec.name, "sched_sw*");
	assert_null(spec.filter);
	extra_spec_free(&spec);

	/* A filter has slashes, colons and blanks of its own. */
	spec = parse("block:block_rq_issue /rwbs ~ \"*R/*\" && dev == 8:1/ ", false);
	assert_string_equal(spec.name, "block_rq_issue");
	assert_string_equal(spec.filter, "rwbs ~ \"*R/*\" && dev == 8:1");
	extra_spec_free(&spec);
}

static void test_probes(void **state)
{
	struct extra_spec spec = parse("handle_mm_fault+0x4 address=%si:x64 f=%dx", true);

	(void)state;
	assert_int_equal(spec.kind, EXTRA_KPROBE);
	assert_string_equal(spec.name, "handle_mm_fault");
	assert_string_equal(spec.place, "handle_mm_fault+0x4");
	assert_string_equal(spec.args, "address=%si:x64 f=%dx");
	assert_false(spec.is_return);
	extra_spec_free(&spec);

	spec = parse("kprobe:do_exit%return", true);
	assert_string_equal(spec.place, "do_exit");
	assert_true(spec.is_return);
	assert_string_equal(spec.args, "");
	extra_spec_free(&spec);

	spec = parse("r16:kprobes/mine do_sys_open ret=$retval", false);
	assert_int_equal(spec.kind, EXTRA_KPROBE);
	assert_string_equal(spec.name, "mine");
	assert_string_equal(spec.place, "do_sys_open");
	assert_true(spec.is_return);
	extra_spec_free(&spec);

	spec = parse("p:mine /bin/x:0x40 a=%ax", false);
	assert_int_equal(spec.kind, EXTRA_UPROBE);
	assert_string_equal(spec.path, "/bin/x");
	assert_string_equal(spec.place, "0x40");
	extra_spec_free(&spec);

	/* Go's names have slashes and brackets, paths may have colons. */
	spec = parse("uprobe:/srv/a:b/prog:net/http.(*conn).serve+16 c=%ax", false);
	assert_string_equal(spec.path, "/srv/a:b/prog");
	assert_string_equal(spec.place, "net/http.(*conn).serve+16");
	assert_string_equal(spec.name, "net_http_conn_serve");
	assert_string_equal(spec.args, "c=%ax");
	extra_spec_free(&spec);
}

static void test_refusals(void **state)
{
	(void)state;
	refuse("", false, "empty");
	refuse("  ", true, "empty");
	refuse("nonsense", false, "no event is called so");
	refuse(":x", false, "no event is called so");
	refuse("sched:", false, "missing");
	refuse("sched:a:b", false, "not SYSTEM:NAME");
	refuse("sched:x/pid == 1", false, "does not end with a slash");
	refuse("sched:x //", false, "does not end with a slash");
	refuse("sched:x more", false, "nothing but a /FILTER/");
	refuse("page-faults:q", false, "stands :u, :k");
	refuse("cycles/period=0/", false, "period=N");
	refuse("cycles/period=", false, "period=N");
	refuse("cycles/freq=12x/", false, "period=N");
	refuse("uprobe:/bin/x", false, "PATH:SYMBOL");
	refuse("uprobe:/bin/x:", false, "PATH:SYMBOL");
	refuse("kprobe:", false, "place is missing");
	refuse("p:my-name do_exit", false, "letters, digits");
	refuse("p:7up do_exit", false, "begins with a letter");
	refuse("p:g/ do_exit", false, "begins with a letter");
	refuse("uprobe:/bin/x:f", true, "--kprobe takes a function of the kernel");
	refuse("p:x /bin/x:0x10", true, "--kprobe takes a function of the kernel");
}

static void test_lists(void **state)
{
	struct extra_specs specs = {0};

	(void)state;
	assert_null(extra_specs_add(&specs, "page-faults,cs,sched:sched_switch", false));
	assert_int_equal(specs.n, 3);
	assert_true(extra_specs_need_tracefs(&specs));
	assert_string_equal(specs.items[2].name, "sched_switch");
	/* Here the comma is an argument's. */
	assert_null(extra_specs_add(&specs, "kprobe:f a=$arg1,b", false));
	assert_int_equal(specs.n, 4);
	assert_string_equal(specs.items[3].args, "a=$arg1,b");
	extra_specs_free(&specs);
	assert_int_equal(specs.n, 0);
	assert_null(extra_specs_add(&specs, EXTRA_FAULTS, false));
	assert_int_equal(specs.n, 2);
	assert_true(specs.items[1].has_address);
	assert_false(extra_specs_need_tracefs(&specs));
	extra_specs_free(&specs);
}

static void test_event_names(void **state)
{
	static const char *const cases[][2] = {
		{"main.(*T).Method", "main_T_Method"},
		{"0x40", "at_0x40"},
		{"...", "at_"},
		{"a123456789012345678901234567890123456789012345678901234567890",
		 "a12345678901234567890123456789012345678901234567"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		char *name = extra_event_name(cases[i][0]);

		assert_string_equal(name, cases[i][1]);
		free(name);
	}
}

/* A function whose address the program itself can tell. */
__attribute__((noinline, used)) void test_landmark(void);
void test_landmark(void)
{
	__asm__ volatile("");
}

static struct error *offset_of(const char *place, uint64_t *offset)
{
	char *self = realpath("/proc/self/exe", NULL);
	char *text = xasprintf("uprobe:%s:%s", self, place);
	struct extra_spec spec = parse(text, false);
	struct error *err = extra_events_file_offset(&spec, offset);

	extra_spec_free(&spec);
	free(text);
	free(self);
	return err;
}

/* The mapping that holds the function tells its offset in the file. */
static uint64_t landmark_offset(void)
{
	uint64_t address = (uint64_t)(uintptr_t)&test_landmark, start, end, offset, found = 0;
	FILE *f = fopen("/proc/self/maps", "re");
	char line[4096];

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx %*s %lx", &start, &end, &offset) == 3 &&
		    address >= start && address < end)
			found = address - start + offset;
	}
	fclose(f);
	return found;
}

static void test_file_offsets(void **state)
{
	uint64_t offset, landmark = landmark_offset();
	struct error *err;

	(void)state;
	assert_true(landmark != 0);
	assert_null(offset_of("test_landmark", &offset));
	assert_int_equal(offset, landmark);
	assert_null(offset_of("test_landmark+0x3", &offset));
	assert_int_equal(offset, landmark + 3);
	assert_null(offset_of("0x1234", &offset));
	assert_int_equal(offset, 0x1234);
	err = offset_of("no_such_function", &offset);
	assert_non_null(strstr(error_message(err), "has no function no_such_function"));
	error_free(err);
	err = offset_of("test_landmark+x", &offset);
	assert_non_null(strstr(error_message(err), "no number"));
	error_free(err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_perf_events),  cmocka_unit_test(test_tracepoints),
		cmocka_unit_test(test_probes),	     cmocka_unit_test(test_refusals),
		cmocka_unit_test(test_lists),	     cmocka_unit_test(test_event_names),
		cmocka_unit_test(test_file_offsets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
