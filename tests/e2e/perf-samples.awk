# Turns `perf script --ns --no-inline -F pid,tid,cpu,time,event,ip,trace` into the lines that
# samples_dump prints. digits: so many of each address are kept, for perfs that print addresses as
# they lie in their files (6.1): where the page begins differs, what is in it does not.

function last_digits(text)
{
	return length(text) > digits ? substr(text, length(text) - digits + 1) : text
}

function flush(    n, name, i, known, at, value, chain_of)
{
	if (!head)
		return
	n = split(head, f, " ")
	name = f[4]
	sub(/:$/, "", name)
	sub(/:$/, "", f[3])
	gsub(/[][]/, "", f[2])
	# Without a call chain the sample's own address ends the line; of a pipe perf adds the name.
	if (chain == "" && f[n] !~ /^[0-9a-f]+$/)
		n--
	chain_of = chain != "" ? chain : last_digits(f[n])
	if (chain == "")
		n--
	line = f[1] " " (f[2] + 0) " " f[3] " " name " " chain_of
	if (name ~ /^syscalls:sys_enter_(mmap|munmap|mremap|brk|madvise)$/) {
		for (i = 5; i <= n; i++)
			if (f[i] ~ /^0x/) {
				sub(/,$/, "", f[i])
				line = line " " f[i]
			}
	} else if (name ~ /^syscalls:sys_exit_(mmap|munmap|mremap|brk|madvise)$/) {
		line = line " " f[5]
	} else if (name ~ /^gmt_.*:(birth|death|gc_start|gc_mark_term|gc_end)$/) {
		known = split("p b size kind cycle goid", want, " ")
		for (at = 1; at <= known; at++)
			for (i = 5; i <= n; i++)
				if (index(f[i], want[at] "=") == 1)
					line = line " " f[i]
	}
	print line
	head = chain = ""
}

/^ *-?[0-9]+\/-?[0-9]+ / {
	flush()
	head = $0
	next
}

/^[ \t]+[0-9a-f]+( |$)/ {
	chain = chain (chain == "" ? "" : ";") last_digits($1)
	next
}

/^$/ { flush() }

END { flush() }
