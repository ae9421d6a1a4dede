#include "common/code_refs.h"
#include "common/gobin_internal.h"
#include "formats/xalloc.h"

#include <ctype.h>
#include <elf.h>
#include <stdlib.h>
#include <string.h>

/*
 * Functions of the runtime that every program has from a version on, whatever it is built for;
 * newest first. Compared over all functions of programs built by each version.
 */
static const struct {
	int minor;
	const char *functions[2]; /* either will do */
} since[] = {
	{27, {"runtime.addModuleItabs", "runtime.moduleTypelinks"}},
	{26, {"runtime.gcBeginWork", "runtime.gcNextMarkRoot"}},
	{25, {"runtime.gcPrepareMarkRoots", "runtime.(*cleanupQueue).enqueue"}},
	{24, {"runtime.postMallocgcDebug", "runtime.mallocgcLarge"}},
	{23, {"runtime.traceRegisterLabelsAndReasons", "runtime.(*timer).unlockAndRun"}},
	{22, {"runtime.gdestroy", "runtime.forEachPInternal"}},
	{21, {"runtime.(*unwinder).next", "runtime.newInlineUnwinder"}},
	{19, {"runtime.readGOMEMLIMIT", "runtime.(*gcCPULimiterState).accumulate"}},
	{17, {"runtime.freeSpecial", "runtime.(*sweepLocked).sweep"}},
};

#define MAX_VERSION 1024 /* bytes of a version's text */

static const int oldest_minor[] = {
	[PCLNTAB_1_2] = 15,
	[PCLNTAB_1_16] = 16,
	[PCLNTAB_1_18] = 18,
	[PCLNTAB_1_20] = 20,
};

/* A number that stands at *text, which is moved past it; -1 where none does. */
static int parse_number(const char **text)
{
	int v = 0;

	if (!isdigit((unsigned char)**text))
		return -1;
	for (; isdigit((unsigned char)**text) && v < 100000; (*text)++)
		v = v * 10 + (**text - '0');
	return v;
}

/*
 * "go1.27.4", "go1.27", "go1.27rc1", "go1.27.4-X:nosizespecializedmalloc", "go1.17.3 X:noregabi",
 * "devel go1.28-abcdef ...", "devel +abcdef ...".
 */
bool gobin_version_parse(const char *text, struct go_version *version)
{
	const char *at = strstr(text, "go1.");
	bool devel = strncmp(text, "devel", 5) == 0;

	*version = (struct go_version){.major = 1, .minor = -1, .patch = -1, .certain = true};
	version->text = text;
	if (!at)
		return devel;
	at += 4;
	version->minor = parse_number(&at);
	if (version->minor < 0)
		return devel;
	if (*at == '.') {
		at++;
		version->patch = parse_number(&at);
	} else if (!devel) {
		version->patch = 0;
	}
	return true;
}

static bool from_text(struct gobin *bin, const char *text, size_t len, const char *source)
{
	char *copy = xstrndup(text, len);

	if (!gobin_version_parse(copy, &bin->version)) {
		free(copy);
		return false;
	}
	free(bin->version_text);
	bin->version_text = copy;
	bin->version.source = source;
	return true;
}

/* Whether the Go string whose header is at an address is a version; if so it is taken. */
static bool from_variable(struct gobin *bin, uint64_t address)
{
	uint64_t data, len;
	const uint8_t *text;

	if (!elf_file_u64(bin->file, address, &data) ||
	    !elf_file_u64(bin->file, address + 8, &len) || len > MAX_VERSION)
		return false;
	text = elf_file_bytes(bin->file, data, len);
	if (!text || len < 4 || (memcmp(text, "go1.", 4) != 0 && memcmp(text, "deve", 4) != 0))
		return false;
	return from_text(bin, (const char *)text, len, "runtime.buildVersion");
}

static bool from_symbol(struct gobin *bin)
{
	uint64_t address;

	return gobin_data_symbol(bin, "runtime.buildVersion", &address, NULL) &&
	       from_variable(bin, address);
}

/* schedinit asks whether the length of buildVersion is zero, in every version. */
static bool from_code(struct gobin *bin)
{
	struct code_refs refs = {0};
	struct gobin_function fn;
	const uint8_t *code;
	bool found = false;

	if (!gobin_function(bin, "runtime.schedinit", &fn))
		return false;
	code = gobin_bytes(bin, fn.address, fn.size);
	if (code)
		code_refs_collect(bin->arch, code, fn.size, fn.address, &refs);
	for (size_t i = 0; i < refs.count && !found; i++) {
		const struct code_ref *ref = &refs.items[i];

		found = ref->kind == CODE_REF_LOAD && ref->size == 8 &&
			from_variable(bin, ref->target - 8);
	}
	code_refs_free(&refs);
	return found;
}

int gobin_version_deduce(const struct gobin *bin)
{
	struct gobin_function fn;

	for (size_t i = 0; i < sizeof(since) / sizeof(since[0]); i++) {
		/* The table's format says that it is at least so new. */
		if (since[i].minor <= oldest_minor[bin->pclntab.format])
			break;
		if (gobin_function(bin, since[i].functions[0], &fn) ||
		    gobin_function(bin, since[i].functions[1], &fn))
			return since[i].minor;
	}
	return oldest_minor[bin->pclntab.format];
}

void gobin_version_find(struct gobin *bin)
{
	const char *text = bin->buildinfo.version ? bin->buildinfo.version : "";

	if (!from_text(bin, text, strlen(text), ".go.buildinfo") && !from_symbol(bin)) {
		bin->version_text = xstrdup("");
		bin->version = (struct go_version){.minor = -1, .source = "pclntab"};
	}
	bin->version.text = bin->version_text;
	if (bin->version.minor >= 0)
		return;
	bin->version.major = 1;
	bin->version.minor = gobin_version_deduce(bin);
	bin->version.patch = -1;
	bin->version.certain = false;
}

void gobin_version_refine(struct gobin *bin)
{
	struct go_version deduced = bin->version;

	if (bin->version_text[0] || !from_code(bin))
		return;
	bin->version.text = bin->version_text;
	if (bin->version.minor >= 0)
		return;
	bin->version.minor = deduced.minor;
	bin->version.certain = false;
}
