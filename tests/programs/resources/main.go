// Command resources takes what the collector knows nothing of, keeps some of it, and gives the rest
// back: mappings and threads. It prints what it kept.
//
//	leakMapping   64 KiB of anonymous memory, mapped and never unmapped
//	useMapping    the same, unmapped at once
//	slideWindow   a window over a file, always a few of them
//	leakThread    a goroutine that keeps its thread and never ends
//	useThread     a goroutine that keeps its thread and ends, which ends the thread
//
// It builds with Go 1.15 and every later version.
package main

import (
	"flag"
	"fmt"
	"io/ioutil"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"time"
)

const mapping = 64 << 10

var (
	never = make(chan bool)
	kept  [][]byte
	held  [4][]byte

	locked int64
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "resources:", err)
		os.Exit(1)
	}
}

func anonymous() []byte {
	memory, err := syscall.Mmap(-1, 0, mapping, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_ANON|syscall.MAP_PRIVATE)
	check(err)
	memory[0] = 1
	return memory
}

//go:noinline
func leakMapping() {
	kept = append(kept, anonymous())
}

//go:noinline
func useMapping() {
	check(syscall.Munmap(anonymous()))
}

//go:noinline
func slideWindow(file *os.File, n int) {
	window, err := syscall.Mmap(int(file.Fd()), 0, mapping, syscall.PROT_READ, syscall.MAP_SHARED)
	check(err)
	if old := held[n%len(held)]; old != nil {
		check(syscall.Munmap(old))
	}
	held[n%len(held)] = window
}

func keepThread() {
	runtime.LockOSThread()
	atomic.AddInt64(&locked, 1)
	<-never
}

//go:noinline
func leakThread() {
	go keepThread()
}

//go:noinline
func useThread() {
	go runtime.LockOSThread()
}

func main() {
	duration := flag.Duration("duration", 6*time.Second, "how long")
	rate := flag.Int("rate", 20, "of each thing a second")
	leak := flag.Bool("leak", true, "leak at all")
	flag.Parse()

	file, err := ioutil.TempFile("", "resources")
	check(err)
	check(os.Remove(file.Name()))
	check(file.Truncate(mapping))
	leaked := 0
	// What is started has run before the next is, and a busy machine makes it all slower, so that
	// the rate is even there too.
	settle := func() {
		for i := 0; i < 5000 && (atomic.LoadInt64(&locked) < int64(leaked) ||
			runtime.NumGoroutine() > leaked+1); i++ {
			time.Sleep(time.Millisecond)
		}
	}
	for n := 0; n < int(*duration*time.Duration(*rate)/time.Second); n++ {
		begin := time.Now()
		if *leak {
			leakMapping()
			leakThread()
			leaked++
		}
		useMapping()
		slideWindow(file, n)
		useThread()
		settle()
		time.Sleep(begin.Add(time.Second / time.Duration(*rate)).Sub(time.Now()))
	}
	fmt.Printf("leaked %d\n", leaked)
	os.Exit(0)
}
