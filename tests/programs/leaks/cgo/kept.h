/* What the programs of the corpus keep outside of Go's heap. */
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* 200 bytes by strdup. */
void leak_name(const char *name);
void leak_buffer(size_t size);
/* 512 bytes by C++'s new. */
void leak_shape(void);
/* 512 bytes more in a vector, which is copied to a larger one now and then. */
void leak_point(void);
void leak_mapping(size_t size);
/* Takes and returns. */
void borrow(size_t size);
/* A table of 8192 places, each replaced in its turn. */
void cache_put(int n, size_t size);

#ifdef __cplusplus
}
#endif
