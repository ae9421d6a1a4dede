// Command cgo runs one of the corpus's cases in which memory is kept outside of Go's heap: by C, by
// C++, by mappings. What is true of each stands in ../truth.json; how much it really leaked it
// counts itself, and prints at its end as one line of JSON.
//
// It builds with Go 1.15 and every later version.
package main

/*
#include <stdlib.h>
#include "kept.h"
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

type leak struct {
	Function string  `json:"function"`
	Objects  int64   `json:"objects"`
	Bytes    int64   `json:"bytes"`
	From     float64 `json:"from_s"`
	Rate     float64 `json:"bytes_per_s"`
}

type result struct {
	Program string  `json:"program"`
	Go      string  `json:"go"`
	PID     int     `json:"pid"`
	Seconds float64 `json:"seconds"`
	NumGC   uint32  `json:"num_gc"`
	Leaks   []leak  `json:"leaks"`
}

var flying [64][]byte

// A request that leaves nothing behind, in Go and in C.
func request(n int) {
	flying[n%64] = make([]byte, 16384)
	C.borrow(C.size_t(200 + n%800))
}

var callbacks = map[int][]byte{}

//go:noinline
func registerCallback() int {
	callbacks[len(callbacks)] = make([]byte, 1024)
	return len(callbacks)
}

// A step leaks so many bytes, as malloc_usable_size has them, by so many steps a second, and is innocent where these are 0.
type program struct {
	function string
	size     int
	rate     int
	step     func(n int)
}

var programs = map[string]program{
	"cgo-strdup": {"leak_name", 200, 6000, func(int) {
		name := C.CString("somebody")
		C.leak_name(name)
		C.free(unsafe.Pointer(name))
	}},
	"cgo-malloc": {"leak_buffer", 4104, 500, func(int) { C.leak_buffer(4096) }},
	"cpp-new":    {"leak_shape", 520, 4000, func(int) { C.leak_shape() }},
	"cpp-vector": {"leak_point", 512, 4000, func(int) { C.leak_point() }},
	"c-mmap":     {"leak_mapping", 128 << 10, 16, func(int) { C.leak_mapping(128 << 10) }},
	"cgo-handle": {"main.registerCallback", 1024, 1500, func(int) { registerCallback() }},
	"cgo-churn":  {"", 0, 4000, func(n int) { C.borrow(C.size_t(1000 + n%5000)) }},
	"c-cache":    {"", 0, 3000, func(n int) { C.cache_put(C.int(n), 2048) }},
}

func main() {
	name := flag.String("case", "", "which program of the corpus")
	length := flag.Duration("duration", time.Minute, "how long it runs")
	list := flag.Bool("list", false, "print the names of all")
	heap := flag.String("heap", "", "heap dump at the end into this file")
	flag.Parse()
	if *list {
		for name := range programs {
			fmt.Println(name)
		}
		return
	}
	p, ok := programs[*name]
	if !ok {
		fmt.Fprintf(os.Stderr, "no such case: %s\n", *name)
		os.Exit(2)
	}
	begin := time.Now()
	requests, steps := 0, 0
	for time.Since(begin) < *length {
		seconds := time.Since(begin).Seconds()
		for ; float64(requests) < 700*seconds; requests++ {
			request(requests)
		}
		for ; float64(steps) < float64(p.rate)*seconds; steps++ {
			p.step(steps)
		}
		time.Sleep(8 * time.Millisecond)
	}

	out := result{Program: *name, Go: runtime.Version(), PID: os.Getpid(), Leaks: []leak{}}
	out.Seconds = time.Since(begin).Seconds()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	out.NumGC = stats.NumGC
	if p.function != "" {
		bytes := int64(p.size) * int64(steps)
		out.Leaks = append(out.Leaks, leak{Function: p.function, Objects: int64(steps),
			Bytes: bytes, Rate: float64(bytes) / out.Seconds})
	}
	if *heap != "" {
		file, err := os.Create(*heap)
		if err != nil {
			panic(err)
		}
		pprof.Lookup("heap").WriteTo(file, 0)
		file.Close()
	}
	json.NewEncoder(os.Stdout).Encode(out)
}
