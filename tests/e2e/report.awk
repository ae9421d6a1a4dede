# The analyzer's report as lines that tests can compare, fields separated by tabs:
#
#   process PID CYCLES BIRTHS DEATHS
#   candidate RANK VERDICT FUNCTION
#   trust MARK TEXT...           one line for each finding, unwrapped
#   row TIME                     a row of the time line

function number(text)
{
	gsub(/,/, "", text)
	return text
}

function flush_line(    n, word, i, cycles, births, deaths)
{
	if (held ~ /^process /) {
		n = split(held, word, " ")
		for (i = 1; i <= n; i++) {
			if (word[i] == "GC" && word[i + 1] ~ /^cycle/)
				cycles = word[i - 1]
			if (word[i] ~ /^birth/)
				births = word[i - 1]
			if (word[i] ~ /^death/)
				deaths = word[i - 1]
		}
		print "process\t" word[2] "\t" number(cycles) "\t" number(births) "\t" number(deaths)
	} else if (held ~ /^  (ok  |note|BAD ) /) {
		print "trust\t" substr(held, 3, match(held, /[a-zA-Z] /) - 2) "\t" substr(held, 8)
	}
	held = ""
}

/^process / || /^  (ok  |note|BAD ) / {
	flush_line()
	held = $0
	next
}

# What is wrapped goes on below its beginning.
held != "" && (/^       [^ ]/ || (held ~ /^process / && /^    [^ ]/)) {
	sub(/^ */, " ")
	held = held $0
	next
}

{
	flush_line()
}

pending {
	print "candidate\t" pending "\t" $1
	pending = ""
	next
}

# The verdicts that are explained: `  1. leak, 97 % sure: ...`, and the site on the next line.
/^ *[0-9]+\. [a-z -]+, / {
	rank = $1
	sub(/\./, "", rank)
	verdict = $0
	sub(/^ *[0-9]+\. /, "", verdict)
	sub(/,.*/, "", verdict)
	pending = rank "\t" verdict
	next
}

# The others have one line: `  4. cache    88 %  live 8.1 MiB   main.(*pageCache).render  main.go:92`.
/^ *[0-9]+\. [a-z -]+ .*live / {
	rank = $1
	sub(/\./, "", rank)
	verdict = $0
	sub(/^ *[0-9]+\. /, "", verdict)
	sub(/  .*/, "", verdict)
	n = split($0, word, " ")
	for (i = 1; i <= n && word[i] != "live"; i++)
		;
	print "candidate\t" rank "\t" verdict "\t" word[i + 3]
	next
}

/^ *[0-9.]+(s|ms|m[0-9]+s|h[0-9]+m) +[0-9]/ {
	print "row\t" $1
}

END {
	flush_line()
}
