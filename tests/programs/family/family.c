/*
 * Takes memory from every function of the malloc family, in known numbers, frees a part of it, and
 * tells its own account of each: how many, how many are kept, and their usable bytes. Without
 * stdio, which would allocate.
 *
 *   family ROUNDS [wait]    wait: before and after the first half, for a line on standard input
 */
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOINLINE __attribute__((noinline, noclone))

struct account {
	const char *function;
	unsigned long made, freed, kept_bytes;
};

/* What is kept of every second round, so that it stays reachable. */
static void **kept;
static size_t n_kept;

/* A call that nothing follows would be a jump, and its function not in the stack. */
static NOINLINE void *hold(void *p)
{
	if (!p)
		_exit(3);
	*(volatile char *)p = 1;
	return p;
}

static NOINLINE void *by_malloc(size_t size)
{
	return hold(malloc(size));
}

static NOINLINE void *by_calloc(size_t size)
{
	return hold(calloc(3, size));
}

static NOINLINE void *by_realloc_of_null(size_t size)
{
	void *volatile none = NULL;

	return hold(realloc(none, size));
}

static NOINLINE void *by_aligned_alloc(size_t size)
{
	return hold(aligned_alloc(256, (size + 255) / 256 * 256));
}

static NOINLINE void *by_memalign(size_t size)
{
	return hold(memalign(64, size));
}

static NOINLINE void *by_posix_memalign(size_t size)
{
	void *p = NULL;

	if (posix_memalign(&p, 128, size) != 0)
		_exit(3);
	return hold(p);
}

static NOINLINE void *by_strdup(size_t size)
{
	char text[64];

	memset(text, 'x', sizeof(text));
	text[size % 63] = '\0';
	return hold(strdup(text));
}

/* Grows, so that it moves or not as the allocator likes; two births and a death. */
static NOINLINE void *by_growing(void *p, size_t size)
{
	return hold(realloc(p, size));
}

static struct account accounts[] = {
	{.function = "by_malloc"},	    {.function = "by_calloc"},
	{.function = "by_realloc_of_null"}, {.function = "by_aligned_alloc"},
	{.function = "by_memalign"},	    {.function = "by_posix_memalign"},
	{.function = "by_strdup"},	    {.function = "by_growing"},
};

static void *(*const makers[])(size_t) = {by_malloc,	    by_calloc,	 by_realloc_of_null,
					  by_aligned_alloc, by_memalign, by_posix_memalign,
					  by_strdup};
#define MAKERS	(sizeof(makers) / sizeof(*makers))
#define GROWING MAKERS

static void keep(size_t maker, void *p)
{
	kept[n_kept++] = p;
	accounts[maker].kept_bytes += malloc_usable_size(p);
}

static void round_of(size_t i)
{
	/* From some bytes to what has a mapping of its own. */
	size_t size = 1 + i * 37 % 3000 + (i % 97 == 0 ? 200000 : 0);

	for (size_t m = 0; m < MAKERS; m++) {
		void *p = makers[m](size);

		accounts[m].made++;
		if (i % 4 == 1 && m == 0) {
			/* Its first life ends here, as realloc's second begins. */
			accounts[m].freed++;
			accounts[GROWING].made++;
			keep(GROWING, by_growing(p, size * 3));
		} else if (i % 2) {
			keep(m, p);
		} else {
			accounts[m].freed++;
			free(p);
		}
	}
}

static void say(const char *format, ...)
{
	char text[512];
	va_list ap;
	int n;

	va_start(ap, format);
	n = vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	if (write(STDOUT_FILENO, text, (size_t)n) != n)
		_exit(4);
}

static void wait_for_line(void)
{
	char c = 0;

	while (read(STDIN_FILENO, &c, 1) == 1 && c != '\n')
		;
}

/* Bytes in chunks that are in use, by malloc's own account. */
static unsigned long in_use(void)
{
#ifdef __GLIBC__
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
#else
	return 0;
#endif
}

int main(int argc, char *argv[])
{
	size_t rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : 100;
	/* Not by malloc, to be in nobody's account. */
	static void *room[1 << 20];
	unsigned long before = in_use();
	int waits = argc > 2;

	kept = room;
	if (rounds > sizeof(room) / sizeof(*room) / 8)
		return 2;
	for (size_t i = 0; i < rounds; i++) {
		if (waits && i == rounds / 2) {
			say("half\n");
			wait_for_line();
		}
		round_of(i);
	}
	for (size_t m = 0; m < sizeof(accounts) / sizeof(*accounts); m++)
		say("%s %lu %lu %lu\n", accounts[m].function, accounts[m].made, accounts[m].freed,
		    accounts[m].kept_bytes);
	say("in_use %lu\n", in_use() - before);
	if (waits) {
		/* All that was kept, also of the first half. */
		for (size_t i = 0; i < n_kept; i++)
			free(kept[i]);
		say("done\n");
		wait_for_line();
	}
	return 0;
}
