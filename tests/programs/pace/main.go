// Command pace makes system calls at a steady rate, madvise(MADV_DONTNEED) of one page, each of
// which is an event of a recording: the load under which a recorder must not lose any.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	_ "runtime/pprof" // heap profiling is linked in, as in a server
	"syscall"
	"time"
	"unsafe"
)

type result struct {
	Program string  `json:"program"`
	Calls   int     `json:"calls"`
	Seconds float64 `json:"seconds"`
	Rate    float64 `json:"calls_per_s"`
	Behind  float64 `json:"longest_behind_s"`
}

func main() {
	rate := flag.Float64("rate", 300000, "calls in a second")
	seconds := flag.Float64("seconds", 5, "how long")
	flag.Parse()
	page, err := syscall.Mmap(-1, 0, os.Getpagesize(), syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		fmt.Fprintln(os.Stderr, "pace:", err)
		os.Exit(1)
	}
	runtime.LockOSThread()
	address, length := uintptr(unsafe.Pointer(&page[0])), uintptr(len(page))
	total := int(*rate * *seconds)
	start := time.Now()
	behind := 0.0
	for calls := 0; calls < total; calls++ {
		syscall.RawSyscall(syscall.SYS_MADVISE, address, length, syscall.MADV_DONTNEED)
		if calls%64 != 0 {
			continue
		}
		// Ahead of the schedule it spins: a sleep would make bursts of what is to be steady.
		due := float64(calls) / *rate
		for time.Since(start).Seconds() < due {
		}
		if late := time.Since(start).Seconds() - due; late > behind {
			behind = late
		}
	}
	took := time.Since(start).Seconds()
	json.NewEncoder(os.Stdout).Encode(result{"pace", total, took, float64(total) / took, behind})
}
