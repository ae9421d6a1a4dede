#ifndef GMT_FORMATS_UTF8_H
#define GMT_FORMATS_UTF8_H

#include <stddef.h>

/*
 * The bytes of the UTF-8 character at text, 1 to 4; 0 where there is none (a stray or missing
 * continuation, an overlong form, half of a surrogate pair, beyond U+10FFFF). Reads no further than
 * a NUL, which is a character of 1 byte.
 */
size_t utf8_length(const char *text);

#endif
