// Command witness makes the runtime itself bear witness to what a trace says of the heap. Run with
// GODEBUG=traceallocfree=1, an execution trace names every object that is allocated and freed; the
// heap sampler runs beside it at a fine rate. The same program compares the two afterwards.
//
//	witness -trace FILE                     allocate under an execution trace
//	witness -compare FILE -rate N <EVENTS   the execution trace against births and deaths
//
// EVENTS has one line for each event of the recording, in the order of time: its time in
// nanoseconds, `birth` or `death`, the address in hexadecimal and the size.
//
// It builds with Go 1.23 and every later version.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/trace"
	"sync"
	"time"
)

type node struct {
	next *node
	data [5]uintptr
}

// record has pointers and is larger than 512 bytes: a header precedes it in its slot.
type record struct {
	parts [100]*node
	data  [40]uintptr
}

// A worker keeps some of what it allocates, each in a slot of a ring, until the slot's next turn.
type worker struct {
	state   uint64
	nodes   [512]*node
	records [64]*record
	bytes   [256][]byte
	large   [4][]byte
	short   []byte
	number  *uint32
}

// random is the same sequence in every run.
func (w *worker) random(n uint64) uint64 {
	w.state = w.state*6364136223846793005 + 1442695040888963407
	return (w.state >> 33) % n
}

func (w *worker) run(turns int) {
	for i := 0; i < turns; i++ {
		w.short = make([]byte, 8+w.random(900))
		w.number = new(uint32)
		switch w.random(16) {
		case 0, 1, 2:
			w.nodes[w.random(512)] = &node{}
		case 3:
			w.records[w.random(64)] = &record{}
		case 4, 5:
			w.bytes[w.random(256)] = make([]byte, 1+w.random(3000))
		case 6:
			if w.random(40) == 0 {
				w.large[w.random(4)] = make([]byte, 33000+w.random(200000))
			}
		}
		if i%4096 == 4095 {
			runtime.GC()
		}
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "witness:", err)
		os.Exit(1)
	}
}

func work(workers []*worker, turns int) {
	var group sync.WaitGroup
	for _, w := range workers {
		group.Add(1)
		go func(w *worker) {
			defer group.Done()
			w.run(turns)
		}(w)
	}
	group.Wait()
	runtime.GC()
}

func traced(path string, rate, turns int) {
	runtime.MemProfileRate = rate
	file, err := os.Create(path)
	check(err)
	workers := []*worker{{state: 1}, {state: 2}}
	// What is sampled before the execution trace begins must be among what it finds there.
	work(workers, turns/8)
	check(trace.Start(file))
	work(workers, turns)
	trace.Stop()
	check(file.Close())
	// The sampler's own count of the program's objects; it also keeps the sampler in the binary.
	time.Sleep(50 * time.Millisecond)
	records := make([]runtime.MemProfileRecord, 4096)
	n, _ := runtime.MemProfile(records, true)
	fmt.Printf("{\"program\":\"witness\",\"go\":%q,\"buckets\":%d}\n", runtime.Version(), n)
	runtime.KeepAlive(workers)
}

func main() {
	out := flag.String("trace", "", "write an execution trace to this `file`")
	compared := flag.String("compare", "", "compare this execution trace with the events on standard input")
	rate := flag.Int("rate", 4096, "the sampler's rate in bytes")
	turns := flag.Int("turns", 40000, "how much to allocate")
	flag.Parse()
	switch {
	case *out != "":
		traced(*out, *rate, *turns)
	case *compared != "":
		data, err := os.ReadFile(*compared)
		check(err)
		told, err := decode(data)
		check(err)
		events, err := readEvents(bufio.NewReader(os.Stdin))
		check(err)
		check(json.NewEncoder(os.Stdout).Encode(compare(told, events, float64(*rate))))
	default:
		flag.Usage()
		os.Exit(2)
	}
}
