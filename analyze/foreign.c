#include "analyze/foreign.h"

#include "common/arch.h"
#include "common/gobin.h"
#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* A process that maps more than this is not looked at further. */
#define MAX_MAPPINGS ((size_t)1 << 16)
#define MAX_FRAMES   64

/* A file that was mapped, opened when it is asked for first. */
struct binary {
	char *path;
	struct gobin *bin; /* NULL: not at hand, or no Go */
	bool tried;
};

struct mapping {
	uint32_t pid;
	uint64_t start, end, offset;
	size_t binary;
};

struct foreign {
	const struct perfdata_info *info;
	const struct symtab *symbols;
	struct mapping *mappings;
	size_t n_mappings, cap_mappings;
	struct binary *binaries;
	size_t n_binaries, cap_binaries;
	char **remarks;
	size_t n_remarks, cap_remarks;
};

/* The functions that say something, and their arguments in order (record/roles.c has the source).
 */
static const struct known_function {
	const char *symbol;
	enum event_kind kind;
	size_t n_args;
	struct {
		const char *name;
		enum event_field to;
		bool wanted;
	} args[FOREIGN_MAX_ARGS];
} known_functions[] = {
	{"runtime.setprofilebucket", EVENT_BIRTH, 2, {{"p", FIELD_P, true}, {"b", FIELD_B, true}}},
	{"runtime.freeSpecial",
	 EVENT_DEATH,
	 3,
	 {{"s", 0, false}, {"p", FIELD_P, true}, {"size", FIELD_SIZE, true}}},
	{"runtime.freespecial",
	 EVENT_DEATH,
	 3,
	 {{"s", 0, false}, {"p", FIELD_P, true}, {"size", FIELD_SIZE, true}}},
	{.symbol = "runtime.(*gcControllerState).startCycle", .kind = EVENT_GC_START},
	{.symbol = "runtime.gcMarkTermination", .kind = EVENT_GC_MARK_TERM},
	{.symbol = "runtime.mProf_Flush", .kind = EVENT_GC_END},
};

/* Fields that `record` fetches beside the arguments: not one of these is an argument. */
static const char *const other_fields[] = {
	"b",	"size", "kind", "goid", "cycle", "cycles",
	"nstk", "stk",	"ret",	"live", "goal",	 "numgc",
};

struct foreign *foreign_new(const struct perfdata_info *info, const struct symtab *symbols)
{
	struct foreign *foreign = xcalloc(1, sizeof(*foreign));

	foreign->info = info;
	foreign->symbols = symbols;
	return foreign;
}

/* ---- Binaries --------------------------------------------------------------------------- */

static size_t binary_of(struct foreign *foreign, const char *path)
{
	for (size_t i = 0; i < foreign->n_binaries; i++)
		if (!strcmp(foreign->binaries[i].path, path))
			return i;
	xgrow(foreign->binaries, foreign->cap_binaries, foreign->n_binaries + 1);
	foreign->binaries[foreign->n_binaries] = (struct binary){.path = xstrdup(path)};
	return foreign->n_binaries++;
}

void foreign_mapping(struct foreign *foreign, uint32_t pid, uint64_t start, uint64_t len,
		     uint64_t offset, const char *path)
{
	if (path[0] != '/' || path[1] == '/' || foreign->n_mappings >= MAX_MAPPINGS ||
	    len > UINT64_MAX - start)
		return;
	xgrow(foreign->mappings, foreign->cap_mappings, foreign->n_mappings + 1);
	foreign->mappings[foreign->n_mappings++] = (struct mapping){
		.pid = pid,
		.start = start,
		.end = start + len,
		.offset = offset,
		.binary = binary_of(foreign, path),
	};
}

static void remark(struct foreign *foreign, char *text)
{
	xgrow(foreign->remarks, foreign->cap_remarks, foreign->n_remarks + 1);
	foreign->remarks[foreign->n_remarks++] = text;
}

/* Whether the file is another one than the trace's build ids say. */
static bool has_changed(const struct foreign *foreign, const char *path, const struct gobin *bin)
{
	uint8_t id[20];
	size_t len = gobin_gnu_build_id(bin, id);

	for (size_t i = 0; i < foreign->info->n_build_ids && len; i++) {
		const struct perfdata_build_id *other = &foreign->info->build_ids[i];

		/* perf pads shorter ones with zeros. */
		if (other->path && !strcmp(other->path, path) && other->id_len >= len)
			return memcmp(other->id, id, len) != 0;
	}
	return false;
}

static struct gobin *open_binary(struct foreign *foreign, struct binary *binary)
{
	struct stat st;

	if (binary->tried)
		return binary->bin;
	binary->tried = true;
	/* The path is the trace's: not everything that has one may be opened without harm. */
	if (stat(binary->path, &st) != 0 || !S_ISREG(st.st_mode))
		return NULL;
	error_free(gobin_open(binary->path, &binary->bin));
	if (binary->bin && has_changed(foreign, binary->path, binary->bin)) {
		remark(foreign, xasprintf("%s is not the file that was recorded (its build id "
					  "differs): its names are not used",
					  binary->path));
		gobin_close(binary->bin);
		binary->bin = NULL;
	}
	return binary->bin;
}

/* The binary at an address, and the address as the file has it; the latest mapping counts. */
static struct gobin *locate(struct foreign *foreign, uint32_t pid, uint64_t address,
			    uint64_t *in_file)
{
	for (size_t i = foreign->n_mappings; i-- > 0;) {
		const struct mapping *mapping = &foreign->mappings[i];
		struct gobin *bin;

		if (mapping->pid != pid || address < mapping->start || address >= mapping->end)
			continue;
		bin = open_binary(foreign, &foreign->binaries[mapping->binary]);
		if (bin)
			*in_file = address - gobin_load_bias(bin, mapping->start, mapping->offset);
		return bin;
	}
	return NULL;
}

/* ---- Probes ----------------------------------------------------------------------------- */

/* The function at an address, and how it passes arguments (NULL: not known). */
static const char *function_at(struct foreign *foreign, uint32_t pid, uint64_t address,
			       const struct arch **arch)
{
	struct gobin_function fn;
	uint64_t in_file;
	struct gobin *bin = locate(foreign, pid, address, &in_file);
	const struct symtab_frame *frames;
	size_t n = 0;

	*arch = NULL;
	if (bin && gobin_function_at(bin, in_file, &fn)) {
		*arch = arch_get(gobin_arch(bin));
		if (*arch && arch_abi(*arch, gobin_version(bin)) != GO_ABI_REGISTERS)
			*arch = NULL;
		return fn.name;
	}
	frames = foreign->symbols ? symtab_find(foreign->symbols, pid, address, &n) : NULL;
	/* The outermost is the function that the code belongs to. */
	return n ? frames[n - 1].function : NULL;
}

static bool is_own_field(const char *name)
{
	return !strncmp(name, "common_", 7) || !strncmp(name, "__probe_", 8);
}

static bool is_known_field(const struct known_function *known, const char *name)
{
	for (size_t i = 0; i < known->n_args; i++)
		if (known->args[i].wanted && !strcmp(known->args[i].name, name))
			return true;
	for (size_t i = 0; i < sizeof(other_fields) / sizeof(*other_fields); i++)
		if (!strcmp(other_fields[i], name))
			return true;
	return false;
}

/* The field with an argument, by its name or by that of the register it is passed in. */
static const char *named_field(const struct tracing_data *tracing, uint64_t id, const char *name,
			       const struct arch *arch, size_t position)
{
	const char *field, *reg = NULL;

	for (size_t i = 0; (field = tracing_data_field_name(tracing, id, i)); i++)
		if (!strcmp(field, name))
			return field;
	if (arch && position < arch->n_reg_args)
		reg = arch->reg_names[arch->reg_args[position]];
	for (size_t i = 0; reg && (field = tracing_data_field_name(tracing, id, i)); i++) {
		const char *bare = field + strspn(field, "%_");

		if (!strcasecmp(bare, reg) || (*bare == 'r' && !strcasecmp(bare + 1, reg)))
			return field;
	}
	return NULL;
}

/* The nth field that is no known one; NULL: there are not so many. */
static const char *unnamed_field(const struct tracing_data *tracing, uint64_t id,
				 const struct known_function *known, size_t n)
{
	const char *field;

	for (size_t i = 0; (field = tracing_data_field_name(tracing, id, i)); i++) {
		if (is_own_field(field) || is_known_field(known, field))
			continue;
		if (n-- == 0)
			return field;
	}
	return NULL;
}

static void find_args(const struct tracing_data *tracing, uint64_t id, const struct arch *arch,
		      const struct known_function *known, struct foreign_probe *probe)
{
	const char *fields[FOREIGN_MAX_ARGS] = {NULL};
	size_t n_missing = 0, next = 0;

	for (size_t i = 0; i < known->n_args; i++) {
		fields[i] = named_field(tracing, id, known->args[i].name, arch, i);
		n_missing += !fields[i];
	}
	/* As many as are missing, with names that say nothing: then they stand in order. */
	if (n_missing && unnamed_field(tracing, id, known, n_missing - 1) &&
	    !unnamed_field(tracing, id, known, n_missing))
		for (size_t i = 0; i < known->n_args; i++)
			if (!fields[i])
				fields[i] = unnamed_field(tracing, id, known, next++);
	for (size_t i = 0; i < known->n_args; i++) {
		if (!known->args[i].wanted)
			continue;
		probe->args[probe->n_args].to = known->args[i].to;
		probe->args[probe->n_args++].field = fields[i];
	}
}

void foreign_identify(struct foreign *foreign, const struct tracing_data *tracing, uint64_t id,
		      uint32_t pid, uint64_t address, struct foreign_probe *probe)
{
	const struct arch *arch;

	*probe = (struct foreign_probe){.kind = EVENT_OTHER};
	probe->symbol = function_at(foreign, pid, address, &arch);
	if (!probe->symbol)
		return;
	for (size_t i = 0; i < sizeof(known_functions) / sizeof(*known_functions); i++) {
		const struct known_function *known = &known_functions[i];

		if (strcmp(known->symbol, probe->symbol))
			continue;
		probe->kind = known->kind;
		find_args(tracing, id, arch, known, probe);
		return;
	}
}

/* ---- Names ------------------------------------------------------------------------------ */

static void symbolize_stack(struct foreign *foreign, struct symtab *table, uint32_t pid,
			    const struct stack *stack)
{
	for (size_t i = 0; i < stack->n; i++) {
		struct symtab_frame frames[MAX_FRAMES];
		uint64_t address = stack->pcs[i], in_file;
		struct gobin_function fn;
		struct gobin *bin;
		size_t n;

		if (!address || symtab_find(table, pid, address, &n))
			continue;
		bin = locate(foreign, pid, address - 1, &in_file);
		if (!bin)
			continue;
		/* A return address belongs to the call; a function's first word to itself. */
		if (gobin_function_at(bin, in_file + 1, &fn) && fn.address == in_file + 1)
			in_file++;
		n = gobin_frames(bin, in_file, frames, MAX_FRAMES);
		if (n)
			symtab_add(table, pid, address, frames, n);
	}
}

/* What runs in a process, where the trace does not tell. */
static void name_version(struct foreign *foreign, struct process *process)
{
	for (size_t i = 0; i < foreign->n_binaries && process->exe && !process->go_version; i++) {
		struct binary *binary = &foreign->binaries[i];

		if (!strcmp(binary->path, process->exe) && open_binary(foreign, binary))
			process->go_version = xstrdup(gobin_version(binary->bin)->text);
	}
}

void foreign_symbolize(struct foreign *foreign, struct model *model)
{
	if (!model->symbols)
		model->symbols = symtab_new();
	for (size_t i = 0; i < model->n_processes; i++)
		name_version(foreign, &model->processes[i]);
	for (size_t i = 0; i < model->n_sites; i++) {
		const struct site *site = &model->sites[i];

		symbolize_stack(foreign, model->symbols, model->processes[site->process].pid,
				&model->stacks[site->stack]);
	}
}

const char *const *foreign_remarks(const struct foreign *foreign, size_t *n)
{
	*n = foreign->n_remarks;
	return (const char *const *)foreign->remarks;
}

void foreign_free(struct foreign *foreign)
{
	if (!foreign)
		return;
	for (size_t i = 0; i < foreign->n_binaries; i++) {
		gobin_close(foreign->binaries[i].bin);
		free(foreign->binaries[i].path);
	}
	for (size_t i = 0; i < foreign->n_remarks; i++)
		free(foreign->remarks[i]);
	free(foreign->remarks);
	free(foreign->binaries);
	free(foreign->mappings);
	free(foreign);
}
