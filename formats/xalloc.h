#ifndef GMT_FORMATS_XALLOC_H
#define GMT_FORMATS_XALLOC_H

#include <stddef.h>

/*
 * Allocation that does not fail: where there is no memory they say so and abort. A size that comes
 * from input must be bounded by the input's own length before it comes here.
 */
void *xmalloc(size_t size);
void *xcalloc(size_t n, size_t size);
void *xreallocarray(void *ptr, size_t n, size_t size);
char *xstrdup(const char *text);
char *xstrndup(const char *text, size_t n);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * Makes room in a growing array for at least `need` elements. `items` is the pointer, `cap` its
 * capacity in elements; both are updated. Growth is geometric.
 */
#define xgrow(items, cap, need)                                                         \
	do {                                                                            \
		size_t xgrow_need_ = (need);                                            \
		if (xgrow_need_ > (cap)) {                                              \
			size_t xgrow_cap_ = (cap) ? (size_t)(cap)*2 : 8;                \
			if (xgrow_cap_ < xgrow_need_)                                   \
				xgrow_cap_ = xgrow_need_;                               \
			(items) = xreallocarray((items), xgrow_cap_, sizeof(*(items))); \
			(cap) = xgrow_cap_;                                             \
		}                                                                       \
	} while (0)

#endif
