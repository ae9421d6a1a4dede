#include "record/plan_fetch.h"

#include "common/go_globals.h"
#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

/* trace_probe.h: longer expressions are refused (MAX_ARGSTR_LEN, Linux 6.1). */
enum { MAX_EXPR = 63 };

struct fetcher {
	const struct gobin *bin;
	const struct arch *arch;
	const struct role_site *site;
	const struct place *place;
	struct probe *probe;
	enum go_abi abi;
	size_t cap_args;
};

static bool field_applies(const struct gobin *bin, const struct role_field *field)
{
	return role_in_range(gobin_version(bin), field->since, field->until);
}

/* The member's offset in bytes; -1 where this Go version has none or it is not known. */
static int member_offset(const struct gobin *bin, const struct role_field *field)
{
	if (field->layout == LAYOUT_NONE)
		return 0;
	return *(const int *)((const char *)gobin_layout(bin) + field->layout);
}

struct place_need fetch_need(const struct gobin *bin, const struct role_site *site)
{
	const struct arch *arch = arch_get(gobin_arch(bin));
	const struct go_version *version = gobin_version(bin);
	bool registers = arch_abi(arch, version) == GO_ABI_REGISTERS;
	struct place_need need = {
		.g_reg = role_in_range(version, arch->g_since, 0) ? arch->g : -1,
		.on_g0 = site->on_g0,
		.chain = site->callchain && arch->frame_chain,
	};

	for (const struct role_field *f = site->fields; f->name; f++) {
		if (!field_applies(bin, f))
			continue;
		if (f->source == FIELD_GOID || f->source == FIELD_USER_GOID)
			need.g = true;
		if (f->source != FIELD_ARG && f->source != FIELD_ARG_AT)
			continue;
		if (registers && f->arg < (int)arch->n_reg_args)
			need.regs |= UINT64_C(1) << arch->reg_args[f->arg];
		else
			need.stack_args = true;
	}
	return need;
}

static void add_arg(struct fetcher *f, const char *name, char *expr)
{
	struct probe *probe = f->probe;

	xgrow(probe->args, f->cap_args, probe->n_args + 1);
	probe->args[probe->n_args++] = (struct probe_arg){.name = name, .expr = expr};
}

static void add_loss(struct fetcher *f, const char *name, const char *why)
{
	char *old = f->probe->loss;

	f->probe->loss = old ? xasprintf("%s; no %s: %s", old, name, why)
			     : xasprintf("no %s: %s", name, why);
	free(old);
}

/* An argument's own value, without a type: "%bx" or "+16(%sp)". */
static char *argument(const struct fetcher *f, int n)
{
	const struct arch *arch = f->arch;
	bool call = f->site->where == SITE_CALL;
	long long base = call ? arch->stack_args_call : arch->stack_args - f->place->sp_offset;

	if (f->abi == GO_ABI_REGISTERS)
		return xasprintf("%%%s", arch->reg_names[arch->reg_args[n]]);
	return xasprintf("%+lld(%%%s)", base + 8 * n, arch->reg_names[arch->sp]);
}

/* The callee's first result, in the same way: their sequence is that of the arguments. */
static char *result(const struct fetcher *f)
{
	const struct arch *arch = f->arch;

	if (f->abi == GO_ABI_REGISTERS)
		return argument(f, 0);
	return xasprintf("%+d(%%%s)", arch->stack_args_call + f->site->result_at,
			 arch->reg_names[arch->sp]);
}

static char *global_expr(const struct fetcher *f, const struct role_field *field, int offset)
{
	const struct probe *probe = f->probe;
	uint64_t address, base = probe->address - probe->file_offset;

	if (!gobin_global(f->bin, field->global, &address))
		return NULL;
	address += (uint64_t)offset;
	/* "@+N" is N bytes from where the file's first byte would be mapped. */
	if (address < base)
		return NULL;
	return xasprintf("@+0x%llx:%s", (unsigned long long)(address - base), field->type);
}

static void fetch_global(struct fetcher *f, const struct role_field *field, int offset)
{
	char *expr = global_expr(f, field, offset);
	char *why;

	if (expr) {
		add_arg(f, field->name, expr);
		return;
	}
	why = xasprintf("where %s lies is not known", field->global);
	add_loss(f, field->name, why);
	free(why);
}

static void fetch_goid(struct fetcher *f, const struct role_field *field)
{
	const struct go_layout *layout = gobin_layout(f->bin);
	const char *g;

	if (f->place->g_reg < 0 || (f->site->where != SITE_ENTRY &&
				    !role_in_range(gobin_version(f->bin), f->arch->g_since, 0))) {
		add_loss(f, field->name, "no register holds the goroutine there");
		return;
	}
	g = f->arch->reg_names[f->place->g_reg];
	if (field->source == FIELD_GOID && layout->g_goid >= 0)
		add_arg(f, field->name, xasprintf("+%d(%%%s):%s", layout->g_goid, g, field->type));
	else if (layout->g_goid >= 0 && layout->g_m >= 0 && layout->m_curg >= 0)
		add_arg(f, field->name,
			xasprintf("+%d(+%d(+%d(%%%s))):%s", layout->g_goid, layout->m_curg,
				  layout->g_m, g, field->type));
	else
		add_loss(f, field->name, "the layout of g is not known");
}

static void fetch_frame(struct fetcher *f, const struct role_field *field)
{
	bool frame = f->place->frame && f->arch->fp >= 0;

	add_arg(f, frame ? "fp" : "sp",
		xasprintf("%%%s:%s", f->arch->reg_names[frame ? f->arch->fp : f->arch->sp],
			  field->type));
}

static void fetch_field(struct fetcher *f, const struct role_field *field)
{
	int offset = member_offset(f->bin, field);
	char *base;

	if (offset < 0) {
		add_loss(f, field->name, "not kept in this Go version");
		return;
	}
	switch (field->source) {
	case FIELD_ARG:
		base = argument(f, field->arg);
		add_arg(f, field->name, xasprintf("%s:%s", base, field->type));
		break;
	case FIELD_ARG_AT:
		base = argument(f, field->arg);
		add_arg(f, field->name, xasprintf("+%d(%s):%s", offset, base, field->type));
		break;
	case FIELD_RESULT:
		base = result(f);
		add_arg(f, field->name, xasprintf("%s:%s", base, field->type));
		break;
	case FIELD_RESULT_AT:
		base = result(f);
		add_arg(f, field->name, xasprintf("+%d(%s):%s", offset, base, field->type));
		break;
	case FIELD_RESULT_TO:
		base = result(f);
		add_arg(f, field->name, xasprintf("+0(+%d(%s)):%s", offset, base, field->type));
		break;
	case FIELD_FRAME:
		fetch_frame(f, field);
		return;
	case FIELD_GLOBAL:
		fetch_global(f, field, offset);
		return;
	case FIELD_GOID:
	case FIELD_USER_GOID:
		fetch_goid(f, field);
		return;
	default:
		return;
	}
	free(base);
}

/*
 * The return address, where a call chain would lack the caller or be absent: before the frame is
 * set up, or on an architecture without frame pointers.
 */
static void fetch_return_address(struct fetcher *f)
{
	const struct arch *arch = f->arch;

	if (!f->site->callchain || f->site->where != SITE_ENTRY || f->place->frame)
		return;
	if (arch->link < 0)
		add_arg(f, "ret",
			xasprintf("%+lld(%%%s):x64", -(long long)f->place->sp_offset,
				  arch->reg_names[arch->sp]));
	else if (f->place->link)
		add_arg(f, "ret", xasprintf("%%%s:x64", arch->reg_names[arch->link]));
}

void fetch_args(const struct gobin *bin, const struct role_site *site, const struct place *place,
		struct probe *probe)
{
	struct fetcher f = {.bin = bin,
			    .arch = arch_get(gobin_arch(bin)),
			    .site = site,
			    .place = place,
			    .probe = probe};

	f.abi = arch_abi(f.arch, gobin_version(bin));
	for (const struct role_field *field = site->fields; field->name; field++)
		if (field_applies(bin, field))
			fetch_field(&f, field);
	fetch_return_address(&f);
	if (place->filter)
		add_arg(&f, "flags", xasprintf("%%%s:x64", f.arch->reg_names[place->filter_reg]));
	for (size_t i = 0; i < probe->n_args; i++) {
		if (strlen(probe->args[i].expr) <= MAX_EXPR)
			continue;
		add_loss(&f, probe->args[i].name, "its expression is too long for the kernel");
		free(probe->args[i].expr);
		probe->args[i] = probe->args[--probe->n_args];
		i--;
	}
}
