// The program that wrote the logs beside it: a heap that grows and shrinks, forced collections,
// and (with -noise) its own lines on standard error, which land inside the runtime's.
package main

import (
	"flag"
	"os"
	"runtime"
	"runtime/debug"
	"sync"
	"time"
)

var keep [][]byte

func fill(mb int) {
	for i := 0; i < mb*16; i++ {
		keep = append(keep, make([]byte, 64<<10))
	}
}

func main() {
	noise := flag.Bool("noise", false, "write to standard error all the while")
	flag.Parse()
	var wg sync.WaitGroup
	stop := make(chan bool)
	if *noise {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for {
				select {
				case <-stop:
					return
				default:
					os.Stderr.WriteString("2026/11/22 03:42:21 request served\n")
				}
			}
		}()
	}
	for _, mb := range []int{1, 4, 16, 40} {
		fill(mb)
		time.Sleep(3 * time.Millisecond)
	}
	runtime.GC()
	keep = nil
	debug.FreeOSMemory()
	fill(12)
	runtime.GC()
	close(stop)
	wg.Wait()
}
