# Reading the lines of `perf script -F event,trace`; used with -f before the program that needs it.
# flag (a variable): the lowest bit of the traced cycle is no part of it (Go 1.19 and later).

function field(name,    at, rest)
{
	at = index(" " $0, " " name "=")
	if (!at)
		return ""
	rest = substr($0, at + length(name) + 1)
	sub(/ .*/, "", rest)
	return rest
}

# The first nstk elements of the stk array, each after a blank.
function stack(    text, n, i, all, out)
{
	text = field("stk")
	if (!text)
		return " ?"
	# perf writes {a,b,c}.
	gsub(/[^0-9a-fx,]/, "", text)
	n = split(text, all, ",")
	out = ""
	for (i = 1; i <= n && i <= field("nstk") + 0; i++)
		out = out " " all[i]
	return out
}

function cycle(    c)
{
	c = field("cycle") + 0
	return flag ? int(c / 2) : c
}
