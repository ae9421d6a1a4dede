// Command clock prints the moment that gctrace counts its seconds from, as CLOCK_MONOTONIC shows it,
// in nanoseconds: the truth about the alignment of a gctrace log. Then it makes garbage for a while,
// at a pace that leaves collections some milliseconds apart, and says what the runtime itself has
// counted of them.
//
// Go 1.23 and later link it with -ldflags=-checklinkname=0 only.
package main

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"runtime/trace"
	"sync"
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

// The account of a collection that ends in between would be half in one half of it.
func report(mono, wall int64) {
	var stats runtime.MemStats
	var gc debug.GCStats
	gc.PauseQuantiles = make([]time.Duration, 101)
	debug.SetGCPercent(-1)
	runtime.ReadMemStats(&stats)
	debug.ReadGCStats(&gc)
	pauses := stats.PauseNs[:]
	if int(stats.NumGC) < len(pauses) {
		pauses = pauses[:stats.NumGC]
	}
	encoder := json.NewEncoder(os.Stdout)
	encoder.Encode(map[string]interface{}{
		"program": "clock", "go": runtime.Version(), "pid": os.Getpid(),
		"runtime_init_ns": runtimeInitTime, "mono_ns": mono, "wall_ns": wall,
		"num_gc": stats.NumGC, "num_forced": stats.NumForcedGC,
		"pause_total_ns": stats.PauseTotalNs, "pause_ns": pauses,
		"gc_cpu_fraction": stats.GCCPUFraction, "gcstats_num": gc.NumGC,
		"gcstats_pause_total_ns": gc.PauseTotal, "gcstats_pause_quantiles_ns": gc.PauseQuantiles,
	})
}

// wait is where the goroutines of writeProfiles are.
func wait(begun *sync.WaitGroup, end chan bool) {
	begun.Done()
	<-end
}

func writeProfiles(folder string) {
	var begun sync.WaitGroup
	end := make(chan bool)
	for i := 0; i < 7; i++ {
		begun.Add(1)
		go wait(&begun, end)
	}
	begun.Wait()
	for _, name := range []string{"heap", "allocs", "goroutine"} {
		for debug, suffix := range []string{".pb.gz", ".txt"} {
			file, err := os.Create(filepath.Join(folder, name+suffix))
			if err != nil {
				panic(err)
			}
			pprof.Lookup(name).WriteTo(file, debug)
			file.Close()
		}
	}
	close(end)
}

func main() {
	duration := flag.Duration("duration", 3*time.Second, "how long to run")
	heap := flag.String("heap", "", "heap dump at the end, after a collection, into this file")
	profiles := flag.String("profiles", "", "heap, allocs and goroutine profiles at the end, into this folder")
	execution := flag.String("trace", "", "execution trace of all of it, into this file")
	flag.Parse()

	wall := time.Now().UnixNano()
	mono := nanotime()
	if *execution != "" {
		file, err := os.Create(*execution)
		if err != nil {
			panic(err)
		}
		trace.Start(file)
	}
	begin := time.Now()
	for i := 0; time.Since(begin) < *duration; i++ {
		churn(i)
		keep()
		if i%20 == 0 {
			time.Sleep(200 * time.Microsecond)
		}
	}
	runtime.GC()
	if *execution != "" {
		trace.Stop()
	}
	if *heap != "" {
		file, err := os.Create(*heap)
		if err != nil {
			panic(err)
		}
		pprof.Lookup("heap").WriteTo(file, 0)
		file.Close()
	}
	if *profiles != "" {
		writeProfiles(*profiles)
	}
	report(mono, wall)
}
