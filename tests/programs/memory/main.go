// Command memory holds known amounts of memory of every kind and waits: in the Go heap, free in the
// heap, on the stacks of goroutines, in mappings of its own, and, built with the tag c, in C.
//
// It prints a line of JSON that says what it holds, then does what it reads: "grow" makes another
// anonymous mapping, the end of its input is its own.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"syscall"
)

const mib = 1 << 20

// What a build with C adds: how to hold so many MiB of it.
var (
	holdInC      = func(small, large int) {}
	startThreads = func(n int) {}
)

var (
	heap     [][]byte
	mappings [][]byte
)

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "memory:", err)
		os.Exit(1)
	}
}

// touch writes to every page.
func touch(b []byte) {
	for i := 0; i < len(b); i += 4096 {
		b[i] = 1
	}
}

//go:noinline
func holdHeap(n int) {
	for ; n > 0; n-- {
		b := make([]byte, mib)
		touch(b)
		heap = append(heap, b)
	}
}

// leaveFree makes the heap larger by n MiB, all of it dead and not returned.
func leaveFree(n int) {
	var dead [][]byte
	for i := 0; i < n; i++ {
		b := make([]byte, mib)
		touch(b)
		dead = append(dead, b)
	}
	runtime.KeepAlive(dead)
	dead = nil
	runtime.GC()
}

//go:noinline
func deep(n int, ready, stay chan bool) int {
	var frame [1000]byte
	for i := range frame {
		frame[i] = byte(n + i)
	}
	if n > 0 {
		return deep(n-1, ready, stay) + int(frame[n%1000])
	}
	ready <- true
	<-stay
	return int(frame[0])
}

// holdStacks lets n goroutines wait on stacks of 32 KiB at least.
func holdStacks(n int) {
	ready, stay := make(chan bool), make(chan bool)
	for i := 0; i < n; i++ {
		go deep(20, ready, stay)
	}
	for i := 0; i < n; i++ {
		<-ready
	}
}

//go:noinline
func mapAnonymous(n int) {
	b, err := syscall.Mmap(-1, 0, n*mib, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	must(err)
	touch(b)
	mappings = append(mappings, b)
}

//go:noinline
func mapShared(n int) {
	b, err := syscall.Mmap(-1, 0, n*mib, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_SHARED|syscall.MAP_ANON)
	must(err)
	touch(b)
	mappings = append(mappings, b)
}

//go:noinline
func mapFile(path string) int {
	f, err := os.Open(path)
	must(err)
	defer f.Close()
	st, err := f.Stat()
	must(err)
	b, err := syscall.Mmap(int(f.Fd()), 0, int(st.Size()), syscall.PROT_READ, syscall.MAP_SHARED)
	must(err)
	sum := 0
	for i := 0; i < len(b); i += 4096 {
		sum += int(b[i])
	}
	mappings = append(mappings, b)
	return sum
}

// mapMany makes n mappings that the kernel cannot join.
func mapMany(n int) {
	for i := 0; i < n; i++ {
		protection := syscall.PROT_READ
		if i%2 == 0 {
			protection |= syscall.PROT_WRITE
		}
		b, err := syscall.Mmap(-1, 0, 4096, protection, syscall.MAP_PRIVATE|syscall.MAP_ANON)
		must(err)
		if i%2 == 0 {
			b[0] = 1
		}
		mappings = append(mappings, b)
	}
}

func main() {
	inHeap := flag.Int("heap", 0, "MiB in the Go heap")
	free := flag.Int("free", 0, "MiB free in the Go heap")
	stacks := flag.Int("stacks", 0, "goroutines with a stack of 32 KiB")
	anonymous := flag.Int("anonymous", 0, "MiB in an anonymous mapping")
	shared := flag.Int("shared", 0, "MiB in a shared one")
	file := flag.String("file", "", "file to map")
	many := flag.Int("many", 0, "mappings of a page each")
	small := flag.Int("c", 0, "MiB of small blocks from malloc")
	large := flag.Int("c-large", 0, "MiB in one block from malloc")
	threads := flag.Int("threads", 0, "threads that C starts")
	child := flag.String("child", "", "program to start, with 25 MiB in its Go heap")
	profile := flag.Bool("profile", false, "read the heap profile at the end")
	limit := flag.Int64("limit", 0, "memory limit for the runtime, MiB")
	flag.Parse()

	if *limit > 0 {
		setMemoryLimit(*limit * mib)
	}
	// Without a goal nothing that is free is returned to the system.
	debug.SetGCPercent(-1)
	holdStacks(*stacks)
	holdHeap(*inHeap)
	leaveFree(*free)
	if *anonymous > 0 {
		mapAnonymous(*anonymous)
	}
	if *shared > 0 {
		mapShared(*shared)
	}
	if *file != "" {
		mapFile(*file)
	}
	mapMany(*many)
	startThreads(*threads)
	if *child != "" {
		cmd := exec.Command(*child, "-heap", "25")
		cmd.Stdin = os.Stdin
		must(cmd.Start())
		defer cmd.Wait()
	}
	holdInC(*small, *large)

	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	json.NewEncoder(os.Stdout).Encode(map[string]uint64{
		"pid":           uint64(os.Getpid()),
		"heap_inuse":    stats.HeapInuse,
		"heap_idle":     stats.HeapIdle,
		"heap_released": stats.HeapReleased,
		"stack_inuse":   stats.StackInuse,
		"metadata":      stats.MSpanSys + stats.MCacheSys + stats.BuckHashSys + stats.GCSys + stats.OtherSys,
	})
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
		if input.Text() == "grow" {
			mapAnonymous(16)
		}
		fmt.Println("done")
	}
	// That this is there at all is what makes the runtime sample.
	if *profile {
		runtime.MemProfile(nil, true)
	}
	runtime.KeepAlive(heap)
	runtime.KeepAlive(mappings)
}
