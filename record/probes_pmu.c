#include "record/probes_pmu.h"

#include "formats/bytes.h"
#include "formats/xalloc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool probes_pmu_type(uint32_t *type)
{
	FILE *f = fopen("/sys/bus/event_source/devices/uprobe/type", "re");
	bool ok = f && fscanf(f, "%u", type) == 1;

	if (f)
		fclose(f);
	return ok;
}

/* The register that an argument is, whole: "%ax:x64"; -1 where it takes memory to tell. */
static int register_of(const struct arch *arch, const struct probe_arg *arg)
{
	const char *end = strchr(arg->expr, ':');

	if (arg->expr[0] != '%' || !end)
		return -1;
	return arch_perf_register(arch, arg->expr + 1, (size_t)(end - arg->expr - 1));
}

static void put(struct buffer *out, const char *text)
{
	buffer_append(out, text, strlen(text));
}

/* The name that tells of the registers; the mask of these. */
static char *name_event(const struct probe *probe, const struct arch *arch, size_t group,
			uint64_t *mask)
{
	struct buffer name = {0};
	char part[64];

	*mask = 0;
	snprintf(part, sizeof(part), PROBE_GROUP_PREFIX "%d_%zu:", getpid(), group);
	put(&name, part);
	put(&name, probe->event);
	for (size_t i = 0; i < probe->n_args; i++) {
		int reg = register_of(arch, &probe->args[i]);

		if (reg < 0)
			continue;
		put(&name, *mask ? "," : "(");
		snprintf(part, sizeof(part), "%.40s=%d", probe->args[i].name, reg);
		put(&name, part);
		*mask |= 1ull << reg;
	}
	put(&name, *mask ? ")" : "()");
	buffer_u8(&name, 0);
	return (char *)name.data;
}

static void append(struct probes *probes, uint32_t type, const struct probe *probe,
		   const struct arch *arch, const char *exe_ref, size_t group, uint64_t period)
{
	uint64_t mask;
	char *name = name_event(probe, arch, group, &mask);
	struct trace_event *event = probes_append(probes, NULL, name, type, 0);

	event->path = xstrdup(exe_ref);
	event->offset = probe->file_offset;
	event->user_regs = mask;
	event->callchain = probe->callchain;
	event->period = period;
	free(name);
}

void probes_pmu_install(struct probes *probes, uint32_t type, struct plan *plan,
			const struct arch *arch, const char *exe_ref, uint64_t alloc_period)
{
	size_t group;

	probes_events(probes, &group);
	for (size_t i = 0; i < plan->n_probes; i++) {
		const struct probe *probe = &plan->probes[i];

		append(probes, type, probe, arch, exe_ref, group,
		       probe->role == ROLE_ALLOC && alloc_period > 1 ? alloc_period : 1);
	}
	plan_add_loss(plan, xstrdup("without tracefs: system calls, goroutines of objects, the "
				    "collector's figures; stacks and sizes are known by the bucket "
				    "table alone, so in heap dumps that were taken before its "
				    "next reading objects may be compared without their sizes; a "
				    "finalizer that is dropped counts as the death of its object"));
}
