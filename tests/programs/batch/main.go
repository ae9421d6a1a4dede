// Command batch allocates by several sites whose objects live for different spans, the same in each
// run, and says at its end what it really keeps: a target of which the truth is known.
//
// At named points it comes to rest, collects garbage, and writes a heap dump in both formats into
// -out (NAME.pb.gz and NAME.txt). With -wait it then stays quiet until a line arrives.
//
// It builds with Go 1.15 and every later version.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strings"
	"time"
)

// site counts what one allocation site did, in bytes as the program asked for them.
type site struct {
	Function         string `json:"function"`
	Pattern          string `json:"pattern"`
	ObjectsAllocated int64  `json:"objects_allocated"`
	BytesAllocated   int64  `json:"bytes_allocated"`
	ObjectsKept      int64  `json:"objects_kept"`
	BytesKept        int64  `json:"bytes_kept"`
}

func (s *site) born(bytes int) {
	s.ObjectsAllocated++
	s.BytesAllocated += int64(bytes)
	s.ObjectsKept++
	s.BytesKept += int64(bytes)
}

func (s *site) dropped(bytes int) {
	s.ObjectsKept--
	s.BytesKept -= int64(bytes)
}

// point is the state at one quiet moment.
type point struct {
	Name   string `json:"name"`
	Wall   int64  `json:"wall_ns"`
	NumGC  uint32 `json:"num_gc"`
	Proto  string `json:"dump,omitempty"`
	Text   string `json:"dump_text,omitempty"`
	HeapIn uint64 `json:"heap_alloc"`
	Sites  []site `json:"sites"`
}

// truth is what the program prints at its end, on one line.
type truth struct {
	Program        string  `json:"program"`
	Go             string  `json:"go"`
	PID            int     `json:"pid"`
	MemProfileRate int     `json:"mem_profile_rate"`
	Seed           uint64  `json:"seed"`
	Points         []point `json:"points"`
	Sites          []site  `json:"sites"`
	NumGC          uint32  `json:"num_gc"`
	NumForcedGC    uint32  `json:"num_forced_gc"`
	Mallocs        uint64  `json:"mallocs"`
	Frees          uint64  `json:"frees"`
	TotalAlloc     uint64  `json:"total_alloc"`
	HeapAlloc      uint64  `json:"heap_alloc"`
	Sys            uint64  `json:"sys"`
}

// random is a xorshift generator: the same numbers with every version of Go.
type random uint64

func (r *random) below(n int) int {
	x := uint64(*r)
	x ^= x << 13
	x ^= x >> 7
	x ^= x << 17
	*r = random(x)
	return int(x % uint64(n))
}

type node struct {
	next    *node
	payload [25]uint64
}

const nodeSize = 8 + 25*8

type record struct {
	key   int
	value [14]uint64
}

const recordSize = 8 + 14*8

const (
	pinnedSize = 32 << 10
	windowSize = 2048
	windowKeep = 1000
)

// work holds everything that stays reachable.
type work struct {
	random random
	pause  time.Duration
	steps  int

	list    *node
	records map[int]*record
	pinned  [][]byte
	window  [windowKeep][]byte
	pushed  int

	retain, grow, pin, push, small, large site
}

var (
	sinkBytes []byte
	sinkWords *[4]uint64
)

//go:noinline
func (w *work) retainNode() {
	w.list = &node{next: w.list}
	w.retain.born(nodeSize)
}

//go:noinline
func (w *work) growMap(key int) {
	w.records[key] = &record{key: key}
	w.grow.born(recordSize)
}

// pinSubslice keeps sixteen bytes of a large buffer, and with them all of it.
//
//go:noinline
func (w *work) pinSubslice() {
	buffer := make([]byte, pinnedSize)
	w.pinned = append(w.pinned, buffer[100:116])
	w.pin.born(pinnedSize)
}

// pushWindow keeps the last thousand buffers and no more.
//
//go:noinline
func (w *work) pushWindow() {
	slot := w.pushed % windowKeep
	if w.window[slot] != nil {
		w.push.dropped(windowSize)
	}
	w.window[slot] = make([]byte, windowSize)
	w.pushed++
	w.push.born(windowSize)
}

//go:noinline
func (w *work) churnSmall() {
	sinkWords = new([4]uint64)
	w.small.born(32)
	w.small.dropped(32)
}

//go:noinline
func (w *work) churnLarge() {
	size := 1024 + 1024*w.random.below(64)
	sinkBytes = make([]byte, size)
	w.large.born(size)
	w.large.dropped(size)
}

// breathe spreads the work over time, so that it is not over before anyone has looked.
func (w *work) breathe() {
	w.steps++
	if w.pause > 0 && w.steps%100 == 0 {
		time.Sleep(w.pause)
	}
}

func (w *work) sites() []site {
	return []site{w.retain, w.grow, w.pin, w.push, w.small, w.large}
}

func (w *work) describe() {
	w.retain = site{Function: "main.(*work).retainNode", Pattern: "leak"}
	w.grow = site{Function: "main.(*work).growMap", Pattern: "leak"}
	w.pin = site{Function: "main.(*work).pinSubslice", Pattern: "leak"}
	w.push = site{Function: "main.(*work).pushWindow", Pattern: "bounded"}
	w.small = site{Function: "main.(*work).churnSmall", Pattern: "short-lived"}
	w.large = site{Function: "main.(*work).churnLarge", Pattern: "short-lived"}
}

// reporter writes the dumps and keeps the account of the points.
type reporter struct {
	folder string
	wait   *bufio.Reader
	truth  *truth
}

func writeDump(path string, format int) {
	file, err := os.Create(path)
	if err == nil {
		err = pprof.Lookup("heap").WriteTo(file, format)
	}
	if err == nil {
		err = file.Close()
	}
	check(err)
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "batch:", err)
		os.Exit(1)
	}
}

// rest collects garbage and dumps the heap with the collector held back, so that both dumps show
// the state of that one cycle; then it waits, where it was asked to.
func (r *reporter) rest(name string, w *work) {
	percent := debug.SetGCPercent(-1)
	sinkBytes, sinkWords = nil, nil
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	p := point{Name: name, Wall: time.Now().UnixNano(), NumGC: stats.NumGC, HeapIn: stats.HeapAlloc}
	p.Sites = w.sites()
	if r.folder != "" {
		p.Proto = filepath.Join(r.folder, name+".pb.gz")
		p.Text = filepath.Join(r.folder, name+".txt")
		writeDump(p.Proto, 0)
		writeDump(p.Text, 1)
	}
	r.truth.Points = append(r.truth.Points, p)
	if r.wait != nil {
		fmt.Println("point", name)
		if _, err := r.wait.ReadString('\n'); err != nil && err != io.EOF {
			check(err)
		}
	}
	debug.SetGCPercent(percent)
}

func main() {
	seed := flag.Uint64("seed", 1, "of the random numbers")
	rate := flag.Int("rate", -1, "runtime.MemProfileRate, -1 leaves it")
	scale := flag.Int("scale", 10, "thousands of steps in each phase")
	pause := flag.Duration("pause", 0, "sleep after each hundred steps")
	folder := flag.String("out", "", "folder for heap dumps, none without it")
	wait := flag.String("wait", "", "at each point wait for a line from this file or pipe, - is standard input")
	phases := flag.String("phases", "retain,map,slices,window,churn,mixed", "what to do, in this order")
	flag.Parse()
	if *rate >= 0 {
		runtime.MemProfileRate = *rate
	}

	t := &truth{Program: "batch", Go: runtime.Version(), PID: os.Getpid(), Seed: *seed}
	r := &reporter{folder: *folder, truth: t}
	if *wait == "-" {
		r.wait = bufio.NewReader(os.Stdin)
	} else if *wait != "" {
		file, err := os.Open(*wait)
		check(err)
		r.wait = bufio.NewReader(file)
	}
	w := &work{random: random(*seed*2654435761 + 1), pause: *pause, records: make(map[int]*record)}
	w.describe()

	r.rest("start", w)
	for _, phase := range strings.Split(*phases, ",") {
		w.run(phase, *scale*1000)
		r.rest(phase, w)
	}
	r.rest("end", w)

	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	t.MemProfileRate = runtime.MemProfileRate
	t.Sites = w.sites()
	t.NumGC, t.NumForcedGC = stats.NumGC, stats.NumForcedGC
	t.Mallocs, t.Frees = stats.Mallocs, stats.Frees
	t.TotalAlloc, t.HeapAlloc, t.Sys = stats.TotalAlloc, stats.HeapAlloc, stats.Sys
	check(json.NewEncoder(os.Stdout).Encode(t))
	runtime.KeepAlive(w)
}

func (w *work) run(phase string, steps int) {
	base := len(w.records)
	for i := 0; i < steps; i++ {
		switch phase {
		case "retain":
			w.retainNode()
		case "map":
			w.growMap(base + i)
		case "slices":
			if i%100 == 0 {
				w.pinSubslice()
			}
		case "window":
			w.pushWindow()
		case "churn":
			w.churnSmall()
			if i%10 == 0 {
				w.churnLarge()
			}
		case "mixed":
			w.mixed(i, base)
		default:
			check(fmt.Errorf("unknown phase %q", phase))
		}
		w.breathe()
	}
}

// mixed does a little of everything, in an order that the random numbers choose.
func (w *work) mixed(i, base int) {
	switch w.random.below(8) {
	case 0:
		w.retainNode()
	case 1:
		w.growMap(base + i)
	case 2:
		w.pushWindow()
	case 3:
		w.churnLarge()
	default:
		w.churnSmall()
	}
}
