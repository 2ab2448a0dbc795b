# SPDX-License-Identifier: LGPL-2.1-or-later
# completion.zsh FOLDER LINE...: what zsh completes each LINE by, with the functions in FOLDER: a line "LINE: word word ..." for each.
# A shell on a terminal of its own is typed to; what it would offer is taken where it comes from, at the builtin compadd.
emulate -L zsh
zmodload zsh/zpty || exit 77
local folder=$1 offered=$(mktemp) line
shift
zpty shell zsh -f -i
zpty -w shell "PS1= PS2= RPS1=; unsetopt zle_bracketed_paste 2>/dev/null; stty -echo; fpath=($folder \$fpath); autoload -Uz compinit; compinit -u -D"
zpty -w shell "compadd() {
	[[ \${@[1,(i)(-|--)]} == *-(O|A|D)\\ * ]] && { builtin compadd \"\$@\"; return }
	local -a hits; builtin compadd -A hits \"\$@\"; print -rl -- \$hits >>$offered; builtin compadd \"\$@\"
}"
zpty -w shell "finish() { print -r -- finished >>$offered; zle kill-buffer; }; zle -N finish; bindkey '^X' finish; bindkey '^I' list-choices"
sleep 1
for line; do
	: >$offered
	zpty -n -w shell "$line"$'\t\x18'
	repeat 100; do
		grep -q '^finished$' $offered && break
		zpty -r -t shell >/dev/null 2>&1
		sleep 0.1
	done
	print -r -- "$line: $(grep -v '^finished$' $offered | sort -u | tr '\n' ' ')"
done
zpty -d shell
rm -f $offered
