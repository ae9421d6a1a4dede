/*
 * Plain C, without Go: what a recorder of Go programs has to refuse with a word, or follow by the
 * malloc family alone. Leaks buffers at a known pace and prints what it keeps.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct item {
	struct item *next;
	char bytes[500];
};

static struct item *kept;

static __attribute__((noinline)) void leak_item(void)
{
	struct item *item = malloc(sizeof(*item));

	if (!item)
		abort();
	memset(item->bytes, 'x', sizeof(item->bytes));
	item->next = kept;
	kept = item;
}

int main(int argc, char *argv[])
{
	long steps = argc > 1 ? strtol(argv[1], NULL, 10) : 1000;

	for (long i = 0; i < steps; i++) {
		free(malloc(100));
		leak_item();
		if (i % 100 == 99)
			usleep(1000);
	}
	printf("{\"program\":\"native\",\"pid\":%d,\"sites\":[{\"function\":\"leak_item\","
	       "\"objects_kept\":%ld,\"bytes_kept\":%ld}]}\n",
	       getpid(), steps, steps * (long)sizeof(struct item));
	return 0;
}
