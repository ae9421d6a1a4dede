//go:build go1.23
// +build go1.23

package main

import "iter"

func init() {
	pulled = func(n int) (made int) {
		for i := 0; i < n; i++ {
			next, stop := iter.Pull(func(yield func(uint64) bool) { yield(1) })
			value, _ := next()
			total += value
			stop()
			made++
		}
		return made
	}
}
