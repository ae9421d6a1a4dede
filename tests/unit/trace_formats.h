#ifndef GMT_TESTS_UNIT_TRACE_FORMATS_H
#define GMT_TESTS_UNIT_TRACE_FORMATS_H

#include "tests/unit/trace.h"

/*
 * Formats as a 6.18 kernel has them for dynamic events; older ones print the array's length.
 * An event's id is the config of its attr.
 */
#define COMMON                                                                         \
	"\tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n"         \
	"\tfield:unsigned char common_flags;\toffset:2;\tsize:1;\tsigned:0;\n"         \
	"\tfield:unsigned char common_preempt_count;\toffset:3;\tsize:1;\tsigned:0;\n" \
	"\tfield:int common_pid;\toffset:4;\tsize:4;\tsigned:1;\n\n"

static const char birth_format[] =
	"name: birth\nID: 501\nformat:\n" COMMON
	"\tfield:unsigned long __probe_ip;\toffset:8;\tsize:8;\tsigned:0;\n"
	"\tfield:u64 p;\toffset:16;\tsize:8;\tsigned:0;\n"
	"\tfield:u64 b;\toffset:24;\tsize:8;\tsigned:0;\n"
	"\tfield:u64 size;\toffset:32;\tsize:8;\tsigned:0;\n"
	"\tfield:u64 nstk;\toffset:40;\tsize:8;\tsigned:0;\n"
	"\tfield:u64 stk[];\toffset:48;\tsize:32;\tsigned:0;\n"
	"\tfield:u64 goid;\toffset:80;\tsize:8;\tsigned:0;\n"
	"\tfield:u32 cycle;\toffset:88;\tsize:4;\tsigned:0;\n\n"
	"print fmt: \"(%lx) p=0x%Lx\", REC->__probe_ip, REC->p\n";

/* Fields are packed, not aligned. */
static const char death_format[] =
	"name: death\nID: 502\nformat:\n" COMMON
	"\tfield:unsigned long __probe_ip;\toffset:8;\tsize:8;\tsigned:0;\n"
	"\tfield:u64 p;\toffset:16;\tsize:8;\tsigned:0;\n"
	"\tfield:u64 size;\toffset:24;\tsize:8;\tsigned:0;\n"
	"\tfield:u8 kind;\toffset:32;\tsize:1;\tsigned:0;\n"
	"\tfield:u64 b;\toffset:33;\tsize:8;\tsigned:0;\n\n"
	"print fmt: \"(%lx)\", REC->__probe_ip\n";

/* A kernel of 2021 with the length in the array's type, and a signed field. */
static const char old_birth_format[] =
	"name: birth\nID: 503\nformat:\n" COMMON
	"\tfield:unsigned long __probe_ip;\toffset:8;\tsize:8;\tsigned:0;\n"
	"\tfield:s16 size;\toffset:16;\tsize:2;\tsigned:1;\n"
	"\tfield:u64 nstk;\toffset:18;\tsize:8;\tsigned:0;\n"
	"\tfield:u64 stk[2];\toffset:26;\tsize:16;\tsigned:0;\n\n"
	"print fmt: \"(%lx)\", REC->__probe_ip\n";

static const char gc_end_format[] =
	"name: gc_end\nID: 504\nformat:\n" COMMON
	"\tfield:unsigned long __probe_ip;\toffset:8;\tsize:8;\tsigned:0;\n"
	"\tfield:u32 numgc;\toffset:16;\tsize:4;\tsigned:0;\n"
	"\tfield:s64 sweep_term;\toffset:20;\tsize:8;\tsigned:1;\n"
	"\tfield:u8 forced;\toffset:28;\tsize:1;\tsigned:0;\n"
	"\tfield:s32 procs;\toffset:29;\tsize:4;\tsigned:1;\n\n"
	"print fmt: \"(%lx)\", REC->__probe_ip\n";

/* A birth whose stack comes from the kernel. */
static const char chain_format[] = "name: birth\nID: 505\nformat:\n" COMMON "\tfield:unsigned long "
				   "__probe_ip;\toffset:8;\tsize:8;\tsigned:0;\n"
				   "\tfield:u64 p;\toffset:16;\tsize:8;\tsigned:0;\n\n"
				   "print fmt: \"(%lx)\", REC->__probe_ip\n";

static const char mmap_format[] =
	"name: sys_enter_mmap\nID: 601\nformat:\n" COMMON
	"\tfield:int __syscall_nr;\toffset:8;\tsize:4;\tsigned:1;\n"
	"\tfield:unsigned long addr;\toffset:16;\tsize:8;\tsigned:0;\n"
	"\tfield:unsigned long len;\toffset:24;\tsize:8;\tsigned:0;\n"
	"\tfield:unsigned long prot;\toffset:32;\tsize:8;\tsigned:0;\n"
	"\tfield:unsigned long flags;\toffset:40;\tsize:8;\tsigned:0;\n"
	"\tfield:unsigned long fd;\toffset:48;\tsize:8;\tsigned:0;\n"
	"\tfield:unsigned long off;\toffset:56;\tsize:8;\tsigned:0;\n\n"
	"print fmt: \"addr: 0x%08lx, len: 0x%08lx\", ((unsigned long)(REC->addr)), "
	"((unsigned long)(REC->len))\n";

static const char exit_format[] = "name: sys_exit_mmap\nID: 602\nformat:\n" COMMON
				  "\tfield:int __syscall_nr;\toffset:8;\tsize:4;\tsigned:1;\n"
				  "\tfield:long ret;\toffset:16;\tsize:8;\tsigned:1;\n\n"
				  "print fmt: \"0x%lx\", REC->ret\n";

static inline void put_formats(struct buffer *b)
{
	trace_begin_formats(b, 3);
	trace_begin_system(b, "gmt_77", 5);
	trace_put_file(b, chain_format);
	trace_put_file(b, birth_format);
	trace_put_file(b, death_format);
	trace_put_file(b, old_birth_format);
	trace_put_file(b, gc_end_format);
	trace_begin_system(b, "syscalls", 2);
	trace_put_file(b, mmap_format);
	trace_put_file(b, exit_format);
	trace_begin_system(b, "other", 1);
	trace_put_file(b, "name: birth\nID: 700\nformat:\n" COMMON
			  "\tfield:__data_loc char[] name;\toffset:16;\tsize:4;\tsigned:1;\n"
			  "\tfield:u64 far;\toffset:65530;\tsize:8;\tsigned:0;\n"
			  "\tfield:u64 wide;\toffset:8;\tsize:65536;\tsigned:0;\n"
			  "\tfield:u64 huge;\toffset:8;\tsize:4294967296;\tsigned:0;\n"
			  "\tfield:u64 last;\toffset:65528;\tsize:8;\tsigned:0;\n"
			  "\tfield:u64 p;\toffset:8;\tsize:8;\n\nprint fmt: \"\"\n");
	trace_end_formats(b);
}

#endif
