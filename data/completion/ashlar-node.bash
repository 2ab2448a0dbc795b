# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Completion of ashlar-node(8) for bash, asked of the program itself.

_ashlar_node() {
	local program=$1 cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]} words
	COMPREPLY=()
	if [ "$COMP_CWORD" = 1 ]; then
		words=$("$program" --help 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\)  *.*/\1/p')
	else
		case $previous in
		--progress) words="bar plain json none" ;;
		--config | --root | --disk | --esp | --state)
			compopt -o filenames
			mapfile -t COMPREPLY < <(compgen -f -- "$cur")
			return
			;;
		*) words=$("$program" "$command" --help-all 2>/dev/null | sed -nE 's/^  (-., )?(--[a-z0-9-]+).*/\2/p') ;;
		esac
	fi
	mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
}
complete -F _ashlar_node ashlar-node
