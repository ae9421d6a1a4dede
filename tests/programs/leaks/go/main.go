// Command go runs one of the cases of the corpus: a small service that leaks in a known way, or that
// does something which looks like a leak and is none. What is true of each stands in ../truth.json;
// how many bytes it really leaked it counts itself, and prints at its end as one line of JSON.
//
// It builds with Go 1.15 and every later version.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"runtime/pprof"
	"sort"
	"sync"
	"time"
)

// A program of the corpus. Beside its own work it serves requests that leave nothing behind:
// churn megabytes a second, over a heap of base megabytes.
type program struct {
	work  func(r *run)
	churn float64
	base  int
}

var programs = map[string]program{}

func register(name string, churn float64, base int, work func(r *run)) {
	programs[name] = program{work, churn, base}
}

// leak is what one function keeps and nobody will use again.
type leak struct {
	Function string  `json:"function"`
	Objects  int64   `json:"objects"`
	Bytes    int64   `json:"bytes"`
	From     float64 `json:"from_s"`
	Rate     float64 `json:"bytes_per_s"`
}

type result struct {
	Program    string  `json:"program"`
	Go         string  `json:"go"`
	PID        int     `json:"pid"`
	Seconds    float64 `json:"seconds"`
	NumGC      uint32  `json:"num_gc"`
	Allocated  uint64  `json:"allocated_bytes"`
	Goroutines int     `json:"goroutines"`
	Leaks      []*leak `json:"leaks"`
}

// run is one run of a program, from begin to length after it.
type run struct {
	begin  time.Time
	length time.Duration
	lock   sync.Mutex
	leaks  map[string]*leak
}

func (r *run) elapsed() float64 { return time.Since(r.begin).Seconds() }
func (r *run) share() float64   { return r.elapsed() / r.length.Seconds() }
func (r *run) over() bool       { return time.Since(r.begin) >= r.length }

// leaked counts bytes that the function has allocated and that are lost from now on.
func (r *run) leaked(function string, bytes int) {
	r.lock.Lock()
	defer r.lock.Unlock()
	l := r.leaks[function]
	if l == nil {
		l = &leak{Function: function, From: r.elapsed()}
		if l.From < 1 {
			l.From = 0
		}
		r.leaks[function] = l
	}
	l.Objects++
	l.Bytes += int64(bytes)
}

// every calls step once in each period, to the end of the run.
func (r *run) every(period time.Duration, step func()) {
	for n := 1; !r.over(); n++ {
		step()
		next := r.begin.Add(time.Duration(n) * period)
		if late := time.Since(next); late > 0 {
			n += int(late / period)
			continue
		}
		time.Sleep(time.Until(next))
	}
}

// pace calls step so often that size bytes at a time make rate bytes a second, while share() is
// between from and to.
func (r *run) pace(rate float64, size int, from, to float64, step func()) {
	done := 0.0
	for !r.over() && r.share() < to {
		due := rate * (r.elapsed() - from*r.length.Seconds())
		for done < due {
			step()
			done += float64(size)
		}
		time.Sleep(8 * time.Millisecond)
	}
}

// always is pace over the whole run.
func (r *run) always(rate float64, size int, step func()) { r.pace(rate, size, 0, 1, step) }

// rest waits for the end.
func (r *run) rest() {
	for !r.over() {
		time.Sleep(20 * time.Millisecond)
	}
}

const kb, mb = 1 << 10, 1 << 20

var sink byte

// fill writes into a buffer as if there were something to write.
func fill(b []byte) []byte {
	for i := 0; i < len(b); i += 512 {
		b[i] = byte(i) + 1
	}
	return b
}

//go:noinline
func serveRequest(size int) []byte { return fill(make([]byte, size)) }

// requests serves at rate bytes a second. The last few are in flight.
func requests(r *run, rate float64) {
	sizes := []int{256, 4096, 1024, 16384, 512, 8192, 2048, 32768}
	var flying [64][]byte
	n := 0
	r.always(rate, 8064, func() {
		flying[n%len(flying)] = serveRequest(sizes[n%len(sizes)])
		n++
	})
	for _, b := range flying {
		if len(b) > 0 {
			sink += b[0]
		}
	}
}

//go:noinline
func loadTables(megabytes int) [][]byte {
	tables := make([][]byte, 0, megabytes*16)
	for i := 0; i < megabytes*16; i++ {
		tables = append(tables, fill(make([]byte, 64*kb)))
	}
	return tables
}

func main() {
	name := flag.String("case", "", "which program of the corpus")
	length := flag.Duration("duration", time.Minute, "how long it runs")
	list := flag.Bool("list", false, "print the names of all")
	heap := flag.String("heap", "", "heap dump at the end into this file")
	flag.Parse()
	if *list {
		names := []string{}
		for name := range programs {
			names = append(names, name)
		}
		sort.Strings(names)
		for _, name := range names {
			fmt.Println(name)
		}
		return
	}
	p, ok := programs[*name]
	if !ok {
		fmt.Fprintf(os.Stderr, "no such case: %s\n", *name)
		os.Exit(2)
	}
	r := &run{begin: time.Now(), length: *length, leaks: map[string]*leak{}}
	tables := loadTables(p.base)
	if p.churn > 0 {
		go requests(r, p.churn*mb)
	}
	p.work(r)
	r.rest()
	runtime.KeepAlive(tables)

	out := result{Program: *name, Go: runtime.Version(), PID: os.Getpid(), Leaks: []*leak{}}
	out.Seconds = r.elapsed()
	out.Goroutines = runtime.NumGoroutine()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	out.NumGC, out.Allocated = stats.NumGC, stats.TotalAlloc
	for _, l := range r.leaks {
		l.Rate = float64(l.Bytes) / (out.Seconds - l.From)
		out.Leaks = append(out.Leaks, l)
	}
	sort.Slice(out.Leaks, func(i, j int) bool { return out.Leaks[i].Bytes > out.Leaks[j].Bytes })
	if *heap != "" {
		file, err := os.Create(*heap)
		if err != nil {
			panic(err)
		}
		pprof.Lookup("heap").WriteTo(file, 0)
		file.Close()
	}
	json.NewEncoder(os.Stdout).Encode(out)
}
