# Compares the report on one program of the corpus (analyze -f json) with the truth about it, and
# prints one object.

# A leak of some Go versions only is none in the later ones.
def truth:
	$truths[0][$name]
	| if .until and ($version | split(".")[1] | tonumber) > (.until * 100 | round) - 100 then
		.truth = "innocent" else . end;

# The functions of a candidate, innermost first, and the one that names it.
def functions: [.site.function] + [.frames[]?.function] | map(. // "");

# What belongs to the leak: any of its functions in the stack, or one whose name begins so.
def exactly($names): functions | any(. as $f | $names | index($f));
def begins($names): functions | any(. as $f | $names | any(. as $p | $f | startswith($p)));

truth as $truth
| (($truth.sites // []) + ($truth.heap_sites // [])) as $sites
| ($truth.also // []) as $also
| ($truth.truth == "leak") as $leak
| [.candidates[] | . + {
	# The runtime's own mappings stand under whoever had the heap grow.
	at: (exactly($sites) and (.of_runtime and .kind == "mapping" | not)),
	# A thread that is kept is the leak, whoever starts it.
	true: ($leak and (exactly($sites) or begins($also) or
		(.kind == "thread" and $truth.kind == "thread"))),
	called: (.verdict == "leak" or .verdict == "likely-leak")}] as $all
| ([$all[] | select(.at)][0]) as $found
# Of each function that leaks, the first; what else it makes may be garbage.
| ([$sites[] as $s | [$all[] | select(.at and exactly([$s])) | .rank][0]]) as $leaking
| ($found.site.function) as $function
# What C allocates is named after its caller, where its own name is not known.
| ([$run[0].leaks[] | select(.function == $function or ($found.kind == $truth.kind and
	($truth.kind == "native" or $truth.kind == "mapping")))][0]) as $rate
| {
	version: $version, name: $name, truth: $truth.truth, kind: ($truth.kind // "heap"),
	recorded: ([.candidates[].kind] | unique),
	cycles: ([.processes[].gc_cycles] | add),
	top: ($all[0] | if . then {function: .site.function, verdict, kind, confidence} else null end),
	first: ($leak and ($all[0].at // false)),
	verdict: $found.verdict, confidence: $found.confidence, rank: $found.rank,
	survivors: $found.survivors,
	evidence: $found.evidence,
	# Of the leak's site, where the program knows its rate.
	rate: (if $leak and $rate then $rate.bytes_per_s else null end),
	low: (($found.growth_bytes_per_hour_low // 0) / 3600),
	high: (($found.growth_bytes_per_hour_high // 0) / 3600),
	wrong: [$all[] | select(.called and (.true | not)) |
		{function: .site.function, verdict, confidence, evidence}],
	# What only belongs to a leak may be garbage of its making.
	judged: [$all[] | select(.verdict != "too-little-evidence" and
			(.called or (.true | not) or (.rank as $r | $leaking | index($r)))) | [
		.confidence,
		(if .called then .true elif .true then .verdict == "growing" else true end),
		.called]],
}
# The growth is printed of what grows.
| .within = (if .rate and (.verdict == "leak" or .verdict == "likely-leak" or .verdict == "growing")
	then .rate >= .low and .rate <= .high else null end)
