// Command goroutines starts goroutines that leak and goroutines that do not, at a known rate, and
// prints at its end what it started, and how many the runtime says are there.
//
//	leak      a request that waits for an answer nobody sends; it holds a buffer of 64 KiB
//	handlers  requests that end after some milliseconds
//	pool      workers that are started until there are enough, and then stay
//	stack     goroutines that leak with deep stacks, one for ten of leak
//
// It builds with Go 1.15 and every later version.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"sync/atomic"
	"time"
)

var (
	never  = make(chan []byte)
	silent = make(chan bool)
	jobs   = make(chan int)
	sink   byte

	waiting int64
)

//go:noinline
func waitForAnswer(size int) {
	buffer := make([]byte, size)
	atomic.AddInt64(&waiting, 1)
	never <- buffer
}

//go:noinline
func leakRequest() {
	go waitForAnswer(64 << 10)
}

//go:noinline
func handle(d time.Duration) {
	time.Sleep(d)
}

//go:noinline
func serveRequest() {
	go handle(3 * time.Millisecond)
}

//go:noinline
func worker() {
	for range jobs {
	}
}

//go:noinline
func growPool() {
	go worker()
}

//go:noinline
func deep(n int) byte {
	var pad [512]byte
	pad[n%512] = byte(n)
	if n == 0 {
		<-silent
		return pad[0]
	}
	return deep(n-1) + pad[n%512]
}

//go:noinline
func leakDeep() {
	go func() { sink = deep(40) }()
}

func main() {
	duration := flag.Duration("duration", 6*time.Second, "how long")
	rate := flag.Int("rate", 20, "leaking goroutines a second")
	leak := flag.Bool("leak", true, "leak at all")
	workers := flag.Int("workers", 40, "size of the pool, reached in a quarter of the time")
	gc := flag.Duration("gc", 100*time.Millisecond, "time between collections")
	profile := flag.String("profile", "", "write a goroutine profile here at the end")
	flag.Parse()
	runtime.MemProfileRate = 16 << 10

	var leaked, deeply, handled, pooled int
	// What is started has run before the next is, and a busy machine makes it all slower, so that
	// the rate is even there too.
	settle := func() {
		for i := 0; i < 5000 && (atomic.LoadInt64(&waiting) < int64(leaked) ||
			runtime.NumGoroutine() > leaked+deeply+pooled+1); i++ {
			time.Sleep(time.Millisecond)
		}
	}
	collect := time.Now()
	steps := int(*duration * time.Duration(*rate) / time.Second)
	for n := 0; n < steps; n++ {
		begin := time.Now()
		if *leak {
			leakRequest()
			leaked++
			if n%10 == 0 {
				leakDeep()
				deeply++
			}
		}
		for i := 0; i < 5; i++ {
			serveRequest()
			handled++
		}
		for pooled < *workers && pooled*steps < 4**workers*n {
			growPool()
			pooled++
		}
		if begin.Sub(collect) >= *gc {
			runtime.GC()
			collect = begin
		}
		settle()
		time.Sleep(begin.Add(time.Second / time.Duration(*rate)).Sub(time.Now()))
	}
	if *profile != "" {
		file, err := os.Create(*profile)
		if err == nil {
			err = pprof.Lookup("goroutine").WriteTo(file, 0)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "goroutines:", err)
			os.Exit(1)
		}
	}
	// Whoever can read the heap profile has the runtime sample the heap.
	samples, _ := runtime.MemProfile(nil, true)
	fmt.Printf("leaked %d\ndeep %d\nhandled %d\npooled %d\ngoroutines %d\nsites %d\n", leaked,
		deeply, handled, pooled, runtime.NumGoroutine(), samples)
	os.Exit(0)
}
