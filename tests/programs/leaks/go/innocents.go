package main

// What looks like a leak for a while, or to a tool that only sees the heap's size, and is none.

import (
	"bytes"
	"container/list"
	"math"
	"math/rand"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"time"
)

type entry struct {
	key  int
	data []byte
}

//go:noinline
func newEntry() []byte { return fill(make([]byte, 4096)) }

// lru is a cache of so many entries, asked for new keys at a rate that fills it at a share of the
// run; then each new one takes the place of the oldest.
func lru(fills float64, entries int) func(r *run) {
	return func(r *run) {
		order, known := list.New(), map[int]*list.Element{}
		n := 0
		r.always(float64(entries)*4096/(fills*r.length.Seconds()), 4096, func() {
			known[n] = order.PushFront(&entry{n, newEntry()})
			n++
			if order.Len() > entries {
				last := order.Back()
				delete(known, last.Value.(*entry).key)
				order.Remove(last)
			}
		})
		runtime.KeepAlive(known)
	}
}

// A cache of which any entry may go.
func randomEviction(r *run) {
	const entries = 12000
	cache := make([][]byte, 0, entries)
	r.always(entries*4096/(0.3*r.length.Seconds()), 4096, func() {
		if len(cache) < entries {
			cache = append(cache, newEntry())
			return
		}
		cache[rand.Intn(entries)] = newEntry()
	})
	runtime.KeepAlive(cache)
}

// A cache that is full of what is asked for again and again: hits, and no more misses.
func finiteKeys(r *run) {
	cache := map[int][]byte{}
	zipf := rand.NewZipf(rand.New(rand.NewSource(3)), 1.05, 50, 19999)
	r.every(time.Millisecond, func() {
		for i := 0; i < 20; i++ {
			if key := int(zipf.Uint64()); cache[key] == nil {
				cache[key] = newEntry()
			}
		}
	})
	runtime.KeepAlive(cache)
}

//go:noinline
func loadIndex() []byte { return fill(make([]byte, 2048)) }

// ramp loads a table until a share of the run, and serves from it.
func ramp(until float64, rate float64) func(r *run) {
	return func(r *run) {
		var index [][]byte
		r.pace(rate, 2048, 0, until, func() { index = append(index, loadIndex()) })
		r.rest()
		runtime.KeepAlive(index)
	}
}

//go:noinline
func newRow() []byte { return fill(make([]byte, 1024)) }

// Every so often much at once, and all of it gone a little later.
func periodicBurst(r *run) {
	var rows [][]byte
	n := 0
	r.every(r.length/40, func() {
		rows = nil
		if n%5 == 0 {
			for i := 0; i < 30*mb/1024; i++ {
				rows = append(rows, newRow())
			}
		}
		n++
	})
	runtime.KeepAlive(rows)
}

// sawtooth gathers a batch and drops it, over and over.
func sawtooth(periods float64) func(r *run) {
	return func(r *run) {
		var batch [][]byte
		seen := 0.0
		r.always(3*mb, 1024, func() {
			if period := math.Floor(r.share() * periods); period > seen {
				batch, seen = nil, period
			}
			batch = append(batch, newRow())
		})
		runtime.KeepAlive(batch)
	}
}

// Long-lived objects, replaced one by one.
func constant(r *run) {
	var slots [8000][]byte
	for i := range slots {
		slots[i] = newEntry()
	}
	r.always(400*kb, 4096, func() { slots[rand.Intn(len(slots))] = newEntry() })
	runtime.KeepAlive(&slots)
}

func staticTable(r *run) {
	tables := loadTables(150)
	r.rest()
	runtime.KeepAlive(tables)
}

//go:noinline
func newBuffer() interface{} { return bytes.NewBuffer(make([]byte, 0, 32*kb)) }

// Workers take buffers from a pool; more and more of them until a third of the run.
func poolWarmUp(r *run) {
	pool := sync.Pool{New: newBuffer}
	r.every(20*time.Millisecond, func() {
		busy := int(300 * math.Min(1, 3*r.share()))
		taken := make([]interface{}, busy)
		for i := range taken {
			taken[i] = pool.Get()
		}
		for _, b := range taken {
			pool.Put(b)
		}
	})
}

// For a third of the run nothing is collected.
func gcOffThenOn(r *run) {
	r.pace(3*mb, 1024, 0.1, 0.2, func() { newRow() })
	debug.SetGCPercent(-1)
	r.pace(4*mb, 1024, 0.2, 0.5, func() { newRow() })
	debug.SetGCPercent(100)
	r.pace(3*mb, 1024, 0.5, 1, func() { newRow() })
}

//go:noinline
func newCell(size int) []byte { return fill(make([]byte, size)) }

// Of each hundred cells one stays for long: pages that can not be given back.
func fragmentation(r *run) {
	var kept [1000][]byte
	n := 0
	r.always(6*mb, 1024, func() {
		cell := newCell(1024)
		if n%100 == 0 {
			kept[n/100%len(kept)] = cell
		}
		n++
	})
	runtime.KeepAlive(&kept)
}

// A peak at the beginning, whose memory the scavenger returns by and by.
func scavengerLag(r *run) {
	var peak [][]byte
	r.pace(40*mb, 64*kb, 0, 0.1, func() { peak = append(peak, newCell(64*kb)) })
	runtime.KeepAlive(peak)
	peak = nil
	r.rest()
}

type token struct {
	born float64
	data []byte
}

//go:noinline
func newToken() []byte { return fill(make([]byte, 1024)) }

// expiry keeps each for a share of the run.
func expiry(share, rate float64) func(r *run) {
	return func(r *run) {
		var tokens []token
		r.always(rate, 1024, func() {
			tokens = append(tokens, token{r.share(), newToken()})
			for tokens[0].born < r.share()-share {
				tokens = tokens[1:]
			}
		})
		runtime.KeepAlive(tokens)
	}
}

// Sessions come and go with a mean of a tenth of the run.
func population(r *run) {
	var sessions [][]byte
	for i := 0; i < 6000; i++ {
		sessions = append(sessions, newEntry())
	}
	r.always(2*mb, 4096, func() {
		if rand.Intn(2) == 0 {
			sessions = append(sessions, newEntry())
		} else if n := len(sessions); n > 0 {
			i := rand.Intn(n)
			sessions[i] = sessions[n-1]
			sessions[n-1] = nil
			sessions = sessions[:n-1]
		}
	})
	runtime.KeepAlive(sessions)
}

// Requests hold their memory for a moment; ever more of them until the middle, then as many.
func risingLoad(r *run) {
	var flying [200000][]byte
	n := 0
	r.every(10*time.Millisecond, func() {
		load := math.Min(1, 0.1+1.8*r.share())
		count := int(40 * load)
		for i := 0; i < count; i++ {
			flying[n] = newRow()
			n = (n + 1) % int(100+12000*load)
		}
	})
	runtime.KeepAlive(&flying)
}

// All is loaded anew, and replaces what was there.
func reload(r *run) {
	var table [][]byte
	r.every(r.length/7, func() {
		next := make([][]byte, 0, 10000)
		for i := 0; i < 10000; i++ {
			next = append(next, loadIndex())
		}
		table = next
	})
	runtime.KeepAlive(table)
}

type reading struct{ a, b, c, d uint64 }

//go:noinline
func (w *window) put(v reading) { w.readings = append(w.readings, v) }

type window struct{ readings []reading }

// An array that grows as it fills, and is then used again.
func growsOnce(r *run) {
	var w window
	r.always(2.5*mb, 32, func() {
		if len(w.readings) > 600000 {
			w.readings = w.readings[:0]
		}
		w.put(reading{})
	})
	runtime.KeepAlive(w)
}

// A log that is written out each time it is full.
func logFlush(r *run) {
	var log bytes.Buffer
	line := make([]byte, 256)
	r.always(2*mb, 256, func() {
		auditLine(&log, line)
		if log.Len() > 8*mb {
			log = bytes.Buffer{}
		}
	})
}

// Entries of a map come and go; the map never shrinks.
func mapChurn(r *run) {
	open := map[int][]byte{}
	n := 0
	r.always(4*mb, 1024, func() {
		open[n] = newToken()
		delete(open, n-20000)
		n++
	})
	runtime.KeepAlive(open)
}

//go:noinline
func newSingleton() []byte { return fill(make([]byte, 32*kb)) }

// Things that are made when they are first needed, ever more rarely.
func lazyInit(r *run) {
	made := map[int][]byte{}
	r.every(5*time.Millisecond, func() {
		if key := int(rand.ExpFloat64() * 90); made[key] == nil && key < 1000 {
			made[key] = newSingleton()
		}
	})
	runtime.KeepAlive(made)
}

// A burst of goroutines that end again.
func goroutineBurst(r *run) {
	var all sync.WaitGroup
	r.pace(2*mb, 8192, 0.2, 0.4, func() {
		buffer := newWork()
		all.Add(1)
		go func() {
			for r.share() < 0.5 {
				time.Sleep(100 * time.Millisecond)
			}
			sink += buffer[0]
			all.Done()
		}()
	})
	all.Wait()
}

// Goroutines that wait for a moment and end.
func goroutineChurn(r *run) {
	r.always(2*mb, 8192, func() {
		buffer := newWork()
		go func() {
			time.Sleep(time.Second)
			sink += buffer[0]
		}()
	})
}

// A pool of workers that grows to its size until a fourth of the run.
func workerPool(r *run) {
	jobs := make(chan []byte)
	r.pace(1*mb, 64*kb, 0, 0.25, func() {
		state := newCell(64 * kb)
		go func() {
			for job := range jobs {
				state[0] += job[0]
			}
		}()
	})
	r.pace(3*mb, 1024, 0.25, 1, func() { jobs <- newRow() })
}

type file struct{ data []byte }

//go:noinline
func openFile() *file { return &file{newEntry()} }

// What is dropped is closed by its finalizer, a cycle later.
func finalizers(r *run) {
	r.always(3*mb, 4096, func() {
		runtime.SetFinalizer(openFile(), func(f *file) { sink += f.data[0] })
	})
}

// Buffers are kept for the greatest message there was, which is soon found.
func highWater(r *run) {
	var buffers [200][]byte
	r.every(5*time.Millisecond, func() {
		i, need := rand.Intn(len(buffers)), int(math.Min(256*kb, 8*kb*math.Exp(rand.ExpFloat64())))
		if cap(buffers[i]) < need {
			buffers[i] = newCell(need)
		}
	})
	runtime.KeepAlive(&buffers)
}

// Mappings that are given back.
func mappedChurn(r *run) {
	r.always(10*mb, 256*kb, func() {
		if err := syscall.Munmap(mapFile()); err != nil {
			panic(err)
		}
	})
}

// A deep recursion in bursts: stacks that grow and shrink.
func stackBursts(r *run) {
	var descend func(depth int) int
	descend = func(depth int) int {
		var frame [512]byte
		frame[depth%512] = byte(depth)
		if depth == 0 {
			return int(frame[0])
		}
		return descend(depth-1) + int(frame[depth%512])
	}
	r.every(time.Second, func() {
		var all sync.WaitGroup
		for i := 0; i < 8; i++ {
			all.Add(1)
			go func() {
				sink += byte(descend(4000))
				all.Done()
			}()
		}
		all.Wait()
	})
}

// A queue that fills while its reader is away, and is emptied.
func queueDrains(r *run) {
	queue := make(chan []byte, 100000)
	go func() {
		for m := range queue {
			if s := r.share(); s > 0.2 && s < 0.4 {
				time.Sleep(4 * time.Millisecond)
			}
			sink += m[0]
		}
	}()
	r.always(2*mb, 2048, func() { queue <- newMessage() })
}

// A pool of connections that follows a load which swings.
func connectionPool(r *run) {
	var pool [][]byte
	r.every(50*time.Millisecond, func() {
		want := int(600 * (1 + 0.6*math.Sin(2*math.Pi*3*r.share())))
		for len(pool) < want {
			pool = append(pool, newCell(32*kb))
		}
		for len(pool) > want+20 {
			pool[0] = nil
			pool = pool[1:]
		}
	})
	runtime.KeepAlive(pool)
}

func init() {
	register("lru-full", 10, 10, lru(0.08, 5000))
	register("lru-filling", 10, 10, lru(0.3, 12000))
	register("lru-half", 10, 10, lru(0.5, 15000))
	register("random-eviction", 10, 10, randomEviction)
	register("finite-keys", 15, 10, finiteKeys)
	register("ramp-up", 15, 10, ramp(0.2, 5*mb))
	register("ramp-up-half", 15, 10, ramp(0.45, 2.5*mb))
	register("periodic-burst", 10, 10, periodicBurst)
	register("sawtooth", 10, 10, sawtooth(7.3))
	register("sawtooth-slow", 10, 10, sawtooth(2.4))
	register("constant", 10, 10, constant)
	register("static-table", 30, 0, staticTable)
	register("pool-warm-up", 10, 10, poolWarmUp)
	register("gc-off-on", 5, 10, gcOffThenOn)
	register("fragmentation", 10, 10, fragmentation)
	register("scavenger-lag", 20, 10, scavengerLag)
	register("expiry", 10, 10, expiry(0.15, 3*mb))
	register("expiry-slow", 15, 10, expiry(0.4, 1.5*mb))
	register("population", 15, 10, population)
	register("rising-load", 10, 10, risingLoad)
	register("reload", 10, 10, reload)
	register("grows-once", 20, 10, growsOnce)
	register("log-flush", 15, 10, logFlush)
	register("map-churn", 10, 10, mapChurn)
	register("lazy-init", 15, 10, lazyInit)
	register("goroutine-burst", 10, 10, goroutineBurst)
	register("goroutine-churn", 10, 10, goroutineChurn)
	register("worker-pool", 10, 10, workerPool)
	register("finalizers", 10, 10, finalizers)
	register("high-water", 15, 10, highWater)
	register("mapped-churn", 10, 10, mappedChurn)
	register("stack-bursts", 10, 10, stackBursts)
	register("queue-drains", 15, 10, queueDrains)
	register("connection-pool", 10, 10, connectionPool)
	register("idle", 4, 10, func(r *run) {})
}
