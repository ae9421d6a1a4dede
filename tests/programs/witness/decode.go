package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sort"
)

// The events of the second format of execution traces that are read here. New versions of Go add
// events; they have not renumbered them.
const (
	evEventBatch        = 1
	evStacks            = 2
	evStrings           = 4
	evCPUSamples        = 6
	evFrequency         = 8
	evExperimentalBatch = 49
	evSync              = 50
	evEndOfGeneration   = 52
	evSpan              = 128
	evSpanAlloc         = 129
	evSpanFree          = 130
	evObject            = 131
	evObjectAlloc       = 132
	evObjectFree        = 133
)

// How many numbers follow the type of a timed event, the first being the time since the one before.
var arguments = map[byte]int{
	9: 3, 10: 3, 11: 1, 12: 4, 13: 3, // processors
	14: 4, 15: 2, 16: 3, 17: 1, 18: 1, 19: 3, 20: 3, 21: 4, 22: 3, 23: 1, 24: 1, 25: 4, // goroutines
	26: 3, 27: 1, 28: 2, 29: 3, 30: 2, 31: 2, 32: 2, 33: 3, 34: 2, 35: 2, 36: 1, 37: 2, 38: 2, // GC
	39: 2, 40: 5, 41: 3, 42: 4, 43: 4, 44: 5, // annotations
	45: 3, 46: 3, 47: 4, 48: 5, // coroutines, since Go 1.23
	51:     4,                                                                                // a reading of the clocks, since Go 1.25
	evSpan: 4, evSpanAlloc: 4, evSpanFree: 2, evObject: 3, evObjectAlloc: 3, evObjectFree: 2, // the heap
	134: 3, 135: 3, 136: 2, // stacks
}

// A heapEvent is about the span or the object at an address. Its time is the end of the tick of the
// trace's clock in which it was written, in nanoseconds of the monotonic clock.
type heapEvent struct {
	time  uint64
	kind  byte
	addr  uint64
	pages uint64
	class uint64
}

// An account is what an execution trace tells about the heap, in the order of time.
type account struct {
	version  string
	pageSize uint64
	tick     uint64
	last     uint64
	events   []heapEvent
}

var errShort = errors.New("the execution trace ends within an event")

type reader struct {
	data []byte
	bad  error
}

func (r *reader) byte() byte {
	if len(r.data) == 0 {
		r.bad = errShort
		return 0
	}
	b := r.data[0]
	r.data = r.data[1:]
	return b
}

func (r *reader) number() uint64 {
	n, size := binary.Uvarint(r.data)
	if size <= 0 {
		r.bad = errShort
		r.data = nil
		return 0
	}
	r.data = r.data[size:]
	return n
}

func (r *reader) bytes(n uint64) []byte {
	if n > uint64(len(r.data)) {
		r.bad = errShort
		n = uint64(len(r.data))
	}
	b := r.data[:n]
	r.data = r.data[n:]
	return b
}

// timed reads a batch of timed events. Times are ticks and addresses the runtime's numbers for now:
// what a tick is and where the heap begins may stand in a later batch.
func (a *account) timed(batch []byte, now uint64) error {
	r := reader{data: batch}
	for len(r.data) > 0 && r.bad == nil {
		var args [5]uint64
		kind := r.byte()
		n, known := arguments[kind]
		if !known {
			return fmt.Errorf("event %d is not known", kind)
		}
		for i := 0; i < n; i++ {
			args[i] = r.number()
		}
		now += args[0]
		if now > a.last {
			a.last = now
		}
		if kind >= evSpan && kind <= evObjectFree {
			a.events = append(a.events, heapEvent{now, kind, args[1], args[2], args[3]})
		}
	}
	return r.bad
}

func decode(data []byte) (*account, error) {
	const headerSize = 16
	const maxFrequency = 1000000000
	if len(data) < headerSize || !bytes.HasPrefix(data, []byte("go 1.")) {
		return nil, errors.New("this is no execution trace")
	}
	a := &account{version: string(bytes.TrimRight(data[:headerSize], "\x00"))}
	r := reader{data: data[headerSize:]}
	var base, align, frequency uint64
	for len(r.data) > 0 && r.bad == nil {
		kind := r.byte()
		if kind == evEndOfGeneration {
			continue
		}
		if kind != evEventBatch && kind != evExperimentalBatch {
			return nil, fmt.Errorf("a batch begins with event %d", kind)
		}
		if kind == evExperimentalBatch {
			r.byte() // which experiment: there is but one
		}
		r.number() // generation
		r.number() // thread
		now := r.number()
		batch := r.bytes(r.number())
		if r.bad != nil || len(batch) == 0 {
			continue
		}
		if kind == evExperimentalBatch {
			// 1: what is needed to read the numbers of objects; 0: their types.
			if in := (reader{data: batch[1:]}); batch[0] == 1 {
				base, a.pageSize, align = in.number(), in.number(), in.number()
			}
			continue
		}
		switch batch[0] {
		case evStacks, evStrings, evCPUSamples:
		case evFrequency, evSync:
			in := reader{data: batch[1:]}
			if batch[0] == evSync {
				in.byte()
			}
			frequency = in.number()
		default:
			if err := a.timed(batch, now); err != nil {
				return nil, err
			}
		}
	}
	if r.bad != nil {
		return nil, r.bad
	}
	if frequency == 0 || frequency > maxFrequency || a.pageSize == 0 || align == 0 {
		return nil, errors.New("the execution trace does not name its clock or its heap: run with GODEBUG=traceallocfree=1")
	}
	a.tick = maxFrequency / frequency
	for i := range a.events {
		e := &a.events[i]
		e.time = (e.time+1)*a.tick - 1
		if e.kind <= evSpanFree {
			e.addr = base + e.addr*a.pageSize
		} else {
			e.addr = base + e.addr*align
		}
	}
	a.last = (a.last+1)*a.tick - 1
	// The events of a thread are in order already.
	sort.SliceStable(a.events, func(i, j int) bool { return a.events[i].time < a.events[j].time })
	if len(a.events) == 0 {
		return nil, errors.New("the execution trace has no object: run with GODEBUG=traceallocfree=1")
	}
	return a, nil
}

// never is a time that no event has.
const never = uint64(math.MaxUint64)
