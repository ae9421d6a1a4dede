#ifndef GMT_ANALYZE_UNITS_H
#define GMT_ANALYZE_UNITS_H

#include <stddef.h>
#include <stdint.h>

/*
 * Figures for people. Bytes are in binary units throughout (KiB, MiB, GiB). Each returns its text
 * by value, to be used within the expression: printf("%s", units_bytes(n).text).
 */
struct units_text {
	char text[64];
};

/* Three significant digits: "0 B", "512 B", "61.2 MiB", "-1.50 GiB". */
struct units_text units_bytes(double bytes);
/* Growth, with its sign, bytes an hour: "+61.2 MiB/h". */
struct units_text units_growth(double bytes_per_hour);
/* The same with an interval in the same unit: "+61.2 MiB/h (58.9 to 63.6)". */
struct units_text units_growth_range(double bytes_per_hour, double low, double high);
/* At most two units: "850ms", "12.3s", "4m58s", "2h05m", "3d04h". */
struct units_text units_duration(uint64_t ns);
/* With commas between thousands: "1,234,567". */
struct units_text units_count(uint64_t n);
/* A share of 1, two digits at most: "99.7%", "12%", "0%", "<0.1%". */
struct units_text units_percent(double share);

/*
 * A copy of a text from outside that is safe to print: control characters and what is no UTF-8 are
 * replaced by '?', so that a name in a trace cannot steer a terminal. Owned by the caller.
 */
char *units_printable(const char *text);
/* The same, shortened to at most width columns by taking out its middle: "github.com...(*DB).Put".
 * Owned by the caller. */
char *units_shorten(const char *text, size_t width);
/* Columns that a text takes: its UTF-8 code points. */
size_t units_columns(const char *text);

#endif
