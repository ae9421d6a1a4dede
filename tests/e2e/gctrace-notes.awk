# The gctrace lines in a trace, out of the raw bytes that `perf script` prints of a note: eight in a
# row, in hexadecimal and as text. A note begins with a magic number and its kind, which is 7 here;
# its text begins at byte 12 and ends with a NUL.
function finish() {
	if (text != "")
		print text
	text = ""
}

/BPF output: 0000: / {
	finish()
	inside = / 0000: 47 4d 54 00 07 00 /
}

inside && match($0, /[0-9a-f]+: /) {
	offset = substr($0, RSTART, RLENGTH - 2)
	bytes = substr($0, RSTART + RLENGTH)
	shown = substr(bytes, 26)
	for (i = 0; i < 8 && offset != "0000"; i++) {
		if (offset == "0008" && i < 4)
			continue
		if (substr(bytes, 3 * i + 1, 2) == "00")
			inside = 0
		if (!inside)
			break
		text = text substr(shown, i + 1, 1)
	}
}

END {
	finish()
}
