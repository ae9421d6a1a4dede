#include "record/ownership.h"

#include "formats/xalloc.h"

#include <stdlib.h>
#include <string.h>

#define PAGE ((uint64_t)4096)
#define MIB  ((uint64_t)1 << 20)
/* A malloc arena begins at a multiple of this and grows up to the next (glibc, HEAP_MAX_SIZE). */
#define MALLOC_ARENA (64 * MIB)
/* Data that follows a library's own in memory: more than this is not its .bss. */
#define MAX_LIBRARY_BSS (16 * MIB)
/* Mappings from this size on are looked into, into so many parts at most. */
#define LEAST_DIVIDED (64 * PAGE)
#define MAX_PARTS     512
/* Mappings up to this are small ones. */
#define SMALL (256 * PAGE)
/* A header is read once for each mapping; this many in one reading. */
#define MAX_LOOKS 2048
/* malloc's header in front of what it mapped by itself: the size, and this bit (malloc.c). */
#define IS_MMAPPED 2u
#define SIZE_BITS  7u
/* Where the heap begins up to Go 1.25 (runtime/malloc.go, mallocinit), for 64 GiB. */
#define HINT_AMD64 ((uint64_t)0xc0 << 32)
#define HINT_OTHER ((uint64_t)0x40 << 32)
#define HINT_SIZE  ((uint64_t)1 << 36)

/* ---- By the path ------------------------------------------------------------------------ */

static bool begins(const char *text, const char *with)
{
	return strncmp(text, with, strlen(with)) == 0;
}

/* What the kernel, glibc or the Go runtime has named: "[anon: Go: heap]". */
static enum memory_owner owner_of_name(const char *name)
{
	static const struct {
		const char *begin;
		enum memory_owner owner;
	} names[] = {
		{"[heap]", OWNER_C_HEAP},
		{"[stack", OWNER_THREAD_STACKS},
		{"[anon_shmem:", OWNER_SHARED},
		/* runtime/malloc.go, mheap.go and mem_linux.go of 1.25 and later. */
		{"[anon: Go: heap", OWNER_GO_HEAP},
		{"[anon: Go: used", OWNER_GO_HEAP},
		{"[anon: Go: unused", OWNER_GO_HEAP},
		{"[anon: Go: ", OWNER_GO_RUNTIME},
		/* glibc 2.40 and later under its tunable mem.decorate_maps. */
		{"[anon: glibc: pthread", OWNER_THREAD_STACKS},
		{"[anon: glibc: malloc", OWNER_C_HEAP},
		{"[anon: glibc: loader malloc", OWNER_C_HEAP},
		{"[anon", OWNER_ANON},
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (begins(name, names[i].begin))
			return names[i].owner;
	}
	/* [vdso], [vvar], [vsyscall], [uprobes], [sigpage]: the kernel's code for the process. */
	return OWNER_LIBRARIES;
}

static bool is_shared_memory(const char *path)
{
	return begins(path, "/dev/shm/") || begins(path, "/memfd:") || begins(path, "/SYSV") ||
	       begins(path, "/dev/zero");
}

static void add_mapping(void *context, const struct smaps_mapping *m)
{
	struct ownership *o = context;
	struct ownership_piece *piece;

	xgrow(o->pieces, o->cap_pieces, o->n_pieces + 1);
	piece = &o->pieces[o->n_pieces++];
	*piece = (struct ownership_piece){
		.start = m->start,
		.end = m->end,
		.rss = m->rss,
		.inode = m->inode,
		.accessible = m->readable || m->writable || m->executable,
		.writable = m->writable && !m->shared,
		.unnamed = !m->path[0],
		.owner = OWNER_ANON,
	};
	if (m->path[0] == '[')
		piece->owner = owner_of_name(m->path);
	else if (m->inode && m->inode == o->process.exe_inode)
		piece->owner = OWNER_PROGRAM;
	else if (is_shared_memory(m->path))
		piece->owner = OWNER_SHARED;
	else if (m->path[0])
		piece->owner = OWNER_FILES;
	if (piece->owner == OWNER_FILES && m->executable)
		map_put(&o->executable, m->inode, NULL);
	o->rss += m->rss;
	o->swap += m->swap;
	o->anon += m->anonymous < m->rss ? m->anonymous : m->rss;
	if (piece->owner == OWNER_SHARED && m->anonymous < m->rss)
		o->shmem += m->rss - m->anonymous;
}

/* ---- By the address and the neighbours -------------------------------------------------- */

static bool is_go_heap(const struct ownership *o, const struct ownership_piece *piece)
{
	const struct ownership_process *process = &o->process;
	size_t low = 0, high = process->n_arenas;
	uint64_t hint = process->arch == GO_ARCH_AMD64 ? HINT_AMD64 : HINT_OTHER;

	if (!process->n_arenas)
		return process->arch != GO_ARCH_UNKNOWN && piece->start - hint < HINT_SIZE;
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (process->arenas[middle].end > piece->start)
			high = middle;
		else
			low = middle + 1;
	}
	return low < process->n_arenas && process->arenas[low].start < piece->end;
}

/* Data that is zero at first lies behind the file's own, and has no name. */
static bool is_bss(const struct ownership_piece *piece, const struct ownership_piece *before)
{
	if (!before || before->end != piece->start)
		return false;
	return before->owner == OWNER_PROGRAM ||
	       (before->owner == OWNER_LIBRARIES && before->writable &&
		piece->end - piece->start <= MAX_LIBRARY_BSS);
}

static bool is_guard(const struct ownership_piece *piece)
{
	return piece->unnamed && !piece->accessible;
}

/* A thread's stack has the default size, with the guard below it or taken from it (glibc,
 * allocate_stack). */
static bool is_thread_stack(const struct ownership *o, const struct ownership_piece *piece,
			    const struct ownership_piece *before)
{
	uint64_t len = piece->end - piece->start, size = o->process.stack_size;

	return size && before && before->end == piece->start && is_guard(before) && len <= size &&
	       size - len <= 16 * PAGE;
}

/* It begins with where its arena's state is: near the beginning of one (glibc, malloc/arena.c,
 * heap_info). What cannot be read is believed. */
static bool has_arena_header(const struct ownership *o, const struct ownership_piece *piece)
{
	uint64_t state;

	/* What was never touched has none, and a look would touch it. */
	if (!o->process.memory || !piece->rss ||
	    !memory_u64(o->process.memory, piece->start, &state))
		return true;
	return state >= MALLOC_ARENA && state % MALLOC_ARENA < PAGE;
}

/* An arena of malloc: begun at a multiple of its greatest size, and reserved up to the next. */
static bool is_malloc_arena(const struct ownership *o, const struct ownership_piece *piece,
			    const struct ownership_piece *after)
{
	uint64_t limit = (piece->start | (MALLOC_ARENA - 1)) + 1;

	if (piece->start % MALLOC_ARENA || piece->end > limit || !has_arena_header(o, piece))
		return false;
	return piece->end == limit ||
	       (after && is_guard(after) && after->start == piece->end && after->end == limit);
}

/* The end of what malloc mapped from start on, chunk behind chunk; start where it did not. */
static uint64_t chunks_end(struct ownership *o, uint64_t start, uint64_t end)
{
	uint64_t at = start;

	while (at < end && o->looks_left) {
		uint64_t header[2], size;

		o->looks_left--;
		if (!memory_read(o->process.memory, at, header, sizeof(header)))
			break;
		size = header[1] & ~(uint64_t)SIZE_BITS;
		if (header[0] || (header[1] & SIZE_BITS) != IS_MMAPPED || !size || size % PAGE ||
		    size > end - at)
			break;
		at += size;
	}
	return at;
}

/* Large blocks are mapped one by one; where they adjoin, the kernel makes one mapping of them. */
static bool is_malloc_chunks(struct ownership *o, const struct ownership_piece *piece)
{
	uint64_t *known;

	/* What was never touched has no header, and a look would touch it. */
	if (!o->process.memory || !piece->rss || !piece->writable)
		return false;
	known = map_put(&o->chunks, piece->start, NULL);
	/* Not worth another look as long as it stays as it is; ends are even. */
	if ((*known & ~(uint64_t)1) != piece->end && o->looks_left) {
		uint64_t covered = chunks_end(o, piece->start, piece->end) - piece->start;

		*known = piece->end | (2 * covered > piece->end - piece->start);
	}
	return *known == (piece->end | 1);
}

static enum memory_owner owner_of_unnamed(struct ownership *o, size_t i)
{
	const struct ownership_piece *piece = &o->pieces[i];
	const struct ownership_piece *before = i ? piece - 1 : NULL;
	const struct ownership_piece *after = i + 1 < o->n_pieces ? piece + 1 : NULL;

	if (is_go_heap(o, piece))
		return OWNER_GO_HEAP;
	if (is_bss(piece, before))
		return before->owner;
	if (is_guard(piece))
		return OWNER_ANON;
	if (is_malloc_arena(o, piece, after))
		return OWNER_C_HEAP;
	if (is_thread_stack(o, piece, before))
		return OWNER_THREAD_STACKS;
	return is_malloc_chunks(o, piece) ? OWNER_C_HEAP : OWNER_ANON;
}

static void classify(struct ownership *o)
{
	for (size_t i = 0; i < o->n_pieces; i++) {
		struct ownership_piece *piece = &o->pieces[i];

		if (piece->owner == OWNER_FILES && map_find(&o->executable, piece->inode))
			piece->owner = OWNER_LIBRARIES;
		else if (piece->unnamed)
			piece->owner = owner_of_unnamed(o, i);
	}
}

/* ---- Sums and ranges -------------------------------------------------------------------- */

/* Those whose calls are looked for: where such mappings adjoin, they stay apart. */
static bool is_attributed(enum memory_owner owner)
{
	return owner == OWNER_ANON || owner == OWNER_FILES || owner == OWNER_SHARED;
}

static int by_address(const void *a, const void *b)
{
	const struct ownership_piece *left = a, *right = b;

	return (left->start > right->start) - (left->start < right->start);
}

/* Of those too, small ones are joined where there are very many: what is in RAM of large ones,
 * which may be sparse, would be spread over them. */
static size_t make_ranges(struct ownership *o, bool join_small, bool gaps)
{
	bool was_small = false;
	size_t n = 0;

	for (size_t i = 0; i < o->n_pieces; i++) {
		const struct ownership_piece *piece = &o->pieces[i];
		struct note_owner_range *last = n ? &o->ranges[n - 1] : NULL;
		bool is_small = piece->end - piece->start <= SMALL;

		if (is_guard(piece) && !piece->rss && piece->owner == OWNER_ANON)
			continue;
		if (piece->part && !piece->rss && !gaps)
			continue;
		if (last && last->end == piece->start && last->owner == piece->owner &&
		    ((join_small && was_small && is_small) || !is_attributed(piece->owner)) &&
		    !piece->part) {
			last->end = piece->end;
			last->rss += piece->rss;
			continue;
		}
		was_small = is_small;
		xgrow(o->ranges, o->cap_ranges, n + 1);
		o->ranges[n++] = (struct note_owner_range){
			.start = piece->start,
			.end = piece->end,
			.rss = piece->rss,
			.owner = piece->owner,
		};
	}
	return n;
}

/* Its parts take the place of a mapping; what is in RAM of it is divided as the pages are. */
static bool divide_piece(const struct ownership *o, const struct ownership_piece *piece,
			 struct ownership_piece *parts, size_t *n)
{
	struct presence_run runs[MAX_PARTS];
	size_t n_runs, present = 0;
	uint64_t given = 0;

	n_runs = presence_runs(o->process.presence, piece->start, piece->end, runs, MAX_PARTS);
	for (size_t i = 0; i < n_runs; i++)
		present += runs[i].present;
	if (n_runs < 2 || !present)
		return false;
	for (size_t i = 0, seen = 0; i < n_runs; i++) {
		uint64_t upto;

		seen += runs[i].present;
		upto = (uint64_t)((double)piece->rss * (double)seen / (double)present);
		parts[i] = *piece;
		parts[i].start = runs[i].start;
		parts[i].end = runs[i].end;
		parts[i].rss = upto - given;
		parts[i].part = true;
		given = upto;
	}
	*n = n_runs;
	return true;
}

/* Whether it makes a difference where in a mapping its memory in RAM lies. */
static bool is_mixed(const struct ownership_piece *piece)
{
	return is_attributed(piece->owner) && piece->end - piece->start >= LEAST_DIVIDED &&
	       piece->rss && piece->rss + LEAST_DIVIDED / 4 < piece->end - piece->start;
}

static void divide_pieces(struct ownership *o)
{
	struct ownership_piece parts[MAX_PARTS];
	size_t n_before = o->n_pieces, added = 0;

	if (!o->process.presence)
		return;
	/* The parts of the ones that are divided go behind all, and then to their places. */
	for (size_t i = 0; i < n_before && added < NOTE_OWNERS_MAX_RANGES; i++) {
		size_t n;

		if (!is_mixed(&o->pieces[i]) || !divide_piece(o, &o->pieces[i], parts, &n))
			continue;
		o->pieces[i] = parts[0];
		xgrow(o->pieces, o->cap_pieces, o->n_pieces + n - 1);
		memcpy(&o->pieces[o->n_pieces], parts + 1, (n - 1) * sizeof(*parts));
		o->n_pieces += n - 1;
		added += n - 1;
	}
	if (added)
		qsort(o->pieces, o->n_pieces, sizeof(*o->pieces), by_address);
}

static int by_rss(const void *a, const void *b)
{
	const struct note_owner_range *left = a, *right = b;

	return (left->rss < right->rss) - (left->rss > right->rss);
}

static int by_start(const void *a, const void *b)
{
	const struct note_owner_range *left = a, *right = b;

	return (left->start > right->start) - (left->start < right->start);
}

void ownership_begin(struct ownership *ownership, const struct ownership_process *process)
{
	ownership->process = *process;
	ownership->n_pieces = 0;
	ownership->rss = ownership->anon = ownership->shmem = ownership->swap = 0;
	ownership->looks_left = MAX_LOOKS;
	map_free(&ownership->executable);
	/* What went away is forgotten now and then. */
	if (map_count(&ownership->chunks) > 16 * MAX_LOOKS)
		map_free(&ownership->chunks);
	smaps_begin(&ownership->smaps, add_mapping, ownership);
}

void ownership_feed(struct ownership *ownership, const char *text, size_t len)
{
	smaps_feed(&ownership->smaps, text, len);
}

void ownership_finish(struct ownership *ownership, struct note_owners *note)
{
	size_t n;

	smaps_end(&ownership->smaps);
	classify(ownership);
	memset(note->bytes, 0, sizeof(note->bytes));
	for (size_t i = 0; i < ownership->n_pieces; i++)
		note->bytes[ownership->pieces[i].owner] += ownership->pieces[i].rss;
	note->mappings = (uint32_t)ownership->n_pieces;
	note->rss = ownership->rss;
	note->anon = ownership->anon;
	note->shmem = ownership->shmem;
	note->file = ownership->rss - ownership->anon - ownership->shmem;
	note->swap = ownership->swap;
	divide_pieces(ownership);
	n = make_ranges(ownership, false, true);
	if (n > NOTE_OWNERS_MAX_RANGES)
		n = make_ranges(ownership, false, false);
	if (n > NOTE_OWNERS_MAX_RANGES)
		n = make_ranges(ownership, true, false);
	if (n > NOTE_OWNERS_MAX_RANGES) {
		qsort(ownership->ranges, n, sizeof(*ownership->ranges), by_rss);
		n = NOTE_OWNERS_MAX_RANGES;
		qsort(ownership->ranges, n, sizeof(*ownership->ranges), by_start);
	}
	note->ranges = ownership->ranges;
	note->n_ranges = n;
}

void ownership_free(struct ownership *ownership)
{
	free(ownership->pieces);
	free(ownership->ranges);
	map_free(&ownership->executable);
	map_free(&ownership->chunks);
	*ownership = (struct ownership){0};
}
