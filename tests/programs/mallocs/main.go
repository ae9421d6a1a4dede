// Command mallocs allocates in many ways between two points and says how many allocations the
// runtime itself counted between them, and what CPU time it has taken in all. At each point it maps
// memory of an unmistakable size, which a trace shows at its place among the allocations.
//
// It builds with Go 1.15 and every later version.
package main

import (
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
)

const markerSize = 0x7654000

type triple struct{ a, b, c uintptr }

type pointers struct {
	next *pointers
	name string
}

var (
	sinkTriple   *triple
	sinkPointers *pointers
	sinkAny      interface{}
	sinkStrings  []string
	sinkBytes    []byte
	sinkMap      map[string]int
)

func mark() {
	// By system call: syscall.Mmap would allocate.
	_, _, errno := syscall.Syscall6(syscall.SYS_MMAP, 0, markerSize, 0,
		syscall.MAP_PRIVATE|syscall.MAP_ANON, ^uintptr(0), 0)
	if errno != 0 {
		fmt.Fprintln(os.Stderr, "mallocs: mmap:", errno)
		os.Exit(1)
	}
}

// work allocates small and large, with and without pointers, tiny, of no size, growing.
//
//go:noinline
func work(n int) {
	for i := 0; i < n; i++ {
		sinkTriple = &triple{1, 2, 3}
		sinkPointers = &pointers{next: sinkPointers}
		sinkAny = i + 1000
		sinkBytes = make([]byte, i%300)
		sinkStrings = append(sinkStrings, strings.Repeat("x", i%40))
		if i%100 == 0 {
			sinkBytes = make([]byte, 50000)
			sinkMap = map[string]int{"a": i}
			sinkStrings, sinkPointers = nil, nil
		}
	}
}

// cpu is the time that the process has had on processors, in nanoseconds.
func cpu() int64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		fmt.Fprintln(os.Stderr, "mallocs: getrusage:", err)
		os.Exit(1)
	}
	return usage.Utime.Nano() + usage.Stime.Nano()
}

func main() {
	var before, after runtime.MemStats
	work(1000)
	// The collector's own workers would allocate at times of their own.
	debug.SetGCPercent(-1)
	runtime.GC()
	runtime.ReadMemStats(&before)
	mark()
	work(20000)
	mark()
	runtime.ReadMemStats(&after)
	fmt.Printf("{\"program\": \"mallocs\", \"marker\": \"0x%08x\", \"mallocs\": %d, \"cpu_ns\": %d}\n",
		markerSize, after.Mallocs-before.Mallocs, cpu())
}
