#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# ashlar(1) and "ashlar COMMAND --help" name the same commands and options.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
manual=$top_srcdir/data/man/ashlar.1

# Options as "-t" and "--type", one a line, in the manual's section "Options of ..." for a command.
manual_options() { # COMMAND
	awk -v command="$1" '
		/^\.S[sh] / { here = 0 }
		/^\.Ss Options of / { for (i = 4; i <= NF; i++) { sub(/,$/, "", $i); if ($i == command) here = 1 } }
		/^\.Ss Options of every command/ { here = 1 }
		here && /^\.It Fl / {
			for (i = 3; i <= NF; i++)
				if ($i ~ /^-[a-z][a-z0-9-]+$/ || ($i ~ /^[A-Za-z]$/ && $(i - 1) == "Fl")) print "-" $i
		}' "$manual" | sort -u
}

help_options() { # COMMAND
	"$ASHLAR" "$1" --help | sed -nE 's/^  (-.), (--[a-z0-9-]+).*/\1\n\2/p; s/^  (--[a-z0-9-]+).*/\1/p' | sort -u
}

"$ASHLAR" --help | sed -n 's/^  \([a-z][a-z]*\)  *.*/\1/p' | sort >"$work/commands"
check "there are commands" test -s "$work/commands"
sed -n '/^\.Ss Commands/,/^\.El/s/^\.It Cm \([a-z]*\)$/\1/p' "$manual" | sort >"$work/described"
check_equal "the manual describes every command" "$(cat "$work/commands")" "$(cat "$work/described")"
while read -r command; do
	check_equal "the manual lists the options of \"$command\"" "$(help_options "$command")" "$(manual_options "$command")"
done <"$work/commands"

# Statuses of errors are promised to scripts.
check_equal "the manual has every exit status" "0 1 10 11 130 2 3 4 5 6 7 77 8 9" \
	"$(sed -n '/^\.Sh EXIT STATUS/,/^\.El/s/^\.It \([0-9]*\)$/\1/p' "$manual" | sort | tr '\n' ' ' | sed 's/ $//')"
if command -v mandoc >/dev/null; then
	for page in "$top_srcdir"/data/man/*.[0-9]; do
		check "mandoc takes $(basename "$page")" mandoc -W warning -T lint "$page"
	done
else
	skip "mandoc takes the manual pages" "mandoc is not installed"
fi
finish
