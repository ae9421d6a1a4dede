#include "kept.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct buffer {
	struct buffer *next;
};

static struct buffer *buffers;
/* Not static: what nobody can read need not be allocated. */
char *leaked_names[1024];

void leak_name(const char *name)
{
	static unsigned n;
	char full[200];

	memset(full, '-', sizeof(full));
	memcpy(full, name, strlen(name));
	full[sizeof(full) - 1] = 0;
	leaked_names[n++ % 1024] = strdup(full);
}

void leak_buffer(size_t size)
{
	struct buffer *b = malloc(size);

	if (!b)
		abort();
	memset(b, 0x5a, size);
	b->next = buffers;
	buffers = b;
}

void leak_mapping(size_t size)
{
	void *mapping =
		mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (mapping == MAP_FAILED)
		abort();
	memset(mapping, 1, size);
}

void borrow(size_t size)
{
	volatile char *p = malloc(size);

	if (!p)
		abort();
	for (size_t i = 0; i < size; i += 64)
		p[i] = 1;
	free((void *)p);
}

void cache_put(int n, size_t size)
{
	static char *places[8192];
	char **place = &places[n % 8192];

	free(*place);
	*place = malloc(size);
	if (!*place)
		abort();
	memset(*place, 1, size);
}
