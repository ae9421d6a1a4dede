// Command cgo leaks in C, where Go's heap profile is blind: buffers by malloc, names by strdup, and
// mappings that are never unmapped; beside it a little Go heap and some C memory that is freed.
//
// It prints at its end one line of JSON that says what it really keeps.
package main

/*
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

struct buffer {
	struct buffer *next;
	unsigned char bytes[1];
};

static struct buffer *buffers;
static char **names;
static size_t name_count;
static void *last_mapping;

__attribute__((noinline)) void leak_buffer(size_t size)
{
	struct buffer *b = malloc(size);

	if (!b)
		abort();
	memset(b, 0x5a, size);
	b->next = buffers;
	buffers = b;
}

__attribute__((noinline)) void leak_name(const char *name)
{
	if (name_count % 1024 == 0)
		names = realloc(names, (name_count + 1024) * sizeof(*names));
	if (!names)
		abort();
	names[name_count++] = strdup(name);
}

__attribute__((noinline)) void leak_mapping(size_t size)
{
	last_mapping = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (last_mapping == MAP_FAILED)
		abort();
	memset(last_mapping, 1, size);
}

__attribute__((noinline)) uint32_t borrow_and_return(size_t size)
{
	unsigned char *p = calloc(1, size);
	uint32_t sum = 0;

	if (!p)
		abort();
	for (size_t i = 0; i < size; i += 64)
		sum += p[i]++;
	free(p);
	return sum;
}
*/
import "C"

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"time"
	"unsafe"
)

const (
	bufferSize  = 1000
	mappingSize = 256 << 10
	goSize      = 512
)

type kept struct {
	Function string `json:"function"`
	Language string `json:"language"`
	Objects  int    `json:"objects_kept"`
	Bytes    int    `json:"bytes_kept"`
}

type truth struct {
	Program    string  `json:"program"`
	Go         string  `json:"go"`
	PID        int     `json:"pid"`
	Seconds    float64 `json:"seconds"`
	Returned   int     `json:"c_allocations_returned"`
	Sites      []kept  `json:"sites"`
	NumGC      uint32  `json:"num_gc"`
	TotalAlloc uint64  `json:"total_alloc"`
	HeapAlloc  uint64  `json:"heap_alloc"`
	Sys        uint64  `json:"sys"`
}

var goList [][]byte

//go:noinline
func keepInGo() {
	goList = append(goList, make([]byte, goSize))
}

func main() {
	steps := flag.Int("steps", 5000, "how many of each to do")
	pause := flag.Duration("pause", time.Millisecond, "sleep after each ten steps")
	heap := flag.String("heap", "", "heap dump at the end, after a collection, into this file")
	flag.Parse()

	begin := time.Now()
	t := truth{Program: "cgo", Go: runtime.Version(), PID: os.Getpid()}
	names, mappings := 0, 0
	for i := 0; i < *steps; i++ {
		C.leak_buffer(bufferSize)
		name := C.CString(fmt.Sprintf("a name that is never freed, number %08d", i))
		names += int(C.strlen(name)) + 1
		C.leak_name(name)
		C.free(unsafe.Pointer(name))
		if i%100 == 0 {
			C.leak_mapping(mappingSize)
			mappings++
		}
		C.borrow_and_return(4096)
		keepInGo()
		if i%10 == 9 {
			time.Sleep(*pause)
		}
	}
	runtime.GC()
	if *heap != "" {
		file, err := os.Create(*heap)
		if err == nil {
			err = pprof.Lookup("heap").WriteTo(file, 0)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "cgo:", err)
			os.Exit(1)
		}
		file.Close()
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	t.Seconds = time.Since(begin).Seconds()
	t.Returned = 2 * *steps
	t.Sites = []kept{
		{"leak_buffer", "c", *steps, *steps * bufferSize},
		{"leak_name", "c", *steps, names},
		{"leak_mapping", "c", mappings, mappings * mappingSize},
		{"main.keepInGo", "go", *steps, *steps * goSize},
	}
	t.NumGC, t.TotalAlloc = stats.NumGC, stats.TotalAlloc
	t.HeapAlloc, t.Sys = stats.HeapAlloc, stats.Sys
	json.NewEncoder(os.Stdout).Encode(t)
	runtime.KeepAlive(goList)
}
