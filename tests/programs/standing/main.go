// Command standing has goroutines before anybody looks, and does with them what it is told on its
// standard input, a line each:
//
//	start N     so many more wait on a channel
//	end N       so many of those that wait end
//	state FILE  says how many the runtime counts, and writes every goroutine's stack to the file
//
// Each line is answered by one, when it is done: `start`, `end`, or `goroutines COUNT`.
//
// It builds with Go 1.15 and every later version.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

var (
	work    = make(chan int)
	mutex   sync.Mutex
	waiters int64
	other   int64
)

//go:noinline
func wait() {
	atomic.AddInt64(&waiters, 1)
	<-work
	atomic.AddInt64(&waiters, -1)
}

//go:noinline
func startWaiter() {
	go wait()
}

// The same go statement by two ways.
//
//go:noinline
func one(n int) {
	for i := 0; i < n; i++ {
		startWaiter()
	}
}

//go:noinline
func two(n int) {
	for i := 0; i < n; i++ {
		startWaiter()
	}
}

//go:noinline
func lockUp() {
	atomic.AddInt64(&other, 1)
	mutex.Lock()
}

//go:noinline
func startLocked() {
	go lockUp()
}

//go:noinline
func startSelect(done, never chan bool) {
	go func() {
		atomic.AddInt64(&other, 1)
		select {
		case <-done:
		case <-never:
		}
	}()
}

//go:noinline
func brief() {
	runtime.Gosched()
}

//go:noinline
func startBrief() {
	go brief()
}

func settle(wanted int64) {
	for atomic.LoadInt64(&waiters) != wanted {
		time.Sleep(time.Millisecond)
	}
	// What has counted itself out is about to end.
	time.Sleep(20 * time.Millisecond)
}

func state(path string) {
	file, err := os.Create(path)
	if err == nil {
		err = pprof.Lookup("goroutine").WriteTo(file, 2)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "standing:", err)
		os.Exit(1)
	}
	file.Close()
	fmt.Println("goroutines", runtime.NumGoroutine())
}

func main() {
	number := flag.Int("waiters", 500, "goroutines that wait from the beginning")
	churn := flag.Int("churn", 0, "goroutines that start ones that end at once, all the time")
	flag.Parse()
	mutex.Lock()
	for i := 0; i < 40; i++ {
		startLocked()
	}
	for i := 0; i < 7; i++ {
		startSelect(make(chan bool), make(chan bool))
	}
	two(*number / 2)
	one(*number - *number/2)
	wanted := int64(*number)
	for atomic.LoadInt64(&other) != 47 {
		time.Sleep(time.Millisecond)
	}
	settle(wanted)
	for i := 0; i < *churn; i++ {
		go func() {
			for {
				startBrief()
				time.Sleep(100 * time.Microsecond)
			}
		}()
	}
	fmt.Println("ready")
	input := bufio.NewScanner(os.Stdin)
	for input.Scan() {
		var n int
		word := strings.Fields(input.Text())
		if len(word) != 2 {
			os.Exit(1)
		}
		if word[0] == "state" {
			state(word[1])
			continue
		}
		if _, err := fmt.Sscan(word[1], &n); err != nil {
			os.Exit(1)
		}
		if word[0] == "start" {
			one(n / 2)
			two(n - n/2)
			wanted += int64(n)
		} else {
			for i := 0; i < n; i++ {
				work <- i
			}
			wanted -= int64(n)
		}
		settle(wanted)
		fmt.Println(word[0])
	}
}
