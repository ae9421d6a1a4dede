#include "analyze/units.h"

#include "formats/utf8.h"
#include "formats/xalloc.h"

#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static const char *const byte_units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};

/* The unit in which a figure has at most three digits before the point, and its size. */
static size_t byte_unit(double bytes, double *size)
{
	size_t unit = 0;

	*size = 1;
	/* What would round to four digits belongs to the next unit. */
	while (fabs(bytes) / *size >= 999.5 &&
	       unit + 1 < sizeof(byte_units) / sizeof(*byte_units)) {
		*size *= 1024;
		unit++;
	}
	return unit;
}

/* Three significant digits; whole bytes. */
static int digits_after_point(double value, size_t unit)
{
	if (unit == 0 || fabs(value) >= 99.95)
		return 0;
	return fabs(value) >= 9.995 ? 1 : 2;
}

struct units_text units_bytes(double bytes)
{
	struct units_text out;
	double size, value;
	size_t unit = byte_unit(bytes, &size);

	value = bytes / size;
	if (unit == 0 && fabs(value) < 0.5)
		value = 0;
	snprintf(out.text, sizeof(out.text), "%.*f %s", digits_after_point(value, unit), value,
		 byte_units[unit]);
	return out;
}

struct units_text units_growth(double bytes_per_hour)
{
	struct units_text out, bytes = units_bytes(bytes_per_hour);

	snprintf(out.text, sizeof(out.text), "%s%.32s/h", bytes.text[0] == '-' ? "" : "+",
		 bytes.text);
	return out;
}

/* Adding nothing makes minus nothing nothing. */
static double rounded(double value, int digits)
{
	double power = digits == 0 ? 1 : digits == 1 ? 10 : 100;

	return round(value * power) / power + 0.0;
}

struct units_text units_growth_range(double bytes_per_hour, double low, double high)
{
	struct units_text out;
	double size, value;
	size_t unit = byte_unit(fmax(fabs(bytes_per_hour), fabs(high)), &size);
	int digits = digits_after_point(bytes_per_hour / size, unit);

	value = rounded(bytes_per_hour / size, digits);
	snprintf(out.text, sizeof(out.text), "%s%.*f %s/h (%.*f to %.*f)", value < 0 ? "" : "+",
		 digits, value, byte_units[unit], digits, rounded(low / size, digits), digits,
		 rounded(high / size, digits));
	return out;
}

struct units_text units_duration(uint64_t ns)
{
	struct units_text out;
	uint64_t seconds = (ns + 500000000) / 1000000000;

	if (ns < 1000)
		snprintf(out.text, sizeof(out.text), "%" PRIu64 "ns", ns);
	else if (ns < 1000000)
		snprintf(out.text, sizeof(out.text), "%.3gus", (double)ns / 1e3);
	else if (ns < 999500000)
		snprintf(out.text, sizeof(out.text), "%.3gms", (double)ns / 1e6);
	else if (ns < 59950000000)
		snprintf(out.text, sizeof(out.text), "%.3gs", (double)ns / 1e9);
	else if (seconds < 3600)
		snprintf(out.text, sizeof(out.text), "%" PRIu64 "m%02" PRIu64 "s", seconds / 60,
			 seconds % 60);
	else if (seconds < 86400)
		snprintf(out.text, sizeof(out.text), "%" PRIu64 "h%02" PRIu64 "m", seconds / 3600,
			 seconds % 3600 / 60);
	else
		snprintf(out.text, sizeof(out.text), "%" PRIu64 "d%02" PRIu64 "h", seconds / 86400,
			 seconds % 86400 / 3600);
	return out;
}

struct units_text units_count(uint64_t n)
{
	struct units_text out;
	char digits[24];
	size_t len, at = 0;

	snprintf(digits, sizeof(digits), "%" PRIu64, n);
	len = strlen(digits);
	for (size_t i = 0; i < len; i++) {
		if (i && (len - i) % 3 == 0)
			out.text[at++] = ',';
		out.text[at++] = digits[i];
	}
	out.text[at] = '\0';
	return out;
}

struct units_text units_percent(double share)
{
	struct units_text out;
	double percent = share * 100;

	if (percent <= 0)
		snprintf(out.text, sizeof(out.text), "0%%");
	else if (percent < 0.1)
		snprintf(out.text, sizeof(out.text), "<0.1%%");
	else if (percent < 9.95 || (percent > 98.95 && percent < 100))
		/* Nothing short of the whole may round to it. */
		snprintf(out.text, sizeof(out.text), "%.1f%%", fmin(percent, 99.9));
	else
		snprintf(out.text, sizeof(out.text), "%.0f%%", percent);
	return out;
}

static bool begins_code_point(char c)
{
	return ((unsigned char)c & 0xc0) != 0x80;
}

size_t units_columns(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += begins_code_point(*text);
	return n;
}

/* The bytes that the first n code points of text take. */
static size_t prefix_bytes(const char *text, size_t n)
{
	size_t i = 0;

	for (; text[i]; i++)
		if (begins_code_point(text[i]) && n-- == 0)
			break;
	return i;
}

/* The length of the character at text, 0 where there is none that may be printed: no UTF-8, or a
 * control. */
static size_t printable_length(const char *text)
{
	unsigned char first = (unsigned char)text[0], second;

	if (first < 0x20 || first == 0x7f)
		return 0;
	second = (unsigned char)text[1];
	return first == 0xc2 && second < 0xa0 ? 0 : utf8_length(text);
}

char *units_printable(const char *text)
{
	char *out = xstrdup(text);
	size_t at = 0;

	while (text[at]) {
		size_t n = printable_length(text + at);

		if (n == 0)
			out[at] = '?';
		at += n ? n : 1;
	}
	return out;
}

char *units_shorten(const char *text, size_t width)
{
	char *out = units_printable(text);
	size_t columns = units_columns(out), head, tail, cut, rest;

	if (columns <= width)
		return out;
	if (width < 5) {
		out[prefix_bytes(out, width)] = '\0';
		return out;
	}
	/* The end of a Go name says most: it gets two thirds. */
	head = (width - 3) / 3;
	tail = width - 3 - head;
	cut = prefix_bytes(out, head);
	rest = prefix_bytes(out, columns - tail);
	memcpy(out + cut, "...", 3);
	memmove(out + cut + 3, out + rest, strlen(out + rest) + 1);
	return out;
}
