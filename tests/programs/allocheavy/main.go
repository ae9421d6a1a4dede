// Command allocheavy does a fixed amount of allocation as fast as it can, about 1 GB/s of small
// objects on one core, and says how long it took: the target of the overhead measurements.
//
// Its heap profile is linked in, as that of a server is, so that the sampler runs.
package main

import (
	"encoding/json"
	"flag"
	"os"
	"runtime"
	"runtime/pprof"
	"sync"
	"syscall"
	"time"
)

type small struct{ words [4]uint64 }
type linked struct {
	next  *linked
	words [13]uint64
}

type result struct {
	Program  string  `json:"program"`
	Go       string  `json:"go"`
	PID      int     `json:"pid"`
	Seconds  float64 `json:"seconds"`
	CPU      float64 `json:"cpu_seconds"`
	Bytes    uint64  `json:"bytes"`
	Objects  uint64  `json:"objects"`
	MBPerS   float64 `json:"mb_per_s"`
	NsPerOp  float64 `json:"ns_per_object"`
	NumGC    uint32  `json:"num_gc"`
	CPUShare float64 `json:"gc_cpu_fraction"`
}

const ringSize = 1 << 15

// worker keeps the last few thousand objects of each kind, so that the collector has work to do.
type worker struct {
	smalls  [ringSize]*small
	strings [ringSize][]byte
	chain   *linked
}

//go:noinline
func (w *worker) allocSmall(i int) {
	w.smalls[i%ringSize] = new(small)
}

//go:noinline
func (w *worker) allocBytes(i int) {
	buffer := make([]byte, 64+i%256)
	for j := range buffer {
		buffer[j] = byte(i + j)
	}
	w.strings[i%ringSize] = buffer
}

//go:noinline
func (w *worker) allocLinked(i int) {
	if i%64 == 0 {
		w.chain = nil
	}
	w.chain = &linked{next: w.chain}
}

func (w *worker) run(rounds int) {
	for i := 0; i < rounds; i++ {
		w.allocSmall(i)
		w.allocBytes(i)
		w.allocLinked(i)
	}
}

// cpu is the time that this process has spent, in seconds.
func cpu() float64 {
	var usage syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

func main() {
	rounds := flag.Int("rounds", 10, "millions of rounds of three allocations for each worker")
	workers := flag.Int("workers", 1, "goroutines that allocate")
	heap := flag.String("heap", "", "heap dump at the end into this file")
	flag.Parse()

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begin, spent := time.Now(), cpu()
	var done sync.WaitGroup
	for i := 0; i < *workers; i++ {
		done.Add(1)
		go func() {
			defer done.Done()
			new(worker).run(*rounds * 1000000)
		}()
	}
	done.Wait()
	seconds := time.Since(begin).Seconds()
	spent = cpu() - spent
	runtime.ReadMemStats(&after)

	r := result{Program: "allocheavy", Go: runtime.Version(), PID: os.Getpid(), Seconds: seconds, CPU: spent}
	r.Bytes = after.TotalAlloc - before.TotalAlloc
	r.Objects = after.Mallocs - before.Mallocs
	r.MBPerS = float64(r.Bytes) / 1e6 / seconds
	r.NsPerOp = seconds * 1e9 / float64(r.Objects)
	r.NumGC, r.CPUShare = after.NumGC, after.GCCPUFraction
	if *heap != "" {
		file, err := os.Create(*heap)
		if err != nil {
			panic(err)
		}
		pprof.Lookup("heap").WriteTo(file, 0)
		file.Close()
	}
	json.NewEncoder(os.Stdout).Encode(r)
}
