// dumper writes the same state of its heap in both forms: dumper OUT writes OUT.pb.gz (debug=0) and
// OUT.txt (debug=1). The dumps beside this file were made with it, one pair per Go release:
//
//	go build -trimpath -o dumper dumper.go && ./dumper go1.27
//
// With a second argument that is the sampling rate.
package main

import (
	"bytes"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
)

func init() {
	if len(os.Args) > 2 {
		runtime.MemProfileRate, _ = strconv.Atoi(os.Args[2])
	}
}

type node struct {
	next *node
	pad  [7]uint64
}

type box[T any] struct {
	items []T
}

// Inlined into its callers: two logical frames with one physical one.
func (b *box[T]) add(v T) { b.items = append(b.items, v) }

var (
	keep   [][]byte
	list   *node
	ints   box[int]
	names  = map[string]*node{}
	deeper []*node
)

func small(n int) []byte { return make([]byte, n) }

func leakSmall(n int) { keep = append(keep, small(n)) }

//go:noinline
func recurse(depth int) {
	if depth == 0 {
		deeper = append(deeper, &node{})
		return
	}
	recurse(depth - 1)
}

//go:noinline
func garbage(n int) byte {
	b := make([]byte, n)
	return b[n/2]
}

func main() {
	for i := 0; i < 20000; i++ {
		leakSmall(16 + i%1000)
		garbage(1 + i)
		list = &node{next: list}
		ints.add(i)
		names[strconv.Itoa(i)] = list
	}
	for i := 0; i < 2000; i++ {
		recurse(50)
	}
	leakSmall(3 << 20)
	keep = append(keep, bytes.Repeat([]byte("x"), 100000), make([]byte, 700000))
	debug.SetGCPercent(-1)
	runtime.GC()
	write(os.Args[1]+".pb.gz", 0)
	write(os.Args[1]+".txt", 1)
}

func write(path string, form int) {
	f, err := os.Create(path)
	if err == nil {
		err = pprof.Lookup("heap").WriteTo(f, form)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		panic(err)
	}
}
