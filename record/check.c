#include "record/check.h"

#include "common/arch.h"
#include "formats/xalloc.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <tracefs/tracefs.h>
#include <unistd.h>

static void say(FILE *out, bool ok, const char *what, const char *found, const char *remedy)
{
	fprintf(out, "%-3s  %-22s %s\n", ok ? "yes" : "no", what, found);
	if (!ok && remedy)
		fprintf(out, "     %-22s remedy: %s\n", "", remedy);
}

/* The first line of a small file, or "" where it cannot be read. */
static void first_line(const char *path, char *line, size_t size)
{
	FILE *f = fopen(path, "re");

	line[0] = '\0';
	if (!f)
		return;
	if (!fgets(line, (int)size, f))
		line[0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	fclose(f);
}

static bool check_perf(FILE *out)
{
	struct perf_event_attr attr = {
		.size = sizeof(attr),
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_DUMMY,
		.disabled = 1,
	};
	/* For every process on one CPU: the right that our note event needs. */
	int fd = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	int errnum = errno;
	char paranoid[32], found[128];

	first_line("/proc/sys/kernel/perf_event_paranoid", paranoid, sizeof(paranoid));
	if (fd >= 0) {
		close(fd);
		snprintf(found, sizeof(found), "open (kernel.perf_event_paranoid is %s)", paranoid);
	} else {
		snprintf(found, sizeof(found), "%s (kernel.perf_event_paranoid is %s)",
			 strerror(errnum), paranoid[0] ? paranoid : "missing");
	}
	say(out, fd >= 0, "perf events", found,
	    errnum == ENOSYS
		    ? "a kernel with CONFIG_PERF_EVENTS, or a seccomp profile that lets "
		      "perf_event_open through"
		    : "run record as root or with CAP_PERFMON; in a container, give it that "
		      "capability and a seccomp profile that lets perf_event_open through");
	return fd >= 0;
}

/* A file of tracefs that must be writable for us. */
static bool check_tracing_file(FILE *out, const char *what, const char *file, const char *config)
{
	const char *dir = NULL;
	char *path, *found, *remedy;
	bool mounted = tracefs_tracing_dir_is_mounted(false, &dir) > 0 && dir, ok;

	if (!mounted) {
		say(out, false, what, "tracefs is not mounted, or not visible from here",
		    "run record as root, which mounts it; in a container, mount "
		    "/sys/kernel/tracing into it");
		return false;
	}
	path = xasprintf("%s/%s", dir, file);
	ok = faccessat(AT_FDCWD, path, W_OK, AT_EACCESS) == 0;
	found = ok ? xstrdup(path) : xasprintf("%s: %s", path, strerror(errno));
	remedy = errno == ENOENT ? xasprintf("a kernel with %s", config)
				 : xstrdup("run record as root");
	say(out, ok, what, found, remedy);
	free(remedy);
	free(found);
	free(path);
	return ok;
}

static void check_calls(FILE *out)
{
	char *id = tracefs_event_file_read(NULL, "syscalls", "sys_enter_mmap", "id", NULL);

	say(out, id != NULL, "mmap, brk, madvise", id ? "system call tracepoints" : "not readable",
	    "root, and a kernel with CONFIG_FTRACE_SYSCALLS; without them mappings are left out");
	free(id);
}

static void check_last_reading(FILE *out)
{
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	say(out, fd >= 0, "last reading at exit", fd >= 0 ? "userfaultfd" : strerror(errno),
	    "run record as root; without it what is read of a program that ends by itself is "
	    "some seconds old");
	if (fd >= 0)
		close(fd);
}

static void check_lockdown(FILE *out)
{
	char line[128];

	first_line("/sys/kernel/security/lockdown", line, sizeof(line));
	if (line[0])
		say(out, !strstr(line, "[confidentiality]"), "kernel lockdown", line,
		    "lockdown in confidentiality mode forbids tracing: boot without it");
}

bool check_machine(FILE *out)
{
	struct utsname uts;
	bool perf, uprobes;
	char found[256];

	uname(&uts);
	snprintf(found, sizeof(found), "Linux %s on %s", uts.release, uts.machine);
	say(out, true, "kernel", found, NULL);
	perf = check_perf(out);
	uprobes = check_tracing_file(out, "breakpoints (uprobes)", "uprobe_events",
				     "CONFIG_UPROBE_EVENTS");
	check_calls(out);
	check_last_reading(out);
	check_tracing_file(out, "kprobes (--kprobe)", "kprobe_events", "CONFIG_KPROBES");
	check_lockdown(out);
	return perf && uprobes;
}

static const char *machine_arch(void)
{
	static struct utsname uts;

	uname(&uts);
	return uts.machine;
}

static const char *arch_name(enum go_arch arch)
{
	switch (arch) {
	case GO_ARCH_AMD64:
		return "x86_64";
	case GO_ARCH_ARM64:
		return "aarch64";
	case GO_ARCH_LOONG64:
		return "loongarch64";
	case GO_ARCH_UNKNOWN:
		break;
	}
	return "an unknown architecture";
}

static bool check_memory(FILE *out, const struct target *target)
{
	char path[64], found[160];
	int fd;

	if (!target->attached)
		return true;
	snprintf(path, sizeof(path), "/proc/%d/mem", target->pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	snprintf(found, sizeof(found), "%s%s%s", path, fd < 0 ? ": " : "",
		 fd < 0 ? strerror(errno) : "");
	say(out, fd >= 0, "its memory", found, "run record as root, or with CAP_SYS_PTRACE");
	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static bool has_role(const struct plan *plan, enum probe_role role)
{
	for (size_t i = 0; i < plan->n_probes; i++) {
		if (plan->probes[i].role == role)
			return true;
	}
	return false;
}

static bool check_arch(FILE *out, enum go_arch arch)
{
	bool same = strcmp(arch_name(arch), machine_arch()) == 0;

	say(out, same, "its architecture", arch_name(arch),
	    "record on a machine of that architecture");
	return same;
}

static bool check_go(FILE *out, const struct target *target, const struct plan *plan)
{
	const struct go_version *version = gobin_version(target->bin);
	enum heap_profiling profiling = gobin_heap_profiling(target->bin);
	char *found = xasprintf("%s: %s%s%s%s", target->exe,
				version->text[0] ? version->text : "Go, version deduced",
				gobin_is_stripped(target->bin) ? ", stripped" : "",
				gobin_is_pie(target->bin) ? ", position-independent" : "",
				version->certain ? "" : ", version not certain");
	bool births = has_role(plan, ROLE_BIRTH), same;

	say(out, true, "target", found, NULL);
	free(found);
	same = check_arch(out, gobin_arch(target->bin));
	say(out, profiling != HEAP_PROFILING_DISABLED, "heap profiling",
	    profiling == HEAP_PROFILING_LINKED ? "linked in"
	    : profiling == HEAP_PROFILING_DISABLED
		    ? "not linked in: nothing in it uses heap profiles"
		    : "cannot be told from the binary",
	    "switch the sampler on from outside with --set-rate=524288, or import net/http/pprof");
	say(out, births || plan->heap != HEAP_SAMPLED, "heap", plan->heap_reason, NULL);
	return same;
}

static bool check_plain(FILE *out, const struct target *target)
{
	char *found = xasprintf("%s: not a Go program", target->exe);

	say(out, true, "target", found, NULL);
	free(found);
	return check_arch(out, arch_of_machine(target->plain->machine));
}

bool check_target(FILE *out, const struct target *target, const struct plan *plan,
		  const struct native *native)
{
	bool ok = target->bin ? check_go(out, target, plan) : check_plain(out, target);

	for (size_t i = 0; i < plan->n_losses; i++)
		fprintf(out, "     %-22s %s\n", "loss", plan->losses[i]);
	if (native) {
		say(out, true, "native allocations", native->file.path, NULL);
		for (size_t i = 0; i < native->plan.n_losses; i++)
			fprintf(out, "     %-22s %s\n", "loss", native->plan.losses[i]);
	}
	return check_memory(out, target) && ok;
}
