# Births and deaths of each call stack between two dumps that were written right after runtime.GC();
# after events.awk, with the variables from and to (the profile cycles of the dumps), flag, and
# stacks, a file with the call stacks that are wanted.
#
# An allocation of cycle c shows in dumps from c+1 on, a death of cycle c from c on. A death has the
# stack of its bucket, which a birth of that bucket tells. Output: births, deaths, return addresses.

BEGIN {
	while ((getline line < stacks) > 0)
		births[line] = deaths[line] = 0
}

$1 ~ /:birth:$/ {
	of[field("b")] = stack()
	if (cycle() >= from && cycle() < to)
		births[stack()]++
}

$1 ~ /:death:$/ {
	if (cycle() > from && cycle() <= to)
		dead[field("b")]++
}

END {
	for (b in dead) {
		if (of[b] in deaths)
			deaths[of[b]] += dead[b]
	}
	for (key in deaths)
		print births[key], deaths[key] key
}
