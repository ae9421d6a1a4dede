// A program with something to say on its standard error: bytes of every value, in writes of many
// sizes, with no newline at the end. Between them it collects garbage where it is told to, so that
// the runtime's own lines come among them. On standard output it says what it was given:
//
//	terminal=true|false godebug=VALUE
//	orphan PID (where it leaves one behind)
package main

import (
	"flag"
	"fmt"
	"io/ioutil"
	"math/rand"
	"os"
	"runtime"
	"runtime/pprof"
	"syscall"
	"time"
	"unsafe"
)

var kept [][]byte

func isTerminal(fd uintptr) bool {
	var mode [128]byte
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, fd, syscall.TCGETS,
		uintptr(unsafe.Pointer(&mode)))
	return errno == 0
}

func main() {
	size := flag.Int("bytes", 100000, "how many bytes it writes to standard error")
	copyTo := flag.String("copy", "", "the same bytes, into this file")
	cycles := flag.Int("cycles", 0, "collections while it writes")
	pause := flag.Duration("pause", 0, "after each collection")
	done := flag.String("done", "", "create this file when all is written")
	lines := flag.Bool("lines", false, "write text in whole lines")
	child := flag.Bool("orphan", false, "leave a process behind that holds standard error open")
	status := flag.Int("status", 0, "exit status")
	flag.Parse()

	fmt.Printf("terminal=%v godebug=%s\n", isTerminal(2), os.Getenv("GODEBUG"))
	if *child {
		attr := &os.ProcAttr{Files: []*os.File{nil, nil, os.Stderr}}
		orphan, err := os.StartProcess("/bin/sleep", []string{"sleep", "600"}, attr)
		if err != nil {
			panic(err)
		}
		fmt.Println("orphan", orphan.Pid)
	}
	random := rand.New(rand.NewSource(1))
	data := make([]byte, *size)
	random.Read(data)
	if *lines {
		for i := range data {
			data[i] = 'a' + data[i]%26
			if i%80 == 79 {
				data[i] = '\n'
			}
		}
	}
	if *copyTo != "" {
		if err := ioutil.WriteFile(*copyTo, data, 0666); err != nil {
			panic(err)
		}
	}
	step := len(data)
	if *cycles > 0 {
		step = len(data)/(*cycles) + 1
	}
	for at := 0; at < len(data) || *cycles > 0; {
		end := at + step
		if end > len(data) {
			end = len(data)
		}
		for at < end {
			n := 1 + random.Intn(5000)
			if n > end-at {
				n = end - at
			}
			os.Stderr.Write(data[at : at+n])
			at += n
		}
		if *cycles > 0 {
			*cycles--
			kept = append(kept, make([]byte, 1<<20))
			runtime.GC()
			time.Sleep(*pause)
		}
	}
	if *done != "" {
		if err := ioutil.WriteFile(*done, nil, 0666); err != nil {
			panic(err)
		}
	}
	pprof.Lookup("heap") // keeps the heap sampler in the program
	os.Exit(*status)
}
