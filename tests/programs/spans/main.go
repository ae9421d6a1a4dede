// Command spans keeps some of its objects and drops others, and says at which addresses they lay and
// how many of each size class it allocated. It uses nothing that would keep the heap profile in the
// binary.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"time"
	"unsafe"
)

const (
	// Of this size there is one object, allocated after the figures were taken.
	marker = 7_000_000
	most   = 1 << 20
)

// Two sizes with pointers; of the smaller ones 1,024 are in a span.
type node struct {
	next *node
	data [11]uint64
}
type cell struct {
	next *cell
}

var (
	sizes   = []int{16, 24, 64, 200, 1024, 3000, 9000, 40000}
	nodes   *node
	cells   *cell
	kept    [][]byte
	sink    []byte
	nodeEnd *node
	cellEnd *cell
	stats   runtime.MemStats
)

// The addresses, in memory that holds no pointers. What is dropped may lie where another one did.
var keptAt, droppedAt []uintptr

//go:noinline
func keep(size int) {
	b := make([]byte, size)
	kept = append(kept, b)
	keptAt = append(keptAt, uintptr(unsafe.Pointer(&b[0])))
}

//go:noinline
func keepNode() {
	nodes = &node{next: nodes}
	keptAt = append(keptAt, uintptr(unsafe.Pointer(nodes)))
}

//go:noinline
func keepCell() {
	cells = &cell{next: cells}
	keptAt = append(keptAt, uintptr(unsafe.Pointer(cells)))
}

//go:noinline
func drop(size int) {
	sink = make([]byte, size)
	droppedAt = append(droppedAt, uintptr(unsafe.Pointer(&sink[0])))
}

//go:noinline
func dropNode() {
	nodeEnd = &node{next: nodeEnd}
	droppedAt = append(droppedAt, uintptr(unsafe.Pointer(nodeEnd)))
	nodeEnd.next = nil
}

//go:noinline
func dropCell() {
	cellEnd = &cell{next: cellEnd}
	droppedAt = append(droppedAt, uintptr(unsafe.Pointer(cellEnd)))
	cellEnd.next = nil
}

func main() {
	rounds := flag.Int("rounds", 25000, "how often each size is dropped; kept is one in ten")
	pause := flag.Duration("pause", 0, "after each 100 rounds")
	wait := flag.Bool("wait", false, "in the middle, until there is something to read")
	again := flag.Bool("again", false, "the last one: execute this program once more, in this process")
	flag.Parse()
	if *again {
		syscall.Exec("/proc/self/exe", os.Args[:len(os.Args)-1], os.Environ())
	}
	kept = make([][]byte, 0, most)
	keptAt = make([]uintptr, 0, most)
	droppedAt = make([]uintptr, 0, most)
	for i := 0; i < *rounds; i++ {
		if *wait && i == *rounds/2 {
			os.Stdin.Read(make([]byte, 1))
		}
		if *pause > 0 && i%100 == 99 {
			time.Sleep(*pause)
		}
		for k, size := range sizes {
			// Fewer of the great ones.
			if i%(1<<uint(k/2)) != 0 {
				continue
			}
			drop(size)
			if i/(1<<uint(k/2))%10 == 0 {
				keep(size)
			}
		}
		dropNode()
		for k := 0; k < 4; k++ {
			dropCell()
			if (4*i+k)%10 == 0 {
				keepCell()
			}
		}
		if i%10 == 0 {
			keepNode()
		}
	}
	sink, nodeEnd, cellEnd = nil, nil, nil
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&stats)
	sink = make([]byte, marker)
	out := bufio.NewWriter(os.Stdout)
	for _, class := range stats.BySize {
		fmt.Fprintf(out, "class %d %d\n", class.Size, class.Mallocs)
	}
	for _, at := range keptAt {
		fmt.Fprintf(out, "kept %#x\n", at)
	}
	for _, at := range droppedAt {
		fmt.Fprintf(out, "dropped %#x\n", at)
	}
	out.Flush()
	runtime.KeepAlive(kept)
	runtime.KeepAlive(nodes)
	runtime.KeepAlive(cells)
}
