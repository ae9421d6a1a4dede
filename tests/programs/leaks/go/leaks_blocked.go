package main

// Leaks by goroutines that wait for ever, by timers, contexts, connections and threads.

import (
	"context"
	"io"
	"net"
	"net/http"
	"runtime"
	"sync"
	"syscall"
	"time"
)

//go:noinline
func newWork() []byte { return fill(make([]byte, 8192)) }

// Each starts a goroutine that waits with its buffer of 8 KiB; its stack comes on top.
func blocked(r *run, rate float64, start func(buffer []byte)) {
	r.always(rate, 8192, func() {
		buffer := newWork()
		start(buffer)
		r.leaked("main.newWork", 8192)
	})
}

//go:noinline
func sendResult(results chan []byte, buffer []byte) {
	go func() { results <- buffer }()
}

// The one who asked has gone; nobody receives.
func goroutineChannel(r *run) {
	blocked(r, 1.6*mb, func(buffer []byte) { sendResult(make(chan []byte), buffer) })
}

//go:noinline
func lockAndWrite(lock *sync.Mutex, buffer []byte) {
	go func() {
		lock.Lock()
		sink += buffer[0]
		lock.Unlock()
	}()
}

func goroutineMutex(r *run) {
	var lock sync.Mutex
	lock.Lock()
	blocked(r, 1.2*mb, func(buffer []byte) { lockAndWrite(&lock, buffer) })
}

//go:noinline
func watch(ctx context.Context, buffer []byte) {
	go func() {
		<-ctx.Done()
		sink += buffer[0]
	}()
}

func goroutineContext(r *run) {
	root, cancel := context.WithCancel(context.Background())
	blocked(r, 1.2*mb, func(buffer []byte) {
		ctx, forgotten := context.WithCancel(root)
		watch(ctx, buffer)
		_ = forgotten
	})
	runtime.KeepAlive(cancel)
}

//go:noinline
func refresh(buffer []byte) {
	go func() {
		for range time.NewTicker(time.Hour).C {
			sink += buffer[0]
		}
	}()
}

// A goroutine for each, woken by a ticker that is never stopped.
func tickerLoop(r *run) {
	blocked(r, 1*mb, refresh)
}

//go:noinline
func waitForAll(group *sync.WaitGroup, buffer []byte) {
	go func() {
		group.Wait()
		sink += buffer[0]
	}()
}

func goroutineWaitGroup(r *run) {
	var group sync.WaitGroup
	group.Add(1)
	blocked(r, 1.2*mb, func(buffer []byte) { waitForAll(&group, buffer) })
}

//go:noinline
func consume(nothing chan int, buffer []byte) {
	go func() {
		select {
		case <-nothing:
		}
		sink += buffer[0]
	}()
}

// One request of fifty meets a channel that is nil; the others are answered.
func goroutineNil(r *run) {
	n := 0
	r.always(12*mb, 8192, func() {
		n++
		buffer := newWork()
		if n%10 == 0 {
			consume(nil, buffer)
			r.leaked("main.newWork", 8192)
			return
		}
		go func() { sink += buffer[0] }()
	})
}

//go:noinline
func newTicker() *time.Ticker { return time.NewTicker(time.Hour) }

// Until Go 1.22 a ticker that is not stopped stays.
func ticker(r *run) {
	r.always(700*kb, 200, func() { newTicker() })
}

//go:noinline
func timeout() <-chan time.Time { return time.After(time.Hour) }

// Until Go 1.22 a timer stays until it fires.
func timeAfter(r *run) {
	done := make(chan int, 1)
	r.always(700*kb, 200, func() {
		done <- 1
		select {
		case <-done:
		case <-timeout():
		}
	})
}

//go:noinline
func requestContext(root context.Context) (context.Context, context.CancelFunc) {
	return context.WithCancel(root)
}

// Contexts that are never cancelled stay with their parent.
func contextChildren(r *run) {
	root, cancel := context.WithCancel(context.Background())
	r.always(700*kb, 200, func() {
		ctx, forgotten := requestContext(root)
		if ctx.Err() != nil {
			forgotten()
		}
	})
	cancel()
}

// Answers whose bodies are never closed: connections, their buffers and goroutines stay.
func responseBody(r *run) {
	answer := make([]byte, 20000)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write(answer)
	}))
	files := syscall.Rlimit{Cur: 65536, Max: 65536}
	syscall.Setrlimit(syscall.RLIMIT_NOFILE, &files)
	url := "http://" + listener.Addr().String() + "/"
	r.every(10*time.Millisecond, func() {
		response, err := http.Get(url)
		if err == nil {
			io.ReadFull(response.Body, make([]byte, 100))
		}
	})
}

//go:noinline
func lockedWorker(buffer []byte, forever chan int) {
	go func() {
		runtime.LockOSThread()
		<-forever
		sink += buffer[0]
	}()
}

//go:noinline
func newWorkerData() []byte { return fill(make([]byte, 128*kb)) }

// A thread for each, and none ever ends.
func lockedThreads(r *run) {
	forever := make(chan int)
	r.every(100*time.Millisecond, func() {
		lockedWorker(newWorkerData(), forever)
		r.leaked("main.newWorkerData", 128*kb)
	})
}

//go:noinline
func mapFile() []byte {
	m, err := syscall.Mmap(-1, 0, 256*kb, syscall.PROT_READ|syscall.PROT_WRITE,
		syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		panic(err)
	}
	for i := 0; i < len(m); i += 4096 {
		m[i] = 1
	}
	return m
}

func mapped(r *run) {
	r.always(2*mb, 256*kb, func() {
		mapFile()
		r.leaked("main.mapFile", 256*kb)
	})
}

func init() {
	register("goroutine-channel", 10, 10, goroutineChannel)
	register("goroutine-mutex", 10, 10, goroutineMutex)
	register("goroutine-context", 10, 10, goroutineContext)
	register("ticker-loop", 10, 10, tickerLoop)
	register("goroutine-waitgroup", 10, 10, goroutineWaitGroup)
	register("goroutine-nil", 10, 10, goroutineNil)
	register("ticker", 15, 10, ticker)
	register("time-after", 15, 10, timeAfter)
	register("context-children", 15, 10, contextChildren)
	register("response-body", 10, 10, responseBody)
	register("locked-threads", 10, 5, lockedThreads)
	register("mapped", 10, 10, mapped)
}
