// Command clock prints the moment that gctrace counts its seconds from, as CLOCK_MONOTONIC shows it,
// in nanoseconds: the truth about the alignment of a gctrace log. Then it makes garbage for a while,
// at a pace that leaves collections some milliseconds apart.
//
// Go 1.23 and later link it with -ldflags=-checklinkname=0 only.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"time"
	_ "unsafe" // for go:linkname
)

//go:linkname runtimeInitTime runtime.runtimeInitTime
var runtimeInitTime int64

//go:linkname nanotime runtime.nanotime
func nanotime() int64

var (
	ring [64][]byte
	kept []*[64]byte
)

//go:noinline
func churn(i int) {
	ring[i%len(ring)] = make([]byte, 20000+i%5000)
}

//go:noinline
func keep() {
	kept = append(kept, new([64]byte))
}

func main() {
	duration := flag.Duration("duration", 3*time.Second, "how long to run")
	heap := flag.String("heap", "", "heap dump at the end, after a collection, into this file")
	flag.Parse()

	wall := time.Now().UnixNano()
	mono := nanotime()
	begin := time.Now()
	for i := 0; time.Since(begin) < *duration; i++ {
		churn(i)
		keep()
		if i%20 == 0 {
			time.Sleep(200 * time.Microsecond)
		}
	}
	runtime.GC()
	if *heap != "" {
		file, err := os.Create(*heap)
		if err != nil {
			panic(err)
		}
		pprof.Lookup("heap").WriteTo(file, 0)
		file.Close()
	}
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	fmt.Printf("{\"program\":\"clock\",\"go\":%q,\"pid\":%d,\"runtime_init_ns\":%d,\"mono_ns\":%d,"+
		"\"wall_ns\":%d,\"num_gc\":%d}\n", runtime.Version(), os.Getpid(), runtimeInitTime, mono, wall,
		stats.NumGC)
}
