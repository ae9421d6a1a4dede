# Makes one line of each span event that `perf script --ns -F time,event,trace,ip,sym` prints: its time,
# its name, whose allocation it is (kept, dropped, runtime, -), and its fields.

function put()
{
	if (line != "")
		print time, name, who, line
	line = ""
}

/^ *[0-9]+\.[0-9]+: *gmt_[^:]*:(refill|large|release):/ {
	put()
	time = $1
	sub(/:$/, "", time)
	name = $2
	sub(/:$/, "", name)
	sub(/.*:/, "", name)
	match($0, /\([0-9a-f]+\)/)
	line = substr($0, RSTART + RLENGTH)
	who = "-"
	next
}
/^ *[0-9]+\.[0-9]+:/ { put(); next }
# What the runtime allocates while it does something else for the program.
/ runtime\.(gcAssist|gcStart|gcMark|newproc|newm|startm|schedule|semacquire|gopark)/ { who = "runtime" }
who == "-" && / main\.keep/ { who = "kept" }
who == "-" && / main\.drop/ { who = "dropped" }
END { put() }
