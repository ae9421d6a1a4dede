#ifndef GMT_TESTS_RANDOM_H
#define GMT_TESTS_RANDOM_H

#include <math.h>
#include <stdint.h>

/* Numbers for simulations: splitmix64 (Steele, Lea and Flood 2014), the same run after run. */
struct random {
	uint64_t state;
};

static inline uint64_t random_u64(struct random *r)
{
	uint64_t z = r->state += 0x9e3779b97f4a7c15u;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

/* Uniform in (0, 1). */
static inline double random_uniform(struct random *r)
{
	return ((double)(random_u64(r) >> 11) + 0.5) / 9007199254740992.0;
}

static inline double random_between(struct random *r, double low, double high)
{
	return low + (high - low) * random_uniform(r);
}

static inline double random_exponential(struct random *r, double mean)
{
	return -mean * log(random_uniform(r));
}

static inline double random_normal(struct random *r)
{
	return sqrt(-2 * log(random_uniform(r))) * cos(2 * M_PI * random_uniform(r));
}

#endif
