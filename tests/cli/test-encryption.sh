#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# An encrypted /var: cryptsetup opens it by each key, what it holds is a file system, and the keys are nowhere else.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need_distro
need jq cryptsetup sfdisk e2fsck
cd "$work" || exit 1
store=$cache/test-store
type=qemu-vm-encrypted

umask 077
printf 'correct horse battery\n' >passphrase
printf 'another one\n' >other
head -c 64 /dev/urandom >keyfile
umask 022
cat >three.toml <<'END'
base = "qemu-vm-encrypted"
variant = "qemu-vm-encrypted"
description = "three keys, pbkdf2"
[disk]
formats = ["raw"]
END
# The partitions of the shipped type, with other keys.
sed -n '/^\[\[partition\]\]/,/^\[partition.encryption\]/p' "$top_srcdir/imgtypes/$type.toml" >>three.toml
cat >>three.toml <<'END'
kind = "luks2"
passphrase = true
key_file = true
recovery_key = true
pbkdf = "pbkdf2"
pbkdf_iterations = 1500
key_size = 128
sector_size = 512
END

build() { # TYPE OPTION...
	local what=$1
	shift
	"$ASHLAR" build "$top_srcdir/kickstarts/demo-vm.ks" -t "$what" --repos "$distro/release" --store "$store" -o out --progress=plain "$@" </dev/null
}
status() { # EXPECTED COMMAND...
	local expected=$1 found
	shift
	# A terminal of the person who tests is no answer.
	setsid "$@" >said 2>&1
	found=$?
	[ $found = "$expected" ] || { echo "status $found"; cat said; return 1; }
}
slice_var() { # RAW FILE [LABEL]
	local start size
	read -r start size < <(sfdisk --json "$1" 2>/dev/null | jq -r --arg name "${3:-var}" '[.partitiontable.partitions[] | select(.name == $name)][0] | "\(.start) \(.size)"')
	dd if="$1" of="$2" bs=512 skip="$start" count="$size" conv=sparse status=none
	truncate -s $((size * 512)) "$2"
}

# What is wrong is said before anything is made.
build_type() { "$ASHLAR" build "$top_srcdir/kickstarts/demo-vm.ks" --repos "$distro/release" --store "$store" -o nothing --progress=none "$@" </dev/null; }
export -f build_type
check "no passphrase and no terminal: status 2" status 2 env ASHLAR="$ASHLAR" top_srcdir="$top_srcdir" distro="$distro" store="$store" bash -c "build_type -t $type"
check "and the option is named" grep -q -- "--luks-passphrase-file" said
chmod 644 other
check "a passphrase that others may read: status 3" status 3 env ASHLAR="$ASHLAR" top_srcdir="$top_srcdir" distro="$distro" store="$store" \
	bash -c "build_type -t $type --luks-passphrase-file other"
check "and the remedy is said" grep -q "chmod 600" said
chmod 600 other
check "a key file for a type without one: status 2" status 2 env ASHLAR="$ASHLAR" top_srcdir="$top_srcdir" distro="$distro" store="$store" \
	bash -c "build_type -t $type --luks-passphrase-file passphrase --luks-key-file keyfile"
check "a passphrase for a type without encryption: status 2" status 2 env ASHLAR="$ASHLAR" top_srcdir="$top_srcdir" distro="$distro" store="$store" \
	bash -c "build_type -t qemu-vm --luks-passphrase-file passphrase"
refute "nothing was made" test -e nothing

check "the demo system builds with an encrypted /var" build "$type" -f raw -f qcow2 --luks-passphrase-file passphrase
raw=out/demo-vm-$type.raw recovery=out/demo-vm-$type.var.recovery-key
[ -f "$raw" ] || { finish; exit; }
slice_var "$raw" var
check "it is LUKS2" cryptsetup isLuks --type luks2 var
check "cryptsetup opens it with the passphrase" sh -c 'head -n 1 passphrase | tr -d "\n" | cryptsetup luksOpen --test-passphrase var'
check "and with the recovery key" sh -c "tr -d '\n' <$recovery | cryptsetup luksOpen --test-passphrase var"
refute "and with no other passphrase" sh -c 'printf wrong | cryptsetup luksOpen --test-passphrase var'
check_equal "the recovery key is nobody else's to read" 600 "$(stat -c %a "$recovery")"
check "systemd-cryptenroll's token marks the keyslot" sh -c "cryptsetup luksDump --dump-json-metadata var | jq -e '.tokens | map(.type) == [\"systemd-recovery\"]'"
check "argon2id" sh -c "cryptsetup luksDump --dump-json-metadata var | jq -e '.keyslots[\"0\"].kdf | .type == \"argon2id\" and .memory == 65536 and .time == 4'"
check "the qcow2 holds the same disk" qemu-img compare -f raw -F qcow2 "$raw" "out/demo-vm-$type.qcow2"
check "the kernel command line says that /var is encrypted" sh -c "'$ASHLAR' inspect '$raw' --json --progress=none | grep -q 'ashlar.var=luks'"

# Another program decrypts it.
decrypt() { # VOLUME PLAIN SECTOR-BYTES
	tr -d '\n' <passphrase | cryptsetup luksDump --batch-mode --dump-volume-key --volume-key-file vk "$1" >/dev/null 2>&1 &&
		/usr/bin/python3 "$top_srcdir/tests/unit/luks-decrypt.py" "$1" vk "$3" "$2"
	local result=$?
	rm -f vk
	return $result
}
if /usr/bin/python3 -c 'import cryptography' 2>/dev/null; then
	check "another program decrypts it" decrypt var plain 4096
	check "to a sound ext4" e2fsck -fn plain
	check_equal "with the label of the partition" var "$(e2label plain)"
else
	skip "another program decrypts it" "python3-cryptography is not installed"
fi

# Where keys must not be.
refute "the passphrase is not in store or output" grep -rqF "correct horse battery" "$store/stages" "$store/history" "$store/logs" "$store/repo/refs" out/demo-vm.lock "out/demo-vm-$type.layout"
refute "nor its plain digest" grep -rqE "$(head -n 1 passphrase | tr -d '\n' | sha256sum | cut -d ' ' -f 1)" "$store/stages"
refute "the recovery key is not in the store" grep -rqF "$(cat "$recovery")" "$store/stages" "$store/logs"

# Written anew for another key only.
before=$(stat -c %i "$raw")
build "$type" -f raw -f qcow2 --luks-passphrase-file passphrase >said 2>&1
check_equal "the same keys: nothing is written" "$before" "$(stat -c %i "$raw")"
check "another passphrase" build "$type" -f raw -f qcow2 --luks-passphrase-file other --explain
refute "is a new image" test "$before" = "$(stat -c %i "$raw")"
slice_var "$raw" var
check "which the new one opens" sh -c 'tr -d "\n" <other | cryptsetup luksOpen --test-passphrase var'
refute "and the old one does not" sh -c 'tr -d "\n" <passphrase | cryptsetup luksOpen --test-passphrase var'

# Three keys, other numbers, and a test seed.
seed=00112233-4455-6677-8899-aabbccddeeff
for n in 1 2; do
	check "three keys and a test seed ($n)" build ./three.toml --luks-passphrase-file passphrase --luks-key-file keyfile --test-seed $seed
	slice_var out/demo-vm-three.raw "var$n"
	cp out/demo-vm-three.var.recovery-key "recovery$n"
	rm -f out/demo-vm-three.raw
done
check "the key file opens it" cryptsetup luksOpen --test-passphrase --key-file keyfile var1
check "the passphrase too" sh -c 'tr -d "\n" <passphrase | cryptsetup luksOpen --test-passphrase var1'
check "pbkdf2 with 1500 rounds, AES-128, sectors of 512 bytes" sh -c \
	"cryptsetup luksDump --dump-json-metadata var1 | jq -e '.keyslots[\"0\"].kdf.iterations == 1500 and .keyslots[\"0\"].key_size == 32 and .segments[\"0\"].sector_size == 512'"
check "a test seed gives the same recovery key" cmp recovery1 recovery2
check "and the same content" cmp --ignore-initial=16777216 var1 var2
check "which is said" sh -c "'$ASHLAR' build '$top_srcdir/kickstarts/demo-vm.ks' -t ./three.toml --repos '$distro/release' --store '$store' -o out --progress=none --json \
	--luks-passphrase-file passphrase --luks-key-file keyfile --test-seed $seed 2>/dev/null </dev/null | jq -e '.artifacts[0].test_keys'"
check "pbkdf2 decrypts as well" decrypt var1 plain1 512
check "to a sound ext4 as well" e2fsck -fn plain1
# What a kickstart encrypts stays so for whoever makes an image or a release of the commit later.
{
	echo "%include $top_srcdir/kickstarts/demo-vm.ks"
	echo "part /var --fstype=ext4 --size=600 --grow --encrypted --pbkdf=pbkdf2 --pbkdf-iterations=1000"
	echo "part /home --fstype=ext4 --size=64 --encrypted --pbkdf=pbkdf2 --pbkdf-iterations=1000"
} >spoken.ks
ref=spoken/x86_64/qemu-vm
image() { "$ASHLAR" image "$ref" -t qemu-vm -f raw --store "$store" -o "$@" --progress=none </dev/null; }
check "a kickstart encrypts /var" "$ASHLAR" build spoken.ks -t qemu-vm -f raw --repos "$distro/release" --store "$store" -o spoken --progress=plain \
	--luks-passphrase-file passphrase
export -f image
check "ashlar image wants the passphrase, too" status 2 env ASHLAR="$ASHLAR" ref="$ref" store="$store" bash -c "image again"
check "and has it" image again --luks-passphrase-file passphrase
for place in spoken again; do
	slice_var "$place/spoken-qemu-vm.raw" var
	check "$place: the passphrase opens /var" sh -c 'head -n 1 passphrase | tr -d "\n" | cryptsetup luksOpen --test-passphrase var'
	slice_var "$place/spoken-qemu-vm.raw" home home
	check "$place: and /home" sh -c 'head -n 1 passphrase | tr -d "\n" | cryptsetup luksOpen --test-passphrase home'
	check "$place: with the rounds of the kickstart" sh -c "cryptsetup luksDump --dump-json-metadata var | jq -e '.keyslots[\"0\"].kdf.iterations == 1000'"
	check "$place: the kernel image knows" sh -c "'$ASHLAR' inspect '$place/spoken-qemu-vm.raw' --json --progress=none | grep -q 'ashlar.var=luks'"
done
rm -rf spoken again
"$ASHLAR" key generate release.key --progress=none >keys.log 2>&1 && "$ASHLAR" key init releases --key root,targets,snapshot,timestamp=release.key --progress=none >>keys.log 2>&1
check "a release of it" "$ASHLAR" publish "$ref" -t qemu-vm --to releases --key release.key --store "$store" --level 1 --progress=plain
check "has a kernel image that knows" grep -rqa "ashlar.var=luks" releases
rm -rf releases

finish
