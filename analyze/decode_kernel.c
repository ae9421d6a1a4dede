#include "analyze/decode_kernel.h"

#include <string.h>

/* The text from offset to the end of a record; NULL where no NUL ends it. */
static const char *record_text(const struct perf_event_header *header, size_t offset)
{
	const char *text = (const char *)header + offset;

	if (header->size <= offset || !memchr(text, '\0', header->size - offset))
		return NULL;
	return text;
}

/* The n words of 32 bits behind the header; false where the record is shorter. */
static bool record_words(const struct perf_event_header *header, uint32_t *words, size_t n)
{
	if (header->size < sizeof(*header) + n * sizeof(*words))
		return false;
	memcpy(words, header + 1, n * sizeof(*words));
	return true;
}

static bool record_u64(const struct perf_event_header *header, size_t offset, uint64_t *value)
{
	if (header->size < offset + sizeof(*value))
		return false;
	memcpy(value, (const uint8_t *)header + offset, sizeof(*value));
	return true;
}

static bool decode_comm(const struct perf_event_header *header, struct event *event)
{
	uint32_t ids[2];

	event->comm.comm = record_text(header, sizeof(*header) + sizeof(ids));
	if (!record_words(header, ids, 2) || !event->comm.comm)
		return false;
	event->kind = header->misc & PERF_RECORD_MISC_COMM_EXEC ? EVENT_EXEC : EVENT_COMM;
	event->pid = ids[0];
	event->tid = ids[1];
	return true;
}

static bool decode_fork(const struct perf_event_header *header, struct event *event)
{
	uint32_t ids[4]; /* pid, ppid, tid, ptid */

	if (!record_words(header, ids, 4))
		return false;
	event->kind = header->type == PERF_RECORD_FORK ? EVENT_FORK : EVENT_EXIT;
	event->pid = ids[0];
	event->tid = ids[2];
	event->fork.parent_pid = ids[1];
	event->fork.parent_tid = ids[3];
	return true;
}

/* pid, tid, addr, len, pgoff; MMAP2 then has 24 bytes of inode or build id, prot and flags. */
static bool decode_mmap(const struct perf_event_header *header, struct event *event)
{
	const size_t base = sizeof(*header);
	bool is_2 = header->type == PERF_RECORD_MMAP2;
	uint32_t ids[2], prot = 0;

	if (!record_words(header, ids, 2) || !record_u64(header, base + 8, &event->mmap.start) ||
	    !record_u64(header, base + 16, &event->mmap.len) ||
	    !record_u64(header, base + 24, &event->mmap.offset))
		return false;
	event->mmap.path = record_text(header, is_2 ? base + 64 : base + 32);
	if (!event->mmap.path)
		return false;
	if (is_2)
		memcpy(&prot, (const uint8_t *)header + base + 56, sizeof(prot));
	event->kind = EVENT_MMAP;
	event->pid = ids[0];
	event->tid = ids[1];
	event->mmap.prot = prot;
	return true;
}

static bool decode_lost(const struct perf_event_header *header, struct event *event)
{
	/* LOST: id, lost; LOST_SAMPLES: lost. */
	size_t offset = sizeof(*header) + (header->type == PERF_RECORD_LOST ? 8 : 0);

	if (!record_u64(header, offset, &event->lost.count))
		return false;
	event->kind = EVENT_LOST;
	return true;
}

bool decode_kernel_record(const struct perf_event_header *header, struct event *event)
{
	switch (header->type) {
	case PERF_RECORD_COMM:
		return decode_comm(header, event);
	case PERF_RECORD_FORK:
	case PERF_RECORD_EXIT:
		return decode_fork(header, event);
	case PERF_RECORD_MMAP:
	case PERF_RECORD_MMAP2:
		return decode_mmap(header, event);
	case PERF_RECORD_LOST:
	case PERF_RECORD_LOST_SAMPLES:
		return decode_lost(header, event);
	case PERF_RECORD_THROTTLE:
		event->kind = EVENT_THROTTLE;
		return true;
	default:
		return true;
	}
}
