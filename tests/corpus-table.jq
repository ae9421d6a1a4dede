# The tables of the corpus, from the results of all runs (corpus.jq): each run; what is not as it
# should be; confidence against truth; and what is demanded, by version. The last line says whether
# all of that is met. $runs is the number of programs.

def pad($n): tostring | . + (if length < $n then " " * ($n - length) else "" end);
def left($n): tostring | (if length < $n then " " * ($n - length) else "" end) + .;
def percent($n; $of): if $of == 0 then "-" else ($n * 1000 / $of | round / 10 | tostring) + " %" end;
def yes($b): if $b == null then "-" elif $b then "yes" else "NO" end;
def mib: (. / 1048576 * 100 | round / 100 | tostring);
def round2: . * 100 | round / 100;

# Whether the kind of leak was recorded at all: of goroutines, the heap tells too.
def seen: .kind as $kind | if $kind == "native" or $kind == "mapping"
	then (.recorded | any(. != "go-heap" and . != "heap")) else true end;
def is_leak: .truth == "leak" and seen;
def called: .verdict == "leak" or .verdict == "likely-leak";
def wrong_text: [.wrong[] | .function + ": " + .verdict + " " + (.confidence | round2 | tostring)] | join(", ");

def leak_row: [
	(.version | pad(5)), (.name | pad(19)), (.kind | pad(10)),
	(if seen then yes(.first) else "not recorded" end | pad(12)),
	((.verdict // "-") | pad(19)), ((.confidence // 0 | round2) | left(10)),
	((.survivors // 0) | left(9)), (.cycles | left(9)),
	(if .rate then .rate | mib else "-" end | left(7)), " ",
	(if .rank then (.low | mib) + " to " + (.high | mib) else "-" end | pad(16)),
	yes(.within)
] | join(" ");

def innocent_row: [
	(.version | pad(5)), (.name | pad(19)), (yes((.wrong | length) == 0) | pad(12)),
	((.top.verdict // "-") | pad(19)), ((.top.confidence // 0 | round2) | left(10)), (.cycles | left(9))
] | join(" ");

# One line for each thing that is wrong with a run.
def complaints: "  Go " + .version + ", " + .name + ": " + (
	(if is_leak and (.first | not) then
		"the first is " + (.top.function // "nothing") + " (" + (.top.verdict // "-") + ")" else empty end),
	(if is_leak and (called | not) then
		"not called a leak but " + (.verdict // "nothing") + ": " + (.evidence // "no sample of it") else empty end),
	(if (.wrong | length) > 0 then "called a leak and none: " + wrong_text else empty end),
	(if is_leak and .within == false then
		"grew by \(.rate | mib) MiB/s, not \(.low | mib) to \(.high | mib)" else empty end));

# Of pairs [confidence, right, called] those in a bin of a tenth.
def bin($bin): map(select((.[0] * 10 | floor | if . > 9 then 9 else . end) == $bin));
def mean: if length == 0 then 0 else add / length end;
def calibration($name; $rows):
	range(0; 10) as $bin
	| ($rows | bin($bin)) as $in
	| select(($in | length) > 0)
	| "  \($name | pad(9)) \($bin / 10 | pad(3)) to \(($bin + 1) / 10 | pad(3)) \($in | length | left(6))"
	  + " \($in | map(.[0]) | mean | round2 | left(6)) \(percent([$in[] | select(.[1])] | length; $in | length) | left(9))";

# What is demanded, each as a row: name, text for the runs of a version, target, whether it is met.
def demands($runs): [
	{name: "programs judged", target: "all", met: (length == $runs), text: "\(length) of \($runs)"},
	(map(select(is_leak)) as $leaks | ($leaks | map(select(.first)) | length) as $n | {
		name: "true site first", target: ">= 95 %", met: ($n >= 0.95 * ($leaks | length)),
		text: "\($n) of \($leaks | length), \(percent($n; $leaks | length))"}),
	(map(select(.truth == "innocent")) as $all | ($all | map(select((.wrong | length) > 0)) | length) as $n | {
		name: "innocents called a leak", target: "0", met: ($n == 0), text: "\($n) of \($all | length)"}),
	(map(select(is_leak and .within != null)) as $rates | ($rates | map(select(.within)) | length) as $n | {
		name: "growth within interval", target: ">= 90 %", met: ($n >= 0.9 * ($rates | length)),
		text: "\($n) of \($rates | length), \(percent($n; $rates | length))"}),
	(map(select(is_leak)) as $leaks | ($leaks | map(select(called)) | length) as $n | {
		name: "leaks called one", target: "", met: true,
		text: "\($n) of \($leaks | length), \(percent($n; $leaks | length))"}),
	(map(select(.truth == "leak") | select((.wrong | length) > 0)) | {
		name: "  and an innocent beside", target: "", met: true, text: "\(length)"}),
	([.[].judged[] | select(.[2])] as $judged | {
		name: "confidence of leaks", target: "", met: true,
		text: "\($judged | map(.[0]) | mean | round2), right \($judged | map(if .[1] then 1 else 0 end) | mean | round2)"})];

. as $all
| (map(.version) | unique | sort_by(split(".") | map(tonumber))) as $versions
| ([$versions[] as $v | [$all[] | select(.version == $v)] | demands($runs)]
   + [$all | demands($runs * ($versions | length))]) as $columns
| "Leaks", "GO    PROGRAM             KIND       FIRST        VERDICT             CONFIDENCE SURVIVORS GC-CYCLES   MiB/s  INTERVAL         WITHIN",
  (.[] | select(.truth == "leak") | leak_row),
  "", "Innocents", "GO    PROGRAM             NONE-CALLED  FIRST-IN-THE-LIST   CONFIDENCE GC-CYCLES",
  (.[] | select(.truth == "innocent") | innocent_row),
  "", "Not as it should be:", ([.[] | complaints] | if length == 0 then "  nothing" else .[] end),
  "", "Confidence against the share that is right, all versions:",
  "            CONFIDENCE   SITES   MEAN     RIGHT",
  calibration("leaks"; [.[].judged[] | select(.[2])]),
  calibration("others"; [.[].judged[] | select(.[2] | not)]),
  "", ([("" | pad(25)), ($versions[] | "Go " + . | pad(20)), ("all" | pad(20)), "target"] | join(" ")),
  (range(0; $columns[0] | length) as $row
   | [($columns[0][$row].name | pad(25)), ($columns[] | .[$row] | (if .met then .text else .text + " NO" end) | pad(20)),
      $columns[0][$row].target] | join(" ")),
  (if [$columns[][] | .met] | all then "all targets are met" else "NOT all targets are met" end)
