/*
 * Does nothing but allocate and free, in sizes up to half a kilobyte, and prints the CPU time that
 * a pair of these takes it, in ns.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

int main(int argc, char *argv[])
{
	long pairs = argc > 1 ? strtol(argv[1], NULL, 10) : 100000;
	double begin = cpu_ns();

	for (long i = 0; i < pairs; i++) {
		void *volatile p = malloc((size_t)(i % 500) + 1);

		free(p);
	}
	printf("%.1f\n", (cpu_ns() - begin) / (double)pairs);
	return 0;
}
