// Command probed does a known number of each thing that the recorder's probes see, and prints what it
// did as lines of KEY VALUE: the truth that the events of its run are compared with.
//
// It builds with Go 1.15 and every later version.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"strconv"
	"sync"
)

type node struct {
	next *node
	data [11]uint64
}

var (
	ring  [4096]*node
	bytes [512][]byte
	large []byte
	total uint64

	// pulled makes coroutines by iter.Pull, where this Go has it, and returns how many.
	pulled = func(n int) int { return 0 }
)

//go:noinline
func allocNode(i int) {
	ring[i%len(ring)] = &node{next: ring[(i+1)%len(ring)]}
	ring[i%len(ring)].next = nil
}

//go:noinline
func allocWord() *uint64 {
	return new(uint64)
}

//go:noinline
func allocBytes(i int) {
	bytes[i%len(bytes)] = make([]byte, 100+i%2000)
}

//go:noinline
func allocLarge(i int) {
	large = make([]byte, 1<<20+i)
}

// deep allocates at the bottom of a stack that must grow on the way there.
//
//go:noinline
func deep(n int) uint64 {
	var pad [32]uint64
	pad[n%32] = uint64(n)
	if n == 0 {
		return *allocWord()
	}
	return deep(n-1) + pad[n%32]
}

func work(count int) {
	for i := 0; i < count; i++ {
		allocNode(i)
		allocBytes(i)
		total += *allocWord()
		if i%5000 == 0 {
			allocLarge(i)
		}
	}
}

func main() {
	count := flag.Int("n", 100000, "allocations of each kind")
	goroutines := flag.Int("goroutines", 200, "goroutines to make")
	dump := flag.String("dump", "", "write a heap dump in text here, after a collection")
	flag.Parse()

	var before, after runtime.MemStats
	var wait sync.WaitGroup
	runtime.ReadMemStats(&before)
	work(*count)
	sums := make(chan uint64, *goroutines)
	for i := 0; i < *goroutines; i++ {
		depth := 20 + i%200
		wait.Add(1)
		// No arguments: the compiler would wrap them, and fn be the wrapper's.
		go func() {
			sums <- deep(depth)
			wait.Done()
		}()
	}
	wait.Wait()
	runtime.ReadMemStats(&after)
	fmt.Println("coroutines", pulled(50))
	fmt.Println("mallocs_between", after.Mallocs-before.Mallocs)
	runtime.GC()
	if *dump != "" {
		f, err := os.Create(*dump)
		if err == nil {
			err = pprof.Lookup("heap").WriteTo(f, 1)
		}
		if err == nil {
			err = f.Close()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "probed:", err)
			os.Exit(1)
		}
	}
	fmt.Println("goroutines", *goroutines)
	fmt.Println("rate", runtime.MemProfileRate)
	fmt.Println("sum", total)

	// Last, and without allocating: what comes after is not in the count.
	line := make([]byte, 0, 100)
	runtime.ReadMemStats(&after)
	line = append(line, "numgc "...)
	line = strconv.AppendUint(line, uint64(after.NumGC), 10)
	line = append(line, "\nmallocs "...)
	line = strconv.AppendUint(line, after.Mallocs, 10)
	os.Stdout.Write(append(line, '\n'))
}
