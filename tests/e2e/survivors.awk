# What the events of a trace say is alive at a heap dump, by the rule of the runtime's profile; after
# events.awk, with the variables at (the profile cycle P of the dump) and flag.
#
# The dump was written right after runtime.GC(): it shows the objects allocated in cycles up to P-1,
# less those swept in cycles up to P. Output, one line for each call stack, in the form of
# dump-text.awk: objects, bytes, allocated objects, allocated bytes, return addresses.

$1 ~ /:birth:$/ {
	if (cycle() > at - 1)
		next
	key = stack()
	p = field("p")
	if (p in of) {
		print "two births at " p " without a death between" > "/dev/stderr"
		bad = 1
	}
	of[p] = key
	size[p] = field("size")
	objects[key]++
	bytes[key] += size[p]
	all_objects[key]++
	all_bytes[key] += size[p]
}

$1 ~ /:death:$/ {
	p = field("p")
	if (cycle() > at || !(p in of))
		next
	objects[of[p]]--
	bytes[of[p]] -= size[p]
	delete of[p]
}

END {
	for (key in all_objects)
		print objects[key], bytes[key], all_objects[key], all_bytes[key] key
	exit bad
}
