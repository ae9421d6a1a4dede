// Command reserve maps memory and keeps it: some that it writes to, and much more that it never
// touches; and it leaks on the Go heap beside. It prints how much of each.
//
// It builds with Go 1.15 and every later version.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"
)

var (
	mapped [][]byte
	kept   [][]byte
)

func anonymous(size, flags int) []byte {
	memory, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_ANON|syscall.MAP_PRIVATE|flags)
	if err != nil {
		fmt.Fprintln(os.Stderr, "reserve:", err)
		os.Exit(1)
	}
	mapped = append(mapped, memory)
	return memory
}

//go:noinline
func touch(size int) {
	memory := anonymous(size, 0)
	for i := 0; i < len(memory); i += 4096 {
		memory[i] = 1
	}
}

//go:noinline
func reserve(size, flags int) {
	anonymous(size, flags)
}

//go:noinline
func keep(size int) {
	kept = append(kept, make([]byte, size))
}

func main() {
	duration := flag.Duration("duration", 7*time.Second, "how long")
	rate := flag.Int("rate", 20, "of each thing a second")
	beside := flag.Bool("beside", false, "reserve such memory as adjoins that which is written to")
	flag.Parse()
	runtime.MemProfileRate = 16 << 10
	// What the kernel keeps account of in another way does not become one mapping with the rest.
	flags := syscall.MAP_NORESERVE
	if *beside {
		flags = 0
	}
	for n := 0; n < int(*duration*time.Duration(*rate)/time.Second); n++ {
		begin := time.Now()
		touch(256 << 10)
		reserve(2<<20, flags)
		keep(64 << 10)
		if n%2 == 0 {
			runtime.GC()
		}
		time.Sleep(begin.Add(time.Second / time.Duration(*rate)).Sub(time.Now()))
	}
	samples, _ := runtime.MemProfile(nil, true)
	fmt.Println("mapped", len(mapped), "kept", len(kept), "sites", samples)
	os.Exit(0)
}
