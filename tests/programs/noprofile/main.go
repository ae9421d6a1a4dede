// Command noprofile leaks and churns like a server, and uses nothing that would keep the heap
// profile in the binary: since Go 1.17 the linker switches the sampler of such a program off.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"time"
)

type entry struct {
	next *entry
	data [240]byte
}

var (
	head *entry
	sink []byte
)

//go:noinline
func leakEntry() {
	head = &entry{next: head}
}

//go:noinline
func churn(i int) {
	sink = make([]byte, 500+i%1000)
}

func main() {
	duration := flag.Duration("duration", 3*time.Second, "how long to run")
	flag.Parse()

	leaked := 0
	begin := time.Now()
	for i := 0; time.Since(begin) < *duration; i++ {
		churn(i)
		if i%10 == 0 {
			leakEntry()
			leaked++
		}
		if i%200 == 0 {
			time.Sleep(100 * time.Microsecond)
		}
	}
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	fmt.Printf("{\"program\":\"noprofile\",\"go\":%q,\"pid\":%d,\"mem_profile_rate\":%d,"+
		"\"sites\":[{\"function\":\"main.leakEntry\",\"objects_kept\":%d,\"bytes_kept\":%d}],"+
		"\"num_gc\":%d,\"mallocs\":%d,\"frees\":%d,\"total_alloc\":%d,\"heap_alloc\":%d}\n",
		runtime.Version(), os.Getpid(), runtime.MemProfileRate, leaked, leaked*248,
		stats.NumGC, stats.Mallocs, stats.Frees, stats.TotalAlloc, stats.HeapAlloc)
	runtime.KeepAlive(head)
}
