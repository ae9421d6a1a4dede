#include "record/list.h"
#include "record/plan.h"
#include "record/roles.h"

#include "formats/xalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void test_specialised_alloc(void **state)
{
	static const struct {
		const char *name;
		bool is;
		unsigned smallest, largest;
	} cases[] = {
		{"runtime.mallocgcSmallScanNoHeaderSC1", true, 1, 8},
		{"runtime.mallocgcSmallNoScanSC2", true, 9, 16},
		{"runtime.mallocgcSmallNoScanSC7", true, 65, 80},
		{"runtime.mallocgcSmallNoScanSC26", true, 481, 512},
		{"runtime.mallocgcTinySC2", true, 1, 15},
		{"runtime.mallocgcTinySize7", true, 7, 7},
		{"runtime.mallocgcTinySize16", false, 0, 0},
		{"runtime.mallocgcSmallNoScanSC27", false, 0, 0},
		{"runtime.mallocgcSmallNoScanSC0", false, 0, 0},
		{"runtime.mallocgcSmallNoScanSC", false, 0, 0},
		{"runtime.mallocgcSmallNoScanSC2.func1", false, 0, 0},
		{"runtime.mallocgcSmallNoScanSC99999999999999999999", false, 0, 0},
		{"runtime.mallocgcSmallNoScanSlowPath", false, 0, 0},
		{"runtime.mallocgcTinySlowPath", false, 0, 0},
		{"runtime.mallocgc", false, 0, 0},
		{"main.mallocgcSmallNoScanSC2", false, 0, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		unsigned smallest = 0, largest = 0;
		bool is = role_specialised_alloc(cases[i].name, &smallest, &largest);

		if (is != cases[i].is)
			fail_msg("%s: %d", cases[i].name, is);
		if (is) {
			assert_int_equal(smallest, cases[i].smallest);
			assert_int_equal(largest, cases[i].largest);
		}
	}
}

static void test_ranges(void **state)
{
	const struct go_version v16 = {.minor = 16}, v19 = {.minor = 19}, devel = {.minor = -1};

	(void)state;
	assert_true(role_in_range(&v16, 0, 0));
	assert_true(role_in_range(&v16, 0, 16));
	assert_false(role_in_range(&v16, 17, 0));
	assert_true(role_in_range(&v19, 17, 19));
	assert_false(role_in_range(&v19, 0, 18));
	assert_true(role_in_range(&devel, 30, 0));
	assert_false(role_in_range(&devel, 0, 30));
}

/* What tracefs demands of names, and the table of itself. */
static void test_table(void **state)
{
	(void)state;
	for (int role = 0; role < ROLE_COUNT; role++) {
		size_t sites = 0;

		for (const struct role_site *s = role_sites; s->symbol; s++)
			sites += s->role == (enum probe_role)role;
		/* C functions have a table of their own. */
		assert_true(sites > 0 || role == ROLE_NATIVE);
		assert_string_not_equal(probe_role_name((enum probe_role)role), "?");
	}
	for (const struct role_site *s = role_sites; s->symbol; s++) {
		assert_true(strlen(s->event) < 32);
		assert_int_equal(strspn(s->event, "abcdefghijklmnopqrstuvwxyz_"), strlen(s->event));
		assert_int_equal(s->where != SITE_ENTRY, s->callee != NULL);
		/* Sites of one event follow each other. */
		for (const struct role_site *t = s + 1; t->symbol; t++)
			if (!strcmp(t->event, s->event))
				assert_string_equal((t - 1)->event, s->event);
		/* At no version does an event have two fields of one name. */
		for (int minor = 15; minor < 30; minor++) {
			const struct go_version version = {.minor = minor};

			for (const struct role_field *f = s->fields; f->name; f++)
				for (const struct role_field *g = f + 1; g->name; g++)
					if (role_in_range(&version, f->since, f->until) &&
					    role_in_range(&version, g->since, g->until))
						assert_string_not_equal(f->name, g->name);
		}
	}
}

static void test_drop_arrays(void **state)
{
	struct plan plan = {.probes = xcalloc(2, sizeof(struct probe)), .n_probes = 2};

	(void)state;
	plan.probes[0].event = xstrdup("birth");
	plan.probes[0].args = xcalloc(3, sizeof(struct probe_arg));
	plan.probes[0].n_args = 3;
	plan.probes[0].args[0] = (struct probe_arg){"p", xstrdup("%ax:x64")};
	plan.probes[0].args[1] = (struct probe_arg){"stk", xstrdup("+48(%bx):x64[48]")};
	plan.probes[0].args[2] = (struct probe_arg){"b", xstrdup("%bx:x64")};
	plan_drop_arrays(&plan);
	assert_int_equal(plan.probes[0].n_args, 2);
	assert_string_equal(plan.probes[0].args[0].name, "p");
	assert_string_equal(plan.probes[0].args[1].name, "b");
	assert_string_equal(plan.probes[0].args[1].expr, "%bx:x64");
	assert_int_equal(plan.n_losses, 1);
	assert_string_equal(plan.losses[0], "birth: no stk: kernels before 4.20 fetch no arrays");
	plan_free(&plan);
}

/* --- plans of a real program, where there is a Go on PATH --- */

static const char *const goarch[] = {"amd64", "arm64", "loong64"};

/* Builds a program for an architecture; skips the test where that cannot be done. */
static struct gobin *build(const char *arch)
{
	static const char source[] = "tests/programs/probed/main.go";
	char path[] = "/tmp/test_plan.XXXXXX";
	struct gobin *bin = NULL;
	char *command;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	close(fd);
	command = xasprintf("GO111MODULE=off GOFLAGS='' GOTOOLCHAIN=local GOARCH=%s CGO_ENABLED=0 "
			    "go build -o %s %s >/dev/null 2>&1",
			    arch, path, source);
	if (access(source, R_OK) == 0 && system(command) == 0)
		assert_null(gobin_open(path, &bin));
	free(command);
	unlink(path);
	if (!bin)
		skip();
	return bin;
}

static struct plan make(const struct gobin *bin, enum heap_mode heap, uint64_t min_size)
{
	struct plan plan;

	assert_null(plan_make(
		bin, &(struct plan_options){.heap = heap, .goroutines = true, .min_size = min_size},
		&plan));
	return plan;
}

static const struct probe *find(const struct plan *plan, const char *event)
{
	for (size_t i = 0; i < plan->n_probes; i++)
		if (!strcmp(plan->probes[i].event, event))
			return &plan->probes[i];
	return NULL;
}

static const char *arg(const struct probe *probe, const char *name)
{
	for (size_t i = 0; i < probe->n_args; i++)
		if (!strcmp(probe->args[i].name, name))
			return probe->args[i].expr;
	return "";
}

/* What holds for every probe of every plan. */
static void check_probes(const struct gobin *bin, const struct plan *plan)
{
	for (size_t i = 0; i < plan->n_probes; i++) {
		const struct probe *probe = &plan->probes[i];
		struct gobin_function fn;
		uint64_t offset;

		assert_true(gobin_function_at(bin, probe->address, &fn));
		assert_string_equal(fn.name, probe->symbol);
		assert_true(gobin_file_offset(bin, probe->address, &offset));
		assert_int_equal(offset, probe->file_offset);
		assert_ptr_equal(find(plan, probe->event), probe);
		assert_true(strlen(probe->event) < 64 && probe->n_args > 0);
		for (size_t k = 0; k < probe->n_args; k++) {
			assert_true(strlen(probe->args[k].expr) <= 63);
			assert_non_null(strchr(probe->args[k].expr, ':'));
		}
		/* A filter on restarts needs its field. */
		if (probe->filter && strstr(probe->filter, "flags"))
			assert_string_not_equal(arg(probe, "flags"), "");
		assert_int_equal(probe->placement == PLACE_EMULATED_TWICE,
				 probe->filter && strstr(probe->filter, "flags") != NULL);
	}
}

static void test_modes(void **state)
{
	static const struct {
		enum heap_mode mode;
		bool birth, alloc, refill, gc;
	} cases[] = {
		{HEAP_SAMPLED, true, false, false, true},    {HEAP_ALL, true, true, false, true},
		{HEAP_SPAN, false, false, true, true},	     {HEAP_OFF, false, false, false, true},
		{HEAP_COUNTERS, false, false, false, false}, {HEAP_AUTO, true, false, false, true},
	};

	(void)state;
	for (size_t a = 0; a < 3; a++) {
		struct gobin *bin = build(goarch[a]);

		for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
			struct plan plan = make(bin, cases[i].mode, 0);

			assert_int_equal(plan.n_losses, 0);
			assert_int_equal(find(&plan, "birth") != NULL, cases[i].birth);
			assert_int_equal(find(&plan, "death") != NULL, cases[i].birth);
			assert_int_equal(find(&plan, "alloc_mallocgc") != NULL, cases[i].alloc);
			assert_int_equal(find(&plan, "refill") != NULL, cases[i].refill);
			assert_int_equal(find(&plan, "large") != NULL, cases[i].refill);
			assert_int_equal(find(&plan, "release") != NULL, cases[i].refill);
			assert_int_equal(find(&plan, "gc_end") != NULL, cases[i].gc);
			assert_non_null(find(&plan, "go_create"));
			assert_non_null(plan.heap_reason);
			/* The program uses runtime/pprof. */
			if (cases[i].mode == HEAP_AUTO)
				assert_int_equal(plan.heap, HEAP_SAMPLED);
			check_probes(bin, &plan);
			plan_free(&plan);
		}
		gobin_close(bin);
	}
}

/* The registers of arguments are those of the Go ABI; globals lie where the symbol table says. */
static void test_arguments(void **state)
{
	struct gobin *bin = build("amd64");
	const struct go_layout *layout = gobin_layout(bin);
	struct plan plan = make(bin, HEAP_ALL, 0);
	const struct probe *birth = find(&plan, "birth"), *death = find(&plan, "death");
	uint64_t address, size;
	char *want;

	(void)state;
	if (gobin_version(bin)->minor < 19) {
		plan_free(&plan);
		gobin_close(bin);
		skip();
	}
	assert_string_equal(arg(birth, "p"), "%ax:x64");
	assert_string_equal(arg(birth, "b"), "%bx:x64");
	assert_string_equal(arg(birth, "size"), "+32(%bx):u64");
	assert_string_equal(arg(birth, "stk"), "+48(%bx):x64[48]");
	want = xasprintf("+%d(+%d(+48(%%r14))):u64", layout->g_goid, layout->m_curg);
	assert_string_equal(arg(birth, "goid"), want);
	free(want);
	assert_true(gobin_data_symbol(bin, "runtime.mProfCycle", &address, &size));
	want = xasprintf("@+0x%llx:u32",
			 (unsigned long long)(address - birth->address + birth->file_offset));
	assert_string_equal(arg(birth, "cycle"), want);
	free(want);
	assert_string_equal(arg(death, "p"), "%bx:x64");
	assert_string_equal(arg(death, "size"), "%cx:u64");
	want = xasprintf("kind == %d", layout->kind_profile);
	assert_non_null(strstr(death->filter, want));
	free(want);
	assert_true(birth->callchain);
	assert_false(death->callchain);
	assert_string_equal(arg(find(&plan, "alloc_mallocgc"), "size"), "%ax:u64");
	plan_free(&plan);
	gobin_close(bin);
}

static void test_min_size(void **state)
{
	struct gobin *bin = build("amd64");
	struct plan plan = make(bin, HEAP_ALL, 1000);

	(void)state;
	assert_string_equal(find(&plan, "alloc_mallocgc")->filter, "size >= 1000");
	/* What serves small sizes only is left out. */
	assert_null(find(&plan, "alloc_SmallNoScanSC2"));
	plan_free(&plan);
	gobin_close(bin);
}

static void test_list(void **state)
{
	struct gobin *bin = build("arm64");
	struct plan plan = make(bin, HEAP_SAMPLED, 0);
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	(void)state;
	assert_null(list_print(out, bin, &plan, NULL));
	fclose(out);
	assert_non_null(strstr(text, " for arm64"));
	for (size_t i = 0; i < plan.n_probes; i++) {
		assert_non_null(strstr(text, plan.probes[i].symbol));
		assert_non_null(strstr(text, plan.probes[i].instruction));
		assert_non_null(strstr(text, plan.probes[i].args[0].expr));
	}
	free(text);
	out = fopen("/dev/full", "w");
	if (out) {
		struct error *err = list_print(out, bin, &plan, NULL);

		assert_non_null(err);
		error_free(err);
		fclose(out);
	}
	plan_free(&plan);
	gobin_close(bin);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_specialised_alloc),
		cmocka_unit_test(test_ranges),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_drop_arrays),
		cmocka_unit_test(test_modes),
		cmocka_unit_test(test_arguments),
		cmocka_unit_test(test_min_size),
		cmocka_unit_test(test_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
