// Touch allocates memory of which it touches one part, page by page, and leaves the other alone, and
// prints how much, and how many page faults it had. It is for tests of page faults.
package main

import (
	"encoding/json"
	"flag"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"syscall"
	"time"
)

const chunk = 1 << 20

var (
	kept    [][]byte
	pages   int
	touches int
)

//go:noinline
func touch(b []byte) {
	for i := 0; i < len(b); i += os.Getpagesize() {
		b[i] = 1
		pages++
	}
	touches++
}

//go:noinline
func allocateTouched() {
	b := make([]byte, chunk)
	touch(b)
	kept = append(kept, b)
}

//go:noinline
func allocateUntouched() {
	kept = append(kept, make([]byte, chunk))
}

func main() {
	touched := flag.Int("touched", 24, "MiB to allocate and touch")
	untouched := flag.Int("untouched", 24, "MiB to allocate and leave alone")
	linger := flag.Duration("linger", 0, "time to wait at the end")
	flag.Parse()
	// The heap profile is linked in where something uses it.
	if flag.NArg() > 0 {
		if err := pprof.WriteHeapProfile(os.Stdout); err != nil {
			panic(err)
		}
	}
	// A collection would do nothing but cost time: all is kept.
	debug.SetGCPercent(-1)
	for i := 0; i < *touched || i < *untouched; i++ {
		if i < *touched {
			allocateTouched()
		}
		if i < *untouched {
			allocateUntouched()
		}
	}
	runtime.GC()
	time.Sleep(*linger)
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	err := json.NewEncoder(os.Stdout).Encode(map[string]int64{
		"pid":             int64(os.Getpid()),
		"page_bytes":      int64(os.Getpagesize()),
		"touched_pages":   int64(pages),
		"touch_calls":     int64(touches),
		"untouched_bytes": int64(*untouched) << 20,
		"faults":          usage.Minflt + usage.Majflt,
	})
	if err != nil {
		panic(err)
	}
	runtime.KeepAlive(kept)
}
