# Sums /proc/PID/smaps by what can be told without the recorder's help: KiB by name.
#
#   awk -v exe=PATH -v file=PATH -f smaps.awk SMAPS

/^[0-9a-f]+-[0-9a-f]+ / {
	split($1, range, "-")
	path = $6
	for (i = 7; i <= NF; i++)
		path = path " " $i
	# Data without a file lies right behind the program's own.
	if (path == exe || (path == "" && owner == "program" && range[1] == end))
		owner = "program"
	else if (path == file)
		owner = "file"
	else if (path ~ /\.so/ || path ~ /^\[v/)
		owner = "library"
	else if (path ~ /^\/dev\/zero/)
		owner = "shared"
	else if (path == "[stack]" || path == "[heap]")
		owner = path
	else
		owner = "other"
	end = range[2]
}

/^Rss:/ {
	sums[owner] += $2
	sums["rss"] += $2
}

END {
	for (owner in sums)
		print owner, sums[owner]
}
