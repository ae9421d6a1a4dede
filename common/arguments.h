#ifndef GMT_COMMON_ARGUMENTS_H
#define GMT_COMMON_ARGUMENTS_H

#include <stdbool.h>
#include <stdint.h>

/* Values as users write them on a command line. False: not one, or out of range. */

/* "90s", "10m", "2h", "1500ms", "200us", "1.5s" or plain seconds, in ns. Zero is one. */
bool argument_duration(const char *text, uint64_t *ns);
/* "4096", "64K", "2M", "1G", "512MiB": binary units, in bytes. */
bool argument_bytes(const char *text, uint64_t *bytes);
/* A decimal number in [low, high]. */
bool argument_number(const char *text, uint64_t low, uint64_t high, uint64_t *value);

#endif
