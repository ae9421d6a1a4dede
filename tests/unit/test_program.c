#include "analyze/program.h"

#include "formats/xalloc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define PID 4711

static void test_import_paths(void **state)
{
	static const char *const own[] = {
		"main.main",
		"main.(*server).accept",
		"main.main.func1",
		"main.(*Cache[go.shape.int,go.shape.struct { a/b.C }]).Set",
		"github.com/acme/shop/session.(*Store).Add",
		"gopkg.in/yaml%2ev3.unmarshal",
		/* Modules without a domain. */
		"shop.Open",
		"shop/internal/session.(*Store).Add",
		"stringsx.Join",
		"netting/http.Serve",
		"a-module-with-a-long-name.F",
	};
	static const char *const standard[] = {
		"archive/zip.OpenReader",
		"bytes.growSlice",
		"bytes.(*Buffer).Write",
		"encoding/json/v2.makeString",
		"fmt.Sprintf",
		"go/parser.ParseFile",
		"internal/runtime/maps.newTable",
		"net/http.(*conn).serve",
		"runtime.mallocgc",
		"slices.Grow[go.shape.struct { github.com/acme/shop.Item }]",
		"type:.eq.main.key",
		"type..eq.main.key",
		"uuid.New",
		"vendor/golang.org/x/net/http2/hpack.NewEncoder",
		"weak.Make[main.T]",
		/* C's, and none. */
		"malloc",
		"[unknown]",
		"",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(own) / sizeof(*own); i++)
		if (!is_of_program(own[i]))
			fail_msg("%s is taken for the standard library's", own[i]);
	for (size_t i = 0; i < sizeof(standard) / sizeof(*standard); i++)
		if (is_of_program(standard[i]))
			fail_msg("%s is taken for the program's", standard[i]);
}

static void name_address(struct model *model, uint64_t address, const char *function)
{
	struct symtab_frame frame = {function, "/src/file.go", 7, 5};

	symtab_add(model->symbols, PID, address, &frame, 1);
}

static void test_frames(void **state)
{
	static const uint64_t pcs[] = {0x10, 0x20, 0x30, 0x40, 0x50};
	struct model model;
	struct site *site;

	(void)state;
	model_init(&model);
	model.symbols = symtab_new();
	model.processes = xcalloc(1, sizeof(*model.processes));
	model.n_processes = 1;
	model.processes[0].pid = PID;
	model.stacks = xcalloc(2, sizeof(*model.stacks));
	model.n_stacks = 2;
	model.stacks[0].pcs = xreallocarray(NULL, 5, sizeof(*pcs));
	memcpy(model.stacks[0].pcs, pcs, sizeof(pcs));
	model.stacks[0].n = 5;
	model.stacks[1].pcs = xreallocarray(NULL, 2, sizeof(*pcs));
	memcpy(model.stacks[1].pcs, pcs, 2 * sizeof(*pcs));
	model.stacks[1].n = 2;
	model.sites = xcalloc(1, sizeof(*model.sites));
	model.n_sites = 1;
	site = &model.sites[0];
	name_address(&model, 0x10, "runtime.growslice");
	name_address(&model, 0x20, "bytes.growSlice");
	name_address(&model, 0x30, "fmt.Fprintf");
	name_address(&model, 0x40, "shop/metrics.(*Writer).Observe");
	name_address(&model, 0x50, "main.main");
	assert_string_equal(model_site_frame(&model, site)->function, "bytes.growSlice");
	assert_int_equal(program_frame_index(&model, site), 3);
	assert_string_equal(program_frame(&model, site)->function,
			    "shop/metrics.(*Writer).Observe");
	/* Mappings are of C too: their site is the caller of the system call. */
	site->kind = SITE_MAPPING;
	assert_null(program_frame(&model, site));
	/* There is none. */
	site->kind = SITE_HEAP;
	site->stack = 1;
	assert_int_equal(program_frame_index(&model, site), 2);
	assert_null(program_frame(&model, site));
	site->stack = UINT32_MAX;
	assert_int_equal(program_frame_index(&model, site), 0);
	/* The site is the program's own. */
	site->stack = 0;
	memcpy(model.stacks[0].pcs, &pcs[3], 2 * sizeof(*pcs));
	model.stacks[0].n = 2;
	assert_null(program_frame(&model, site));
	model_free(&model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_import_paths),
		cmocka_unit_test(test_frames),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
