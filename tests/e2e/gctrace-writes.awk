# How long after the end of its cycle each gctrace line was written, in ms. Input: the output of
# `strace -f -ttt -e trace=write`, then the gctrace log. Variables: offset (gctrace's zero on the
# monotonic clock, ns), shift (wall clock less monotonic clock, ns).

# A line is written piece by piece: "gc ", its number, " @", ... on one thread.
FNR == NR {
	if (index($0, "write(2, \"gc \"")) {
		begun[$1] = $2
	} else if ($1 in begun && match($0, /write\(2, "[0-9]+"/)) {
		number = substr($0, RSTART + 10, RLENGTH - 11)
		written[number] = begun[$1]
		delete begun[$1]
	}
	next
}

/^gc [0-9]+ @/ {
	if (!($2 in written))
		next
	at = substr($3, 2) + 0
	split($5, phase, "+")
	# Both clocks as seconds; differences of large numbers are taken in parts.
	split(written[$2], part, ".")
	base = int((offset + shift) / 1e9)
	rest = (offset + shift) / 1e9 - base
	print ((part[1] - base) + ("0." part[2]) - rest - at) * 1e3 - phase[1] - phase[2] - phase[3]
}
