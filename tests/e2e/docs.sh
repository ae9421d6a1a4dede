#!/bin/bash
# The manual pages, --help and the README tell of the same options; what `make install` installs.
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
	record) others='^--$' ;;
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
# Installed under another root and with a prefix to the names.
check "make install" make -s -C "$top" install DESTDIR="$work/root" PREFIX=/usr PROGRAM_PREFIX=gmt-
same "what is installed" "usr/bin/gmt-analyze usr/bin/gmt-record usr/share/man/man1/gmt-analyze.1 usr/share/man/man1/gmt-record.1" \
	"$(cd "$work/root" && find . -type f | sed "s|^\./||" | sort | tr "\n" " " | sed "s| \$||")"
check "the installed program runs" "$work/root/usr/bin/gmt-record" --version
check "the manual page has the name that is installed" \
	grep -q "^\.Nm gmt-analyze\$" "$work/root/usr/share/man/man1/gmt-analyze.1"
finish
