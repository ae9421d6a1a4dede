package main

import "runtime"

// Programs that do nothing beside their own work: the garbage collector runs a few times only, ever
// more rarely as the heap grows.

type visitor struct {
	next *visitor
	data []byte
}

//go:noinline
func newVisitor() []byte { return fill(make([]byte, 2048)) }

// quietLeak keeps all of them.
func quietLeak(rate float64) func(r *run) {
	return func(r *run) {
		var all *visitor
		r.always(rate, 2048, func() {
			all = &visitor{all, newVisitor()}
			r.leaked("main.newVisitor", 2048)
		})
		runtime.KeepAlive(all)
	}
}

func init() {
	register("quiet-leak", 0, 0, quietLeak(2*mb))
	register("quiet-slow-leak", 0, 0, quietLeak(500*kb))
	register("quiet-some", 2, 5, quietLeak(1*mb))
	register("quiet-cache", 0, 0, lru(0.3, 10000))
	register("quiet-cache-half", 0, 0, lru(0.5, 10000))
	register("quiet-ramp-up", 0, 0, ramp(0.3, 3*mb))
	register("quiet-ramp-up-half", 0, 0, ramp(0.5, 1.5*mb))
	register("quiet-sawtooth", 0, 0, sawtooth(4.3))
	register("quiet-expiry", 0, 0, expiry(0.25, 2*mb))
}
