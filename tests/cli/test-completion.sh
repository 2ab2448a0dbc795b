#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Completion of both programs: what bash and zsh would offer.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
cd "$work" || exit 1
folder=$top_srcdir/data/completion
mkdir bin
ln -s "$ASHLAR" "$top_builddir/ashlar-node" bin/
export PATH=$work/bin:$PATH ASHLAR_STORE=$work/store

# offers SHELL "LINE" WORD...: each of the words is offered
offers() {
	local shell=$1 line=$2 word words
	shift 2
	words=$(grep -F -- "$line: " "$shell.txt" | head -n 1)
	for word; do
		[[ " ${words#"$line": } " == *" $word"[=\ ]* ]] || { echo "$word is missing: $words" >.output; not_ok "$shell: \"$line\" offers $*" .output; return; }
	done
	ok "$shell: \"$line\" offers $*"
}

# bash LINE...: what the functions leave in COMPREPLY
in_bash() {
	local line
	# shellcheck disable=SC1091
	(. "$folder/ashlar.bash" && . "$folder/ashlar-node.bash" && for line; do
		read -ra COMP_WORDS <<<"$line"
		[ "${line% }" = "$line" ] || COMP_WORDS+=("")
		COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMP_LINE=$line COMP_POINT=${#line} COMPREPLY=()
		"$(complete -p "${COMP_WORDS[0]}" | sed -E 's/.*-F ([^ ]+).*/\1/')" "${COMP_WORDS[0]}" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}" 2>/dev/null
		echo "$line: ${COMPREPLY[*]}"
	done)
}
lines=("ashlar " "ashlar push --" "ashlar audit --fail-on " "ashlar audit --rule sec" "ashlar channel " "ashlar kickstart " "ashlar channel prune --" "ashlar-node " "ashlar-node update --" "ashlar-node update --re" "ashlar-node check --")
test_lines() { # SHELL
	offers "$1" "ashlar " build publish push channel
	offers "$1" "ashlar push --" --credentials --verify
	offers "$1" "ashlar audit --fail-on " none note warning error
	offers "$1" "ashlar audit --rule sec" secret-private-key secret-token
	offers "$1" "ashlar channel " show promote withdraw waves prune
	offers "$1" "ashlar kickstart " check flatten commands
	offers "$1" "ashlar channel prune --" --keep --grace
	offers "$1" "ashlar-node " status update mark-good
	offers "$1" "ashlar-node update --" --automatic --allow-full --root
	offers "$1" "ashlar-node update --re" --reboot --retry-bad
	offers "$1" "ashlar-node check --" --exact
}
if command -v bash >/dev/null; then
	in_bash "${lines[@]}" >bash.txt
	test_lines bash
fi
if command -v zsh >/dev/null; then
	for file in "$folder"/_*; do check "zsh understands $(basename "$file")" zsh -n "$file"; done
	zsh -f "$top_srcdir/tests/cli/completion.zsh" "$folder" "${lines[@]}" "ashlar-node update --progress=" >zsh.txt 2>zsh.err
	test_lines zsh
	offers zsh "ashlar-node update --progress=" bar none
else
	skip "zsh" "it is not installed"
fi
finish
