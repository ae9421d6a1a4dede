#ifndef GMT_FORMATS_JSON_H
#define GMT_FORMATS_JSON_H

/*
 * Writes JSON (RFC 8259), value after value, with no memory of what was written. The outer levels
 * have a line for each value, the inner ones stand on one line. Equal values give equal bytes.
 *
 * `key` names a value within an object; it is NULL within an array and for the value at the top.
 * Whether the file could be written is for the caller to ask (ferror).
 */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#define JSON_MAX_DEPTH 32

struct json {
	FILE *out;
	unsigned depth; /* open objects and arrays */
	struct {
		char close;
		bool filled;
	} open[JSON_MAX_DEPTH];
};

struct json json_make(FILE *out);
/* Opens an object or an array, which json_end closes. At most JSON_MAX_DEPTH are open at a time. */
void json_object(struct json *json, const char *key);
void json_array(struct json *json, const char *key);
/* Closes what was opened last; a line ends behind the outermost. */
void json_end(struct json *json);

void json_null(struct json *json, const char *key);
void json_bool(struct json *json, const char *key, bool value);
/* Every digit, also above 2^53, where some readers round. */
void json_u64(struct json *json, const char *key, uint64_t value);
void json_i64(struct json *json, const char *key, int64_t value);
/* A whole number below 2^53 is exact, others have 12 significant digits; null where not finite. */
void json_number(struct json *json, const char *key, double value);
/* Bytes that are no UTF-8 become U+FFFD, control characters are escaped; null where NULL. */
void json_string(struct json *json, const char *key, const char *value);

#endif
