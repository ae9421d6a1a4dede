#include "formats/perfdata_internal.h"

#include <byteswap.h>
#include <string.h>

/*
 * What is in a record behind its header, field by field: 8, 4 and 2 are integers of so many bytes,
 * '.' is a byte that stays, '*' stands for u64 words up to the trailer. What follows the last field
 * is text or payload and stays as it is. Source: include/uapi/linux/perf_event.h and
 * tools/perf/util/event.h (linux 6.1).
 */
static const struct {
	uint32_t type;
	const char *fields;
} records[] = {
	{PERF_RECORD_MMAP, "44888"},
	{PERF_RECORD_LOST, "88"},
	{PERF_RECORD_COMM, "44"},
	{PERF_RECORD_EXIT, "44448"},
	{PERF_RECORD_THROTTLE, "888"},
	{PERF_RECORD_UNTHROTTLE, "888"},
	{PERF_RECORD_FORK, "44448"},
	{PERF_RECORD_READ, "44*"},
	{PERF_RECORD_MMAP2, "44888448844"},
	{PERF_RECORD_AUX, "888"},
	{PERF_RECORD_ITRACE_START, "44"},
	{PERF_RECORD_LOST_SAMPLES, "8"},
	{PERF_RECORD_SWITCH, ""},
	{PERF_RECORD_SWITCH_CPU_WIDE, "44"},
	{PERF_RECORD_NAMESPACES, "44*"},
	{PERF_RECORD_KSYMBOL, "8422"},
	{PERF_RECORD_BPF_EVENT, "224"},
	{PERF_RECORD_CGROUP, "8"},
	{PERF_RECORD_TEXT_POKE, "822"},
	{PERF_RECORD_AUX_OUTPUT_HW_ID, "8"},
	{PERFDATA_HEADER_TRACING_DATA, "4"},
	{69 /* ID_INDEX */, "*"},
	{70 /* AUXTRACE_INFO */, "4....*"},
	{71 /* AUXTRACE */, "8884444"},
	{PERFDATA_EVENT_UPDATE, "88"},
	{79 /* TIME_CONV */, "*"},
};

/* In a MMAP2 record a build id may stand in the place of device and inode. */
#define MMAP2_WITH_BUILD_ID "44888........................44"

static const char *fields_of(const struct perf_event_header *record)
{
	if (record->type == PERF_RECORD_MMAP2 && record->misc & PERF_RECORD_MISC_MMAP_BUILD_ID)
		return MMAP2_WITH_BUILD_ID;
	for (size_t i = 0; i < sizeof(records) / sizeof(*records); i++)
		if (records[i].type == record->type)
			return records[i].fields;
	return "";
}

static void swap_bytes(uint8_t *at, size_t len)
{
	for (size_t i = 0; i < len / 2; i++) {
		uint8_t byte = at[i];

		at[i] = at[len - 1 - i];
		at[len - 1 - i] = byte;
	}
}

static void swap_fields(const char *fields, uint8_t *at, size_t left)
{
	while (*fields) {
		size_t len = *fields == '*' ? 8 : *fields == '.' ? 1 : (size_t)(*fields - '0');

		if (len > left)
			return;
		swap_bytes(at, *fields == '.' ? 0 : len);
		at += len;
		left -= len;
		if (*fields != '*')
			fields++;
	}
}

void perfdata_swap_record(const struct perfdata_reader *reader, struct perf_event_header *record)
{
	size_t tail = 0;

	if (record->type == PERF_RECORD_SAMPLE) {
		perfdata_swap_sample(reader, record);
		return;
	}
	if (record->type < PERFDATA_HEADER_ATTR)
		tail = perfdata_swap_sample_id(reader, record);
	swap_fields(fields_of(record), (uint8_t *)(record + 1),
		    record->size - sizeof(*record) - tail);
}

static uint8_t reverse_bits(uint8_t b)
{
	b = (uint8_t)(b >> 4 | b << 4);
	b = (uint8_t)((b & 0xcc) >> 2 | (b & 0x33) << 2);
	return (uint8_t)((b & 0xaa) >> 1 | (b & 0x55) << 1);
}

void perfdata_swap_attr(struct perf_event_attr *attr)
{
	uint8_t *bits = (uint8_t *)attr + offsetof(struct perf_event_attr, read_format) + 8;

	attr->type = bswap_32(attr->type);
	attr->size = bswap_32(attr->size);
	attr->config = bswap_64(attr->config);
	attr->sample_period = bswap_64(attr->sample_period);
	attr->sample_type = bswap_64(attr->sample_type);
	attr->read_format = bswap_64(attr->read_format);
	/*
	 * Bit fields are filled from the most significant bit of the first byte on big-endian
	 * machines, from the least significant one on others. A field of two bits has its own
	 * bits in the wrong order then.
	 */
	for (int i = 0; i < 8; i++)
		bits[i] = reverse_bits(bits[i]);
	attr->precise_ip = (uint64_t)(attr->precise_ip >> 1 | (attr->precise_ip & 1) << 1) & 3;
	attr->wakeup_events = bswap_32(attr->wakeup_events);
	attr->bp_type = bswap_32(attr->bp_type);
	attr->config1 = bswap_64(attr->config1);
	attr->config2 = bswap_64(attr->config2);
	attr->branch_sample_type = bswap_64(attr->branch_sample_type);
	attr->sample_regs_user = bswap_64(attr->sample_regs_user);
	attr->sample_stack_user = bswap_32(attr->sample_stack_user);
	attr->clockid = (int32_t)bswap_32((uint32_t)attr->clockid);
	attr->sample_regs_intr = bswap_64(attr->sample_regs_intr);
	attr->aux_watermark = bswap_32(attr->aux_watermark);
	attr->sample_max_stack = bswap_16(attr->sample_max_stack);
	attr->aux_sample_size = bswap_32(attr->aux_sample_size);
	attr->sig_data = bswap_64(attr->sig_data);
}
