//go:build c
// +build c

package main

/*
#cgo LDFLAGS: -lpthread
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void **blocks;

static void hold(size_t n, size_t size)
{
	blocks = malloc(n * sizeof(*blocks));
	if (!blocks)
		abort();
	for (size_t i = 0; i < n; i++) {
		blocks[i] = malloc(size);
		if (!blocks[i])
			abort();
		memset(blocks[i], 0x5a, size);
	}
}

static void *in_thread(void *arg)
{
	char frame[256 << 10];

	memset(frame, 1, sizeof(frame));
	__asm__ volatile("" : : "r"(frame) : "memory");
	hold((size_t)arg, 1000);
	for (;;)
		pause();
	return NULL;
}

static void start(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		pthread_t thread;

		if (pthread_create(&thread, NULL, in_thread, (void *)1000))
			abort();
	}
	usleep(200000);
}
*/
import "C"

func init() {
	holdInC = func(small, large int) {
		C.hold(C.size_t(small*mib/1000), 1000)
		if large > 0 {
			C.hold(1, C.size_t(large*mib))
		}
	}
	startThreads = func(n int) { C.start(C.size_t(n)) }
}
