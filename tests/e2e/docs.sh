#!/bin/bash
# The manual pages, --help and the README tell of the same options.
# shellcheck source=tests/e2e/lib.sh
. "$(dirname "$0")/lib.sh"

# The long options in --help.
in_help() {
	"$BIN/$1" --help | grep -oE '(^|[ ,`])--[a-z][a-z-]*' | tr -d ' ,`' | sort -u
}

# Those that the manual page has an entry for.
in_manual() {
	sed -n '/^\.It/s/Fl Fl \([a-z-]*\)/\n--\1\n/gp' "$top/man/$1.1" | grep '^--' | sort -u
}

for name in record analyze; do
	check "$name --help" "$BIN/$name" --help
	check "$name --version" "$BIN/$name" --version
	# Help speaks of the other program's options in its examples; those are told apart by hand.
	case $name in
	record) others='^--(gctrace|pprof)$' ;;
	analyze) others='^--$' ;;
	esac
	same "the options of $name in --help and in its manual page" \
		"$(in_help $name | grep -vE "$others")" "$(in_manual $name)"
done
# Options that the README shows must exist in one of the programs.
known=$(in_help record; in_help analyze)
for option in $(grep -oE '(^|[ `(])--[a-z][a-z-]*' "$top/README.md" | tr -d ' `(' | sort -u); do
	check "README.md: $option exists" grep -qx -e "$option" <<<"$known"
done
finish
