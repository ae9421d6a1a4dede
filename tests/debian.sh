# Sourced by what fetches Debian packages of other suites. The machine's apt sources stay as they
# are: the mirror and its keyring are taken from them, and everything apt writes lies in a folder of
# the caller's. The caller has a function `unavailable WORDS...`, which does not return.
# shellcheck shell=bash

# The address of the Debian archive, as apt itself reads it from either format of sources.
debian_mirror() {
	apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
		grep -E '/debian/?$' | head -n 1
}

# The keyring that the machine's sources name, and those that Debian ships beside it: the keys of
# older releases move from one to the other as they retire.
debian_keyrings() {
	local keyrings ring
	keyrings=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list \
		/etc/apt/sources.list.d/*.sources 2>/dev/null |
		sed -n -e 's/^Signed-By: *//Ip' -e 's/^deb .*signed-by=\([^] ]*\).*/\1/p' |
		grep -E '^/.*debian' | head -n 1)
	for ring in debian-archive-keyring debian-archive-removed-keys; do
		ring=/usr/share/keyrings/$ring.gpg
		case ",$keyrings," in *",$ring,"*) continue ;; esac
		[ -e "$ring" ] && keyrings=${keyrings:+$keyrings,}$ring
	done
	echo "$keyrings"
}

# debian_suites FOLDER SUITE...: sets ${debian_apt[@]} to an apt-get that knows these suites alone,
# with lists in the folder that are at most a day old. One at a time may use a folder.
debian_suites() {
	local apt=$1 mirror keyrings suite reason tool
	shift
	for tool in apt-get dpkg-deb; do
		command -v $tool >/dev/null || unavailable "$tool is not installed"
	done
	mirror=$(debian_mirror)
	[ -n "$mirror" ] || unavailable "no Debian archive among the machine's apt sources"
	keyrings=$(debian_keyrings)
	mkdir -p "$apt/lists/partial" "$apt/archives/partial" "$apt/etc"
	: >>"$apt/status"
	debian_apt=(apt-get
		-o "Dir::Etc=$apt/etc"
		-o "Dir::Etc::SourceList=$apt/sources.list"
		-o Dir::Etc::SourceParts=/dev/null
		-o Dir::Etc::Preferences=/dev/null
		-o Dir::Etc::PreferencesParts=/dev/null
		-o "Dir::State=$apt"
		-o "Dir::State::Lists=$apt/lists"
		-o "Dir::State::status=$apt/status"
		-o "Dir::Cache=$apt"
		-o "Dir::Cache::archives=$apt/archives"
		-o Acquire::Languages=none
		-o Acquire::Retries=3
	)
	# Without it apt drops to a user that may not write into the cache.
	[ "$(id -u)" = 0 ] && debian_apt+=(-o APT::Sandbox::User=root)
	# The signature of an old release outlives the date in its Release file.
	[ "$1" = bullseye ] && debian_apt+=(-o Acquire::Check-Valid-Until=false)
	for suite in "$@"; do
		echo "deb ${keyrings:+[signed-by=$keyrings] }$mirror $suite main"
	done >"$apt/sources.list.new"
	if ! cmp -s "$apt/sources.list.new" "$apt/sources.list" ||
		[ -z "$(find "$apt/updated" -mtime -1 2>/dev/null)" ]; then
		mv "$apt/sources.list.new" "$apt/sources.list"
		if ! reason=$("${debian_apt[@]}" -o APT::Update::Error-Mode=any update 2>&1); then
			unavailable "apt-get update for $*:" \
				"$(grep -E '^[EW]:' <<<"$reason" | head -n 1)"
		fi
		touch "$apt/updated"
	fi
	rm -f "$apt/sources.list.new"
}

# debian_unpack DEBS ROOT: every package in one folder into another.
debian_unpack() {
	local deb reason
	for deb in "$1"/*.deb; do
		if ! reason=$(dpkg-deb -x "$deb" "$2" 2>&1); then
			unavailable "cannot unpack $(basename "$deb"): $(head -n 1 <<<"$reason")"
		fi
	done
}
