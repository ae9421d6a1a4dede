package main

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"runtime/metrics"
	"sort"
)

// A sampledEvent is a birth or a death as the recording has it.
type sampledEvent struct {
	time  uint64
	death bool
	addr  uint64
	size  uint64
}

func readEvents(in io.Reader) ([]sampledEvent, error) {
	var events []sampledEvent
	lines := bufio.NewScanner(in)
	for lines.Scan() {
		var e sampledEvent
		var kind string
		_, err := fmt.Sscanf(lines.Text(), "%d %s %x %d", &e.time, &kind, &e.addr, &e.size)
		if err != nil || kind != "birth" && kind != "death" {
			return nil, fmt.Errorf("this is no event: %q", lines.Text())
		}
		e.death = kind == "death"
		events = append(events, e)
	}
	sort.SliceStable(events, func(i, j int) bool { return events[i].time < events[j].time })
	return events, lines.Err()
}

type span struct {
	start, size, slot uint64
	tiny              bool
}

// An object is what both sides say of one slot of the heap at this moment.
type object struct {
	live    bool   // by the execution trace
	sampled bool   // by the recording
	death   uint64 // by the recording, or never
}

// lags is how much later than the recording the execution trace names the same events, in
// nanoseconds.
type lags struct {
	Median int64 `json:"median"`
	P99    int64 `json:"p99"`
	Max    int64 `json:"max"`
	all    []int64
}

func (l *lags) close() {
	sort.Slice(l.all, func(i, j int) bool { return l.all[i] < l.all[j] })
	if n := len(l.all); n > 0 {
		l.Median, l.P99, l.Max = l.all[n/2], l.all[n*99/100], l.all[n-1]
	}
}

// A verdict counts what agrees and what does not.
type verdict struct {
	Version    string  `json:"version"`
	Nanosecond uint64  `json:"tick_ns"`
	Allocs     int     `json:"allocs"`
	Frees      int     `json:"frees"`
	Births     int     `json:"births"`
	Deaths     int     `json:"deaths"`
	Before     int     `json:"alive_before"`
	After      int     `json:"alive_after"`
	Expected   float64 `json:"expected_births"`
	Sigma      float64 `json:"sigma"`
	BirthLag   lags    `json:"birth_lag_ns"`
	DeathLag   lags    `json:"death_lag_ns"`

	// Each of these is a disagreement.
	NoAlloc      int `json:"births_without_alloc"`
	NoFree       int `json:"deaths_without_free"`
	MissedDeath  int `json:"frees_without_death"`
	BornTwice    int `json:"born_while_alive"`
	NeverBorn    int `json:"deaths_without_birth"`
	NotThere     int `json:"alive_before_but_not_there"`
	WrongSize    int `json:"wrong_sizes"`
	Inconsistent int `json:"execution_trace_inconsistent"`

	Examples []string `json:"examples,omitempty"`
}

func (v *verdict) wrong(count *int, format string, args ...interface{}) {
	*count++
	if len(v.Examples) < 10 {
		v.Examples = append(v.Examples, fmt.Sprintf(format, args...))
	}
}

// slotSizes are the runtime's size classes, by number; 0 is for objects with a span of their own.
func slotSizes() []uint64 {
	sample := []metrics.Sample{{Name: "/gc/heap/allocs-by-size:bytes"}}
	metrics.Read(sample)
	sizes := []uint64{0}
	// A bucket ends where the next size begins: one byte above the largest of its own.
	for _, edge := range sample[0].Value.Float64Histogram().Buckets[1:] {
		if !math.IsInf(edge, 1) {
			sizes = append(sizes, uint64(edge)-1)
		}
	}
	return sizes
}

type comparison struct {
	verdict
	told    *account
	rate    float64
	sizes   []uint64
	spans   map[uint64]*span // by page
	gone    map[uint64]*span // the last that was freed there, by page
	objects map[uint64]*object
	born    map[uint64]sampledEvent // births whose allocation is still to come, by address
	alive   map[uint64]*object      // sampled objects, by address
	begun   bool
	sum     float64
}

// find returns the span and the object that an address lies in, or nil.
func (c *comparison) find(addr uint64) (*span, *object) {
	return c.in(c.spans[addr/c.told.pageSize], addr)
}

func (c *comparison) in(s *span, addr uint64) (*span, *object) {
	if s == nil || s.slot == 0 {
		return nil, nil
	}
	start := s.start + (addr-s.start)/s.slot*s.slot
	o := c.objects[start]
	if o == nil {
		o = &object{death: never}
		c.objects[start] = o
	}
	return s, o
}

func (c *comparison) addSpan(e heapEvent) {
	s := &span{start: e.addr, size: e.pages * c.told.pageSize}
	// The lowest bit is set where the span holds no objects, the next where they have no pointers.
	if class := e.class >> 2; e.class&1 == 0 && class < uint64(len(c.sizes)) {
		s.slot = c.sizes[class]
		s.tiny = e.class&2 != 0 && s.slot == 16
		if class == 0 {
			s.slot = s.size
		}
	}
	for at := s.start; at < s.start+s.size; at += c.told.pageSize {
		c.spans[at/c.told.pageSize] = s
	}
}

func (c *comparison) removeSpan(addr uint64) {
	s := c.spans[addr/c.told.pageSize]
	if s == nil || s.start != addr {
		c.wrong(&c.Inconsistent, "span %#x is freed and was not there", addr)
		return
	}
	for at := s.start; at < s.start+s.size; at += c.told.pageSize {
		delete(c.spans, at/c.told.pageSize)
		c.gone[at/c.told.pageSize] = s
	}
}

// sample joins a birth to the object that the execution trace has at its address.
func (c *comparison) sample(s *span, o *object, birth sampledEvent) {
	if s.slot != birth.size {
		c.wrong(&c.WrongSize, "%#x at %d: %d bytes, its slot %d", birth.addr, birth.time, birth.size, s.slot)
	}
	o.sampled = true
	c.alive[birth.addr] = o
	delete(c.born, birth.addr)
}

// begin: the execution trace has named everything that was there before it.
func (c *comparison) begin(now uint64) {
	c.begun = true
	for addr, birth := range c.born {
		if s, o := c.find(addr); o != nil && o.live {
			c.sample(s, o, birth)
			c.Before++
		} else {
			c.wrong(&c.NotThere, "%#x of %d bytes, born at %d, not there at %d", addr, birth.size, birth.time, now)
			delete(c.born, addr)
		}
	}
}

func (c *comparison) sampled(e sampledEvent) {
	_, waits := c.born[e.addr]
	o := c.alive[e.addr]
	switch {
	case !e.death && (waits || o != nil):
		c.wrong(&c.BornTwice, "%#x at %d", e.addr, e.time)
	case !e.death:
		c.born[e.addr] = e
		if c.begun {
			c.Births++
		}
	case !c.begun && waits:
		delete(c.born, e.addr)
	case o == nil:
		c.wrong(&c.NeverBorn, "%#x dies at %d", e.addr, e.time)
	default:
		c.Deaths++
		o.death = e.time
		delete(c.alive, e.addr)
	}
}

func (c *comparison) alloc(e heapEvent) {
	s, o := c.find(e.addr)
	if o == nil {
		c.wrong(&c.Inconsistent, "%#x is allocated at %d in no span", e.addr, e.time)
		return
	}
	if o.live {
		// Small objects without pointers share a slot; only the first of them is sampled.
		if !s.tiny {
			c.wrong(&c.Inconsistent, "%#x is allocated twice, at %d", e.addr, e.time)
		}
		return
	}
	o.live = true
	c.Allocs++
	p := -math.Expm1(-float64(s.slot) / c.rate)
	c.Expected += p
	c.sum += p * (1 - p)
	if birth, found := c.born[e.addr]; found {
		c.BirthLag.all = append(c.BirthLag.all, int64(e.time-birth.time))
		c.sample(s, o, birth)
	}
}

func (c *comparison) free(e heapEvent) {
	_, o := c.find(e.addr)
	if o == nil {
		// What a thread frees in one go pushes its times ahead: the span that it emptied may
		// have been freed by another thread a moment before.
		_, o = c.in(c.gone[e.addr/c.told.pageSize], e.addr)
	}
	if o == nil {
		c.wrong(&c.Inconsistent, "%#x is freed at %d in no span", e.addr, e.time)
		return
	}
	c.Frees++
	if o.death != never {
		c.DeathLag.all = append(c.DeathLag.all, int64(e.time-o.death))
	} else if o.sampled {
		c.wrong(&c.MissedDeath, "%#x is freed at %d", e.addr, e.time)
	}
	*o = object{death: never}
}

func (c *comparison) tell(e heapEvent) {
	if !c.begun && e.kind != evSpan && e.kind != evObject {
		c.begin(e.time)
	}
	switch e.kind {
	case evSpan, evSpanAlloc:
		c.addSpan(e)
	case evSpanFree:
		c.removeSpan(e.addr)
	case evObject:
		if _, o := c.find(e.addr); o != nil {
			o.live = true
		} else {
			c.wrong(&c.Inconsistent, "%#x is in no span", e.addr)
		}
	case evObjectAlloc:
		c.alloc(e)
	case evObjectFree:
		c.free(e)
	}
}

// compare goes through both in the order of time. A birth waits for the allocation at its address,
// before which its slot must have been freed; a death comes before the freeing of its slot. So each
// pair is joined by its address and its order alone.
func compare(told *account, events []sampledEvent, rate float64) *verdict {
	c := comparison{told: told, rate: rate, sizes: slotSizes(), spans: map[uint64]*span{}, gone: map[uint64]*span{},
		objects: map[uint64]*object{}, born: map[uint64]sampledEvent{}, alive: map[uint64]*object{}}
	c.Version, c.Nanosecond = told.version, told.tick
	for _, e := range told.events {
		for len(events) > 0 && events[0].time <= e.time {
			c.sampled(events[0])
			events = events[1:]
		}
		c.tell(e)
	}
	// What comes after the execution trace has no witness.
	for len(events) > 0 && events[0].time <= told.last {
		c.sampled(events[0])
		events = events[1:]
	}
	for addr, birth := range c.born {
		c.wrong(&c.NoAlloc, "%#x, born at %d", addr, birth.time)
	}
	for addr, o := range c.objects {
		if o.death != never {
			c.wrong(&c.NoFree, "%#x, dead at %d", addr, o.death)
		}
	}
	c.After = len(c.alive)
	c.Sigma = math.Sqrt(c.sum)
	c.BirthLag.close()
	c.DeathLag.close()
	return &c.verdict
}
