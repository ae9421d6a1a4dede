#include "record/session_attr.h"

#include <asm/perf_regs.h>
#include <stdint.h>
#include <time.h>

#define COMMON_SAMPLE_TYPE                                                              \
	(PERF_SAMPLE_IDENTIFIER | PERF_SAMPLE_IP | PERF_SAMPLE_TID | PERF_SAMPLE_TIME | \
	 PERF_SAMPLE_CPU | PERF_SAMPLE_RAW)

/*
 * What a stack is unwound from: stack and frame pointer and the instruction, by the numbers of
 * arch/ARCH/include/uapi/asm/perf_regs.h, and the top of the stack. Copying it is cheap beside the
 * breakpoint; a kilobyte holds the frames of most C code from malloc up.
 */
#if defined(__x86_64__)
#define USER_REGS (1ull << PERF_REG_X86_BP | 1ull << PERF_REG_X86_SP | 1ull << PERF_REG_X86_IP)
#elif defined(__aarch64__)
#define USER_REGS \
	(1ull << PERF_REG_ARM64_X29 | 1ull << PERF_REG_ARM64_SP | 1ull << PERF_REG_ARM64_PC)
#elif defined(__loongarch__)
#define USER_REGS                                                        \
	(1ull << PERF_REG_LOONGARCH_PC | 1ull << PERF_REG_LOONGARCH_R3 | \
	 1ull << PERF_REG_LOONGARCH_R22)
#endif
#define USER_STACK_BYTES 1024

static struct perf_event_attr base_attr(const struct session_options *options)
{
	return (struct perf_event_attr){
		.size = sizeof(struct perf_event_attr),
		.sample_type = COMMON_SAMPLE_TYPE,
		.read_format = PERF_FORMAT_ID,
		.disabled = 1,
		.inherit = 1,
		.enable_on_exec = options->enable_on_exec,
		.sample_id_all = 1,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
	};
}

struct perf_event_attr session_trace_attr(const struct session_options *options,
					  const struct trace_event *event, uint32_t watermark)
{
	struct perf_event_attr attr = base_attr(options);

	attr.type = event->type;
	attr.config = event->id;
	attr.sample_period = event->period;
	attr.freq = event->is_freq;
	attr.exclude_user = event->exclude_user;
	attr.exclude_kernel = event->exclude_kernel;
	if (event->type != PERF_TYPE_TRACEPOINT)
		attr.sample_type &= ~(uint64_t)PERF_SAMPLE_RAW;
	if (event->is_freq)
		attr.sample_type |= PERF_SAMPLE_PERIOD;
	/* Behind the time: what is common to all attrs comes first. */
	if (event->has_address)
		attr.sample_type |= PERF_SAMPLE_ADDR;
	attr.watermark = 1;
	attr.wakeup_watermark = watermark;
	if (event->callchain) {
		attr.sample_type |= PERF_SAMPLE_CALLCHAIN;
		attr.exclude_callchain_kernel = 1;
	}
	/*
	 * By CPU, not by thread: for a thread that inherits such an event the kernel would read the
	 * path from the memory of that thread (perf_uprobe_event_init in kernel/events/core.c, by
	 * way of inherit_event), and clone would fail.
	 */
	if (event->path) {
		attr.config1 = (uintptr_t)event->path;
		attr.config2 = event->offset;
		attr.inherit = attr.disabled = attr.enable_on_exec = 0;
	}
	if (event->user_regs) {
		attr.sample_type |= PERF_SAMPLE_REGS_USER;
		attr.sample_regs_user = event->user_regs;
	}
	if (event->user_stack) {
		attr.sample_type |= PERF_SAMPLE_REGS_USER | PERF_SAMPLE_STACK_USER;
		attr.sample_regs_user = USER_REGS;
		attr.sample_stack_user = USER_STACK_BYTES;
	}
	return attr;
}

struct perf_event_attr session_tracking_attr(const struct session_options *options)
{
	struct perf_event_attr attr = base_attr(options);

	attr.type = PERF_TYPE_SOFTWARE;
	attr.config = PERF_COUNT_SW_DUMMY;
	attr.mmap = attr.mmap2 = 1;
	attr.comm = attr.comm_exec = 1;
	attr.task = 1;
	return attr;
}

struct perf_event_attr session_note_attr(const struct session_options *options)
{
	struct perf_event_attr attr = base_attr(options);

	attr.type = PERF_TYPE_SOFTWARE;
	attr.config = PERF_COUNT_SW_BPF_OUTPUT;
	attr.sample_type |= PERF_SAMPLE_PERIOD;
	attr.sample_period = 1;
	attr.inherit = 0;
	attr.disabled = attr.enable_on_exec = 0;
	return attr;
}
