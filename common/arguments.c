#include "common/arguments.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

bool argument_duration(const char *text, uint64_t *ns)
{
	static const struct {
		const char *suffix;
		double ns;
	} units[] = {{"", 1e9}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}, {"m", 60e9}, {"h", 3600e9}};
	char *end;
	double value;

	/* No sign, and none of the names that strtod takes for numbers. */
	if (!isdigit((unsigned char)*text))
		return false;
	value = strtod(text, &end);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].suffix) == 0 && value * units[i].ns <= 1e18) {
			*ns = (uint64_t)(value * units[i].ns + 0.5);
			return true;
		}
	}
	return false;
}

/* Digits at the front of text, in [0, UINT64_MAX]; *end is what follows. */
static bool leading_number(const char *text, uint64_t *value, char **end)
{
	if (!isdigit((unsigned char)*text))
		return false;
	errno = 0;
	*value = strtoull(text, end, 10);
	return !errno;
}

bool argument_bytes(const char *text, uint64_t *bytes)
{
	static const char units[] = "KMGT";
	const char *unit;
	unsigned shift;
	char *end;

	if (!leading_number(text, bytes, &end))
		return false;
	if (!*end)
		return true;
	unit = strchr(units, toupper((unsigned char)*end));
	if (!unit || (strcmp(end + 1, "") && strcmp(end + 1, "B") && strcmp(end + 1, "iB")))
		return false;
	shift = 10 * (unsigned)(unit - units + 1);
	if (*bytes > UINT64_MAX >> shift)
		return false;
	*bytes <<= shift;
	return true;
}

bool argument_number(const char *text, uint64_t low, uint64_t high, uint64_t *value)
{
	char *end;

	return leading_number(text, value, &end) && !*end && *value >= low && *value <= high;
}
