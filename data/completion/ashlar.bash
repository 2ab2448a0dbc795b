# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Completion of ashlar(1) for bash. Commands and options are asked of the program itself, so that they are those
# of the version at hand.

_ashlar_commands() {
	"$1" --help 2>/dev/null | sed -n 's/^  \([a-z][a-z]*\)  *.*/\1/p'
}

_ashlar_options() { # PROGRAM COMMAND
	"$1" "$2" --help 2>/dev/null | sed -nE 's/^  (-., )?(--[a-z0-9-]+)(=?).*/\2\3/p'
}

_ashlar_types() {
	"$1" types --progress=none 2>/dev/null | sed -n '2,$s/ .*//p'
}

_ashlar_refs() { # PROGRAM [OPTION OF THE STORE]
	"$@" log --progress=none 2>/dev/null | sed -n 's/^  ref \([^ ]*\) .*/\1/p' | sort -u
}

_ashlar_rules() {
	"$1" audit --list-rules --progress=none 2>/dev/null | sed -n 's/^\([a-z-]*\) (.*/\1/p'
}

# Refs (column 1) or versions (column 3) of a release directory.
_ashlar_published() { # PROGRAM DIR COLUMN
	"$1" channel show "$2" --progress=none 2>/dev/null | awk -v column="$3" 'NR > 1 { print $column }' | sort -u
}

# Words that begin with what was typed, one a line.
_ashlar_reply() { # WORDS
	mapfile -t COMPREPLY < <(compgen -W "$1" -- "$cur")
	[[ ${#COMPREPLY[@]} != 1 || ${COMPREPLY[0]} != *= ]] || compopt -o nospace
}

_ashlar_files() {
	compopt -o filenames
	mapfile -t COMPREPLY < <(compgen -f -- "$cur")
}

_ashlar() {
	local program=$1 cur=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]}
	local -a store=()
	local i
	COMPREPLY=()

	# bash takes "=" for a word of its own.
	[[ $cur != = ]] || cur=
	[[ $previous != = ]] || previous=${COMP_WORDS[COMP_CWORD - 2]}
	if [[ $COMP_CWORD = 1 ]]; then
		_ashlar_reply "$(_ashlar_commands "$program") --help --version"
		return
	fi
	for ((i = 2; i + 1 < COMP_CWORD; i++)); do
		[[ ${COMP_WORDS[i]} != --store ]] || store=(--store "${COMP_WORDS[i + 1 + (${#COMP_WORDS[i + 1]} == 1)]}")
	done
	case $previous in
	-t | --type)
		_ashlar_reply "$(_ashlar_types "$program")"
		[[ ${#COMPREPLY[@]} != 0 ]] || _ashlar_files
		return ;;
	--progress) _ashlar_reply "bar plain json none"; return ;;
	-f | --format) _ashlar_reply "raw qcow2 vhd cosi vmdk gce qcow2-zlib qcow2-zstd vhdx"; return ;;
	--accel) _ashlar_reply "kvm tcg"; return ;;
	--disk) _ashlar_reply "virtio nvme ide"; return ;;
	--role) _ashlar_reply "root targets snapshot timestamp"; return ;;
	--kind) _ashlar_reply "ed25519 ecdsa rsa"; return ;;
	-k | --key | --add | --passphrase-file | --luks-passphrase-file | --pcr-key | --secure-boot-key | --secure-boot-certificate | --secure-boot-passphrase-file | --secure-boot | --luks-key-file | --credentials | --ca-file | --tls-certificate | --tls-key | --access-log | --database) _ashlar_files; return ;;
	--with) _ashlar_reply "sysupdate ostree sysupdate,ostree"; return ;;
	-o | --output)
		[[ $command != kickstart ]] || { _ashlar_files; return; }
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return ;;
	--repos | --store | --to | --key-dir | --export-unsigned | --import-signed | --tpm)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -d -- "$cur")
		return ;;
	--lock | --anchor | --allow | --baseline) _ashlar_files; return ;;
	--fail-on) _ashlar_reply "none note warning error"; return ;;
	--rule | --ignore) _ashlar_reply "$(_ashlar_rules "$program")"; return ;;
	-l | --listen) _ashlar_reply "127.0.0.1:8080 [::1]:8080 *:8080"; return ;;
	--ref) _ashlar_reply "$(_ashlar_refs "$program" "${store[@]}")"; return ;;
	-j | --jobs | -V | --version | --repo | --seed | --test-seed | -n | --max | --until | --timeout | -m | --memory | --ssh | --keep | --keep-age | --max-size | --remove | --threshold | --days | --channel | --waves | --minimum | --level | --gpg-key | --from | --deltas | --last | --grace | --connections | --report-rate | --keep-days | --max-nodes | --max-connections | --releasever)
		[[ $previous = -n && $command != log ]] || return ;;
	esac
	if [[ $command = key && $COMP_CWORD = 2 && $cur != -* ]]; then
		_ashlar_reply "generate show init rotate sign refresh"
		return
	fi
	if [[ $command = channel && $COMP_CWORD = 2 && $cur != -* ]]; then
		_ashlar_reply "show promote withdraw waves prune"
		return
	fi
	if [[ $command = kickstart && $COMP_CWORD = 2 && $cur != -* ]]; then
		_ashlar_reply "check flatten commands"
		return
	fi
	if [[ $command = delta && $COMP_CWORD -gt 2 && $cur != -* ]]; then
		_ashlar_reply "$(_ashlar_published "$program" "${COMP_WORDS[2]}" $((COMP_CWORD == 3 ? 1 : 3)))"
		return
	fi
	if [[ $cur = -* ]]; then
		_ashlar_reply "$(_ashlar_options "$program" "$command")"
		return
	fi
	case $command in
	image | log | ls | diff | cat | publish) _ashlar_reply "$(_ashlar_refs "$program" "${store[@]}")" ;;
	audit)
		_ashlar_files
		mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -W "$(_ashlar_refs "$program" "${store[@]}")" -- "$cur") ;;
	delta)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
	types | prune | fsck) ;;
	serve)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -d -- "$cur") ;;
	*) _ashlar_files ;;
	esac
}

complete -F _ashlar ashlar
