//go:build go1.19
// +build go1.19

package main

import "runtime/debug"

func setMemoryLimit(limit int64) { debug.SetMemoryLimit(limit) }
