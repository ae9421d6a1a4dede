package main

// Leaks by what is kept: maps, slices, lists and closures that only grow.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand"
	"runtime"
	"sync"
	"time"
)

type session struct {
	id   int
	data []byte
}

//go:noinline
func newSessionData(size int) []byte { return fill(make([]byte, size)) }

func mapGrowth(r *run) {
	sessions := map[int]*session{}
	r.always(2*mb, 1024, func() {
		id := len(sessions)
		sessions[id] = &session{id, newSessionData(1024)}
		r.leaked("main.newSessionData", 1024)
	})
	runtime.KeepAlive(sessions)
}

type row struct{ cells [64]byte }

//go:noinline
func readBatch() []row { return make([]row, 64) }

// Of each batch its last row is kept, and with it all.
func sliceTail(r *run) {
	var kept [][]row
	r.always(1.5*mb, 4096, func() {
		batch := readBatch()
		kept = append(kept, batch[63:])
		r.leaked("main.readBatch", 4096)
	})
	runtime.KeepAlive(kept)
}

//go:noinline
func readLine() string { return string(fill(make([]byte, 2048))) }

func substring(r *run) {
	var keys []string
	r.always(2*mb, 2048, func() {
		keys = append(keys, readLine()[:16])
		r.leaked("main.readLine", 2048)
	})
	runtime.KeepAlive(keys)
}

//go:noinline
func readPacket() []byte { return fill(make([]byte, 8192)) }

// Only of each fourth packet the header is kept.
func subslice(r *run) {
	var headers [][]byte
	n := 0
	r.always(4*mb, 8192, func() {
		packet := readPacket()
		n++
		if n%4 == 0 {
			headers = append(headers, packet[:20])
			r.leaked("main.readPacket", 8192)
		}
	})
	runtime.KeepAlive(headers)
}

type bus struct{ listeners []func(byte) }

//go:noinline
func newWidget() []byte { return fill(make([]byte, 4096)) }

func listeners(r *run) {
	var events bus
	r.always(1.2*mb, 4096, func() {
		widget := newWidget()
		events.listeners = append(events.listeners, func(b byte) { widget[0] = b })
		r.leaked("main.newWidget", 4096)
	})
	runtime.KeepAlive(events)
}

type pooled struct {
	previous *pooled
	data     []byte
}

//go:noinline
func newPooledData() []byte { return fill(make([]byte, 1024)) }

// What comes from the pool points to what was used before it, and so to everything.
func poolChain(r *run) {
	pool := sync.Pool{New: func() interface{} { return &pooled{} }}
	var last *pooled
	r.always(1.5*mb, 1024, func() {
		p := &pooled{previous: last, data: newPooledData()}
		pool.Put(p)
		last = pool.Get().(*pooled)
		r.leaked("main.newPooledData", 1024)
	})
	runtime.KeepAlive(last)
}

type handle struct {
	other *handle
	data  []byte
}

//go:noinline
func newHandleData() []byte { return fill(make([]byte, 2048)) }

// Two that point to each other and have finalizers are never finalized.
func finalizerCycle(r *run) {
	r.always(1.2*mb, 4096, func() {
		var pair [2]*handle
		for i := range pair {
			pair[i] = &handle{data: newHandleData()}
			runtime.SetFinalizer(pair[i], func(h *handle) { h.other = nil })
		}
		pair[0].other, pair[1].other = pair[1], pair[0]
		r.leaked("main.newHandleData", 4096)
	})
}

//go:noinline
func openRecord() []byte { return fill(make([]byte, 4096)) }

// A loop that never ends, and defers in it.
func deferInLoop(r *run) {
	go func() {
		done := 0.0
		for !r.over() {
			for ; done < 1.5*mb*r.elapsed(); done += 4096 {
				record := openRecord()
				defer func() { sink += record[0] }()
				r.leaked("main.openRecord", 4096)
			}
			time.Sleep(8 * time.Millisecond)
		}
		select {}
	}()
}

var history [](*[512]byte)

//go:noinline
func newHistory() *[512]byte { return new([512]byte) }

func globalAppend(r *run) {
	r.always(1.5*mb, 512, func() {
		history = append(history, newHistory())
		r.leaked("main.newHistory", 512)
	})
}

type sample struct{ a, b, c, d uint64 }

type series struct{ samples []sample }

//go:noinline
func (s *series) record(n uint64) { s.samples = append(s.samples, sample{n, n, n, n}) }

// All is in one array, which is copied to a larger one now and then.
func appendValues(r *run) {
	var s series
	size := 0
	r.always(1.5*mb, 32, func() {
		s.record(uint64(len(s.samples)))
		if grown := cap(s.samples) * 32; grown > size {
			r.leaked("main.(*series).record", grown-size)
			size = grown
		}
	})
	runtime.KeepAlive(s)
}

//go:noinline
func readBody() []byte { return fill(make([]byte, 8192)) }

// A callback that needs the length alone holds the body.
func closureCapture(r *run) {
	var pending []func() int
	r.always(2*mb, 8192, func() {
		body := readBody()
		pending = append(pending, func() int { return len(body) + int(body[0]) })
		r.leaked("main.readBody", 8192)
	})
	runtime.KeepAlive(pending)
}

//go:noinline
func makeName(n int) string {
	b := make([]byte, 112)
	copy(b, fmt.Sprint("user-", n))
	return string(b)
}

func interning(r *run) {
	table := map[string]string{}
	r.always(1*mb, 112, func() {
		name := makeName(len(table))
		table[name] = name
		r.leaked("main.makeName", 112)
	})
	runtime.KeepAlive(table)
}

//go:noinline
func newAudit() []byte { return fill(make([]byte, 512)) }

func slowLeak(r *run) {
	var audits [][]byte
	r.always(200*kb, 512, func() {
		audits = append(audits, newAudit())
		r.leaked("main.newAudit", 512)
	})
	runtime.KeepAlive(audits)
}

//go:noinline
func newJob() []byte { return fill(make([]byte, 2048)) }

// Of forty workers one keeps what it was given.
func oneOfMany(r *run) {
	var all sync.WaitGroup
	for i := 0; i < 40; i++ {
		all.Add(1)
		go func(worker int) {
			defer all.Done()
			var retries [][]byte
			r.always(300*kb, 2048, func() {
				job := newJob()
				if worker == 17 {
					retries = append(retries, job)
					r.leaked("main.newJob", 2048)
				}
			})
			runtime.KeepAlive(retries)
		}(i)
	}
	all.Wait()
}

//go:noinline
func newThumbnail() []byte { return fill(make([]byte, 16384)) }

//go:noinline
func newTitle() []byte { return fill(make([]byte, 256)) }

func twoLeaks(r *run) {
	var thumbnails, titles [][]byte
	go r.always(600*kb, 256, func() {
		titles = append(titles, newTitle())
		r.leaked("main.newTitle", 256)
	})
	r.always(1.8*mb, 16384, func() {
		thumbnails = append(thumbnails, newThumbnail())
		r.leaked("main.newThumbnail", 16384)
	})
	runtime.KeepAlive(thumbnails)
	runtime.KeepAlive(titles)
}

//go:noinline
func newOrder() []byte { return fill(make([]byte, 1024)) }

// One order of fifteen is never closed; the others live for two seconds.
func forgottenSome(r *run) {
	open := map[int][]byte{}
	n, closed := 0, 0
	r.always(9*mb, 1024, func() {
		open[n] = newOrder()
		if n%15 == 0 {
			r.leaked("main.newOrder", 1024)
		}
		n++
		for ; closed < n-18*kb; closed++ {
			if closed%15 != 0 {
				delete(open, closed)
			}
		}
	})
	runtime.KeepAlive(open)
}

type counter struct {
	label string
	count [12]uint64
}

//go:noinline
func newCounter(label string) *counter { return &counter{label: label} }

// A metric with a label for each user.
func labels(r *run) {
	metrics := map[string]*counter{}
	r.always(1*mb, 112, func() {
		label := fmt.Sprintf("requests{user=%08d}", len(metrics))
		metrics[label] = newCounter(label)
		r.leaked("main.newCounter", 112)
	})
	runtime.KeepAlive(metrics)
}

//go:noinline
func recordError(n int) error {
	return fmt.Errorf("request %d: %s: connection reset by peer while reading the body of the answer", n,
		"https://shop.example.com/some/long/path/of/the/resource")
}

func errorList(r *run) {
	var errors []error
	r.always(1*mb, 192, func() { errors = append(errors, recordError(len(errors))) })
	runtime.KeepAlive(errors)
}

//go:noinline
func parseDocument(text []byte) interface{} {
	var document interface{}
	if err := json.Unmarshal(text, &document); err != nil {
		panic(err)
	}
	return document
}

func jsonDocuments(r *run) {
	text := []byte(`{"id":17,"name":"somebody","tags":["a","b","c"],"address":{"street":"Main","n":5}}`)
	documents := map[int]interface{}{}
	r.always(1*mb, 1024, func() { documents[len(documents)] = parseDocument(text) })
	runtime.KeepAlive(documents)
}

//go:noinline
func auditLine(log *bytes.Buffer, line []byte) { log.Write(line) }

func bufferGrows(r *run) {
	var log bytes.Buffer
	line, size := make([]byte, 200), 0
	r.always(1*mb, 200, func() {
		auditLine(&log, line)
		if grown := log.Cap(); grown > size {
			r.leaked("main.auditLine", grown-size)
			size = grown
		}
	})
	runtime.KeepAlive(log)
}

type position struct{ x, y, z, t uint64 }

//go:noinline
func setPosition(positions map[uint64]position, n uint64) {
	positions[n] = position{n, n, n, n}
}

// The map itself is all that grows.
func mapValues(r *run) {
	positions := map[uint64]position{}
	r.always(1.2*mb, 48, func() { setPosition(positions, uint64(len(positions))) })
	runtime.KeepAlive(positions)
}

//go:noinline
func newUpload() []byte { return fill(make([]byte, 4096)) }

func lateLeak(r *run) {
	var uploads [][]byte
	r.pace(2*mb, 4096, 0.4, 1, func() {
		uploads = append(uploads, newUpload())
		r.leaked("main.newUpload", 4096)
	})
	runtime.KeepAlive(uploads)
}

//go:noinline
func newReport() []byte { return fill(make([]byte, 8192)) }

// A job that runs every so often leaks what it made.
func leakInSteps(r *run) {
	var reports [][]byte
	r.every(r.length/24, func() {
		for i := 0; i < 400; i++ {
			reports = append(reports, newReport())
			r.leaked("main.newReport", 8192)
		}
	})
	runtime.KeepAlive(reports)
}

//go:noinline
func newVisit() []byte { return fill(make([]byte, 1024)) }

// The leak follows a load that swings.
func loadedLeak(r *run) {
	var visits [][]byte
	n := 0
	r.always(4*mb, 1024, func() {
		n++
		load := (1 + 0.8*math.Sin(2*math.Pi*5*r.share())) / 2
		visit := newVisit()
		if rand.Float64() < 0.8*load {
			visits = append(visits, visit)
			r.leaked("main.newVisit", 1024)
		}
	})
	runtime.KeepAlive(visits)
}

//go:noinline
func newNode() []byte { return fill(make([]byte, 512)) }

func slowAlone(r *run) {
	var nodes [][]byte
	r.always(400*kb, 512, func() {
		nodes = append(nodes, newNode())
		r.leaked("main.newNode", 512)
	})
	runtime.KeepAlive(nodes)
}

//go:noinline
func newFrame() []byte { return fill(make([]byte, 4096)) }

func fastLeak(r *run) {
	var frames [][]byte
	r.always(5*mb, 4096, func() {
		frames = append(frames, newFrame())
		r.leaked("main.newFrame", 4096)
	})
	runtime.KeepAlive(frames)
}

//go:noinline
func newImage() []byte { return fill(make([]byte, mb)) }

func largeObjects(r *run) {
	var images [][]byte
	r.always(1.5*mb, mb, func() {
		images = append(images, newImage())
		r.leaked("main.newImage", mb)
	})
	runtime.KeepAlive(images)
}

type message struct {
	next *message
	data []byte
}

//go:noinline
func newMessage() []byte { return fill(make([]byte, 2048)) }

// A queue whose reader is slower than its writer.
func backlog(r *run) {
	var lock sync.Mutex
	var first, last *message
	go r.always(2*mb, 2048, func() {
		lock.Lock()
		if first != nil {
			first = first.next
			r.leaked("main.newMessage", -2048)
		}
		lock.Unlock()
	})
	r.always(4*mb, 2048, func() {
		m := &message{data: newMessage()}
		r.leaked("main.newMessage", 2048)
		lock.Lock()
		if first == nil {
			first = m
		} else {
			last.next = m
		}
		last = m
		lock.Unlock()
	})
	runtime.KeepAlive(first)
}

//go:noinline
func newTicket() []byte { return fill(make([]byte, 1024)) }

// A cleaner finds one of three, after some seconds.
func partlyCleaned(r *run) {
	tickets := map[int][]byte{}
	n, cleaned := 0, 0
	r.always(2.4*mb, 1024, func() {
		tickets[n] = newTicket()
		if n%3 != 0 {
			r.leaked("main.newTicket", 1024)
		}
		n++
		for ; cleaned < n-12*kb; cleaned++ {
			if cleaned%3 == 0 {
				delete(tickets, cleaned)
			}
		}
	})
	runtime.KeepAlive(tickets)
}

type leaf struct {
	children [16]*leaf
	data     []byte
}

//go:noinline
func newLeafData() []byte { return fill(make([]byte, 256)) }

// A tree of all paths that were ever asked for.
func prefixTree(r *run) {
	root := &leaf{}
	random := rand.New(rand.NewSource(5))
	r.always(900*kb, 256, func() {
		node := root
		for {
			next := &node.children[random.Intn(16)]
			if *next == nil {
				*next = &leaf{data: newLeafData()}
				r.leaked("main.newLeafData", 256)
				return
			}
			node = *next
		}
	})
	runtime.KeepAlive(root)
}

func init() {
	register("map-growth", 12, 10, mapGrowth)
	register("slice-tail", 8, 4, sliceTail)
	register("substring", 10, 0, substring)
	register("subslice", 5, 20, subslice)
	register("listeners", 12, 10, listeners)
	register("pool-chain", 10, 10, poolChain)
	register("finalizer-cycle", 10, 5, finalizerCycle)
	register("defer-loop", 15, 8, deferInLoop)
	register("global-append", 10, 10, globalAppend)
	register("append-values", 20, 10, appendValues)
	register("closure-capture", 10, 0, closureCapture)
	register("interning", 10, 10, interning)
	register("slow-in-churn", 200, 20, slowLeak)
	register("one-of-many", 0, 10, oneOfMany)
	register("two-leaks", 15, 10, twoLeaks)
	register("forgotten-some", 10, 5, forgottenSome)
	register("labels", 10, 10, labels)
	register("error-list", 10, 10, errorList)
	register("json-documents", 10, 10, jsonDocuments)
	register("buffer-grows", 20, 10, bufferGrows)
	register("map-values", 20, 10, mapValues)
	register("late-leak", 20, 10, lateLeak)
	register("leak-in-steps", 15, 10, leakInSteps)
	register("loaded-leak", 10, 10, loadedLeak)
	register("slow-alone", 8, 5, slowAlone)
	register("fast-leak", 30, 10, fastLeak)
	register("large-objects", 20, 10, largeObjects)
	register("backlog", 20, 10, backlog)
	register("partly-cleaned", 15, 10, partlyCleaned)
	register("prefix-tree", 12, 10, prefixTree)
}
