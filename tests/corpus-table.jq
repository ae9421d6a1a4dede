# The table of the corpus, from the results of all runs (corpus.jq), and its summary.

def pad($n): tostring | . + (if length < $n then " " * ($n - length) else "" end);
def left($n): tostring | (if length < $n then " " * ($n - length) else "" end) + .;
def percent($n; $of): if $of == 0 then "-" else ($n * 1000 / $of | round / 10 | tostring) + " %" end;
def yes($b): if $b == null then "-" elif $b then "yes" else "NO" end;
def mib: (. / 1048576 * 100 | round / 100 | tostring);
def round2: . * 100 | round / 100;

# Whether the kind of leak was recorded at all: of goroutines, the heap tells too.
def seen: .kind as $kind | if $kind == "native" or $kind == "mapping"
	then (.recorded | any(. != "go-heap" and . != "heap")) else true end;

def leak_row: [
	(.version | pad(5)), (.name | pad(20)), (.kind | pad(10)),
	(if seen then yes(.first) else "not recorded" end | pad(13)),
	((.verdict // "-") | pad(19)), ((.confidence // 0 | round2) | left(5)),
	((.survivors // 0) | left(6)), (.cycles | left(6)),
	(if .rate then .rate | mib else "-" end | left(7)),
	(if .rank then (.low | mib) + " to " + (.high | mib) else "-" end | left(18)),
	("  " + yes(.within) | pad(6)),
	(if (.wrong | length) > 0 then "wrong: " + ([.wrong[] | .function] | join(", "))
	 elif (.first | not) and seen then "first: " + (.top.function // "nothing") + ", " + (.top.verdict // "")
	 else "" end)
] | join(" ");

def innocent_row: [
	(.version | pad(5)), (.name | pad(20)),
	(yes((.wrong | length) == 0) | pad(13)),
	((.top.verdict // "-") | pad(19)), (.cycles | left(6)),
	"  ", ([.wrong[] | .function + ": " + .verdict + " " + (.confidence | round2 | tostring)] | join(", "))
] | join(" ");

def summary($version):
	map(select($version == null or .version == $version)) as $all
	| ($all | map(select(.truth == "leak" and seen))) as $leaks
	| ($all | map(select(.truth == "innocent"))) as $innocents
	| ($leaks | map(select(.within != null))) as $rates
	| ($leaks | map(select(.first)) | length) as $first
	| ($leaks | map(select(.verdict == "leak" or .verdict == "likely-leak")) | length) as $called
	| ($innocents | map(select((.wrong | length) > 0)) | length) as $bad
	| ($leaks | map(select((.wrong | length) > 0)) | length) as $beside
	| ($rates | map(select(.within)) | length) as $within
	| [
		(($version // "all") | pad(5)),
		"first: \($first) of \($leaks | length) (\(percent($first; $leaks | length)));",
		"called a leak: \($called) (\(percent($called; $leaks | length)));",
		"innocents called one: \($bad) of \($innocents | length);",
		"innocent sites beside a leak: \($beside);",
		"rate within: \($within) of \($rates | length) (\(percent($within; $rates | length)))"
	] | join(" ");

def calibration($name; $rows):
	range(0; 10) as $bin
	| [$rows[] | select((.[0] * 10 | floor | if . > 9 then 9 else . end) == $bin)] as $in
	| select(($in | length) > 0)
	| "\($name | pad(12)) \($bin / 10) to \(($bin + 1) / 10): \($in | length | left(5)), right \(percent([$in[] | select(.[1])] | length; $in | length))";

. as $all
| "Leaks: GO PROGRAM KIND FIRST VERDICT CONFIDENCE SURVIVORS CYCLES MiB/s INTERVAL WITHIN",
  (.[] | select(.truth == "leak") | leak_row),
  "", "Innocents: GO PROGRAM RIGHT VERDICT-OF-THE-FIRST CYCLES",
  (.[] | select(.truth == "innocent") | innocent_row),
  "", "Confidence against the share that is right",
  calibration("leaks"; [.[].judged[] | select(.[2])]),
  calibration("all"; [.[].judged[]]),
  "",
  ((map(.version) | unique)[] as $version | $all | summary($version)),
  ($all | summary(null)),
  "targets: first in >= 95 % of the leaks; no innocent called a leak; rate within in >= 90 %; confidence as the share that is right"
