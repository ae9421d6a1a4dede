// Command threads allocates on OS threads of its own, some there from the start and some that are
// born later, when a line arrives on standard input. It prints which are which, one line of JSON
// for each set, and ends when standard input is closed.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"os"
	"runtime"
	"runtime/pprof"
	"sync"
	"syscall"
	"time"
)

type worker struct {
	ring [256][]byte
	kept [][]byte
}

//go:noinline
func (w *worker) churn(i int) {
	w.ring[i%len(w.ring)] = make([]byte, 8000)
}

//go:noinline
func (w *worker) keep() {
	w.kept = append(w.kept, make([]byte, 2000))
}

// run never lets go of its thread, and sleeps by a system call so that the thread is its own.
func (w *worker) run(threads chan<- int, stop <-chan struct{}, done *sync.WaitGroup) {
	defer done.Done()
	runtime.LockOSThread()
	threads <- syscall.Gettid()
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		default:
		}
		w.churn(i)
		if i%10 == 0 {
			w.keep()
		}
		if i%20 == 0 {
			time.Sleep(time.Millisecond)
		}
	}
}

type set struct {
	Set     string `json:"set"`
	PID     int    `json:"pid"`
	Threads []int  `json:"threads"`
}

func main() {
	count := flag.Int("count", 3, "threads in each set")
	heap := flag.String("heap", "", "heap dump at the end into this file")
	flag.Parse()

	var done sync.WaitGroup
	stop := make(chan struct{})
	threads := make(chan int)
	out := json.NewEncoder(os.Stdout)
	start := func(name string) {
		s := set{Set: name, PID: os.Getpid()}
		for i := 0; i < *count; i++ {
			done.Add(1)
			go new(worker).run(threads, stop, &done)
			s.Threads = append(s.Threads, <-threads)
		}
		out.Encode(s)
	}
	start("first")
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		start(lines.Text())
	}
	close(stop)
	done.Wait()
	if *heap != "" {
		file, err := os.Create(*heap)
		if err == nil {
			err = pprof.Lookup("heap").WriteTo(file, 0)
		}
		if err != nil {
			panic(err)
		}
		file.Close()
	}
}
