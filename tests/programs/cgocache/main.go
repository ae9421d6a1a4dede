// Command cgocache keeps a bounded number of buffers in C, each replaced by a newer one, as a cache
// does: what it holds levels off. It leaks nothing.
package main

/*
#include <stdlib.h>
#include <string.h>

#define SLOTS 2000

static void *slots[SLOTS];

// Keeps more values across calls than there are registers for beside the frame pointer.
__attribute__((noinline)) static size_t put(size_t key, size_t size, size_t a, size_t b, size_t c)
{
	size_t slot = key % SLOTS;
	char *page = malloc(size);

	if (!page)
		abort();
	memset(page, (int)key, size);
	free(slots[slot]);
	slots[slot] = page;
	return key + size + a * b + c;
}

size_t cache_page(size_t key, size_t size)
{
	return put(key, size, key ^ 3, size ^ 5, key + 7) + put(key + 1, size, key, size, 1);
}
*/
import "C"

import (
	"flag"
	"fmt"
	"time"
)

//go:noinline
func render(key int) int {
	return int(C.cache_page(C.size_t(key), C.size_t(1000+key%100)))
}

func main() {
	duration := flag.Duration("duration", 6*time.Second, "how long to run")
	flag.Parse()
	sum := 0
	begin := time.Now()
	for i := 0; time.Since(begin) < *duration; i += 2 {
		sum += render(i)
		if i%40 == 0 {
			time.Sleep(5 * time.Millisecond)
		}
	}
	fmt.Println("cgocache", sum != 0)
}
