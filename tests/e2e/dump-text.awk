# The buckets of a heap dump in the text format (debug=1), one line for each call stack: objects,
# bytes, allocated objects, allocated bytes, return addresses.
/^[0-9]+: [0-9]+ \[[0-9]+: [0-9]+\] @/ {
	gsub(/[:\[\]]/, "")
	key = ""
	for (i = 6; i <= NF; i++)
		key = key " " $i
	objects[key] += $1
	bytes[key] += $2
	all_objects[key] += $3
	all_bytes[key] += $4
}

END {
	for (key in all_objects)
		if (all_objects[key])
			print objects[key], bytes[key], all_objects[key], all_bytes[key] key
}
