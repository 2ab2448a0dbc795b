#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# "ashlar key": the life of the keys of a release directory, with an offline root, thresholds, passphrases and a token.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
cd "$work" || exit 1
export ASHLAR_STORE=$work/store ASHLAR_CACHE=$work/cache

key() { "$ASHLAR" key "$@" --progress=none </dev/null; }

# fails STATUS "TEXT" ARGUMENT...
fails() {
	local want=$1 text=$2 status
	shift 2
	key "$@" >out 2>err
	status=$?
	if [ $status = "$want" ] && grep -qF -- "$text" err && [ ! -s out ]; then
		ok "\"key $*\" exits $want: $text"
	else
		{ echo "status $status"; cat out err; } >.output
		not_ok "\"key $*\" exits $want: $text" .output
	fi
}

id() { key show "$1" --json | sed -n 's/^  "id" : "\(.*\)",$/\1/p'; }
version() { # ROLE
	key show repo --json | tr -d ' \n' | grep -o "\"role\":\"$1\",\"version\":[0-9]*" | head -n 1 | sed 's/.*://'
}

for name in root root2 targets targets2 online other; do
	key generate $name.pem >/dev/null || echo "cannot generate $name"
done
check_equal "a private key is its owner's" "600 644" "$(stat -c %a root.pem root.pem.pub | tr '\n' ' ' | sed 's/ $//')"
check_equal "both parts have one id" "$(id root.pem)" "$(id root.pem.pub)"
check "openssl reads the private key" openssl pkey -in root.pem -noout
check "openssl reads the public key" openssl pkey -pubin -in root.pem.pub -noout
fails 2 "never overwritten" generate root.pem
fails 2 "none of ed25519" generate x.pem --kind dsa
chmod 640 other.pem
fails 3 "chmod 600" show other.pem
chmod 600 other.pem
for kind in ecdsa rsa; do
	check "an $kind key" key generate $kind.pem --kind $kind
done

printf 'open sesame\n' >passphrase
printf 'open barley\n' >wrong
check "a key with a passphrase" key generate secret.pem --passphrase-file passphrase
check "it is encrypted" grep -q 'BEGIN ENCRYPTED PRIVATE KEY' secret.pem
check "openssl reads it with the passphrase" openssl pkey -in secret.pem -passin file:passphrase -noout
check "the passphrase opens it" key show secret.pem --passphrase-file passphrase
fails 3 "wrong passphrase" show secret.pem --passphrase-file wrong
if command -v setsid >/dev/null; then
	# Without a terminal there is nobody to ask.
	setsid "$ASHLAR" key show secret.pem --progress=none >/dev/null 2>err </dev/null
	check_equal "no terminal, no passphrase: status 2" 2 $?
	check "and what to give is said" grep -q -- --passphrase-file err
fi

fails 2 "usage: ashlar key show" show
fails 2 "none of generate" frobnicate x
fails 2 "has no option --days" show root.pem --days root=1
fails 2 "no key for role" init repo --key root=root.pem
fails 2 "none of the roles" init repo --key roots=root.pem
fails 2 "must sign" init repo --key root,targets,snapshot,timestamp=online.pem --threshold targets=2
refute "a refused repository leaves no metadata" test -e repo/metadata/1.root.json
rm -rf repo
fails 3 "cannot read the key" show repo2
mkdir empty
fails 2 "key init" show empty
fails 2 "key init" refresh empty --key online.pem

# The root key is elsewhere: only its public part is here.
mkdir offline && mv root.pem root2.pem offline/
key init repo --key root=root.pem.pub --key targets=targets.pem --key snapshot,timestamp=online.pem >out
check "an unsigned draft waits for the offline key" grep -q 'signed by 0 of 1 keys.*more must sign' out
fails 2 "not signed by enough keys" refresh repo --key targets.pem --key online.pem
cp repo/metadata/next.root.json stick.json
fails 2 "may not sign" sign stick.json --key other.pem
check "the offline machine signs" key sign stick.json --key offline/root.pem
mv stick.json repo/metadata/next.root.json
check "the draft is shown to be complete" sh -c "'$ASHLAR' key show repo/metadata/next.root.json --progress=none | grep -q 'complete\$'"
check "it is put in force" key refresh repo --key targets.pem --key online.pem
check_equal "all files have their names" "1.root.json 1.snapshot.json 1.targets.json timestamp.json" \
	"$(cd repo/metadata && echo *)"
fails 2 "already" init repo --key root,targets,snapshot,timestamp=online.pem

# A timer has the online key alone.
check "refresh with the online key alone" key refresh repo --key online.pem
check_equal "only the timestamp is new" "2 1 1" "$(version timestamp) $(version snapshot) $(version targets)"
fails 2 "must be signed by" refresh repo --key targets.pem

# A second key for targets, and both must sign.
check "rotate drafts the next root" key rotate repo --role targets --add targets2.pem.pub --threshold 2
fails 2 "need --role" rotate repo --threshold 2
fails 2 "no key of role" rotate repo --role targets --remove 0123456789
fails 2 "must sign" rotate repo --role targets --threshold 3
fails 2 "may not sign" sign repo/metadata/next.root.json --key targets.pem
check "the root key signs" key sign repo/metadata/next.root.json --key offline/root.pem
fails 2 "must be signed by 2 keys" refresh repo --key targets.pem --key online.pem
check_equal "nothing has changed then" 1 "$(version root)"
check "both keys of targets sign" key refresh repo --key targets.pem --key targets2.pem --key online.pem
check_equal "the root is in force" "2 2" "$(version root) $(version targets)"

# A new root key: the old one and the new one sign.
short=$(id root.pem.pub | cut -c 1-10)
key rotate repo --role root --add root2.pem.pub --remove "$short" >/dev/null
key sign repo/metadata/next.root.json --key offline/root2.pem >out
check "the new root key alone is not enough" grep -q 'by 1 of 1 keys and by 0 of 1 of the root before it: more must sign' out
key sign repo/metadata/next.root.json --key offline/root.pem --json >out
check "both are" grep -q '"complete" : true' out
check "the root is exchanged" key refresh repo --key online.pem
check_equal "it is version 3" 3 "$(version root)"
check "the new key is shown" sh -c "'$ASHLAR' key show repo --progress=none | grep -q '^root.*$(id root2.pem.pub | cut -c 1-16)'"

# What was changed by somebody is not signed on.
cp -r repo spoiled
sed -i 's/"version" : 2/"version" : 3/' spoiled/metadata/2.targets.json
fails 6 "2.targets.json" refresh spoiled --key online.pem

# A key on a token, where this machine can have one.
module=
for file in /usr/lib/softhsm/libsofthsm2.so /usr/lib/*/softhsm/libsofthsm2.so /usr/lib64/pkcs11/libsofthsm2.so; do
	[ ! -e "$file" ] || module=$file
done
engine=$(openssl version -e 2>/dev/null | sed 's/.*"\(.*\)".*/\1/')/pkcs11.so
provider=$(openssl version -m 2>/dev/null | sed 's/.*"\(.*\)".*/\1/')/pkcs11.so
if [ -z "$module" ] || ! command -v softhsm2-util >/dev/null || ! command -v pkcs11-tool >/dev/null; then
	skip "a key on a token" "softhsm2 or opensc is not installed"
elif [ ! -e "$engine" ] && [ ! -e "$provider" ]; then
	skip "a key on a token" "OpenSSL has neither an engine nor a provider of PKCS#11"
else
	mkdir tokens
	echo "directories.tokendir = $work/tokens" >softhsm.conf
	export SOFTHSM2_CONF=$work/softhsm.conf PKCS11_PROVIDER_MODULE=$module
	softhsm2-util --init-token --free --label ashlar --so-pin 1234 --pin 5678 >/dev/null
	pkcs11-tool --module "$module" --token-label ashlar --login --pin 5678 --keypairgen --key-type EC:prime256v1 --id 01 \
		--label release >/dev/null 2>&1
	token="pkcs11:token=ashlar;object=release;type=private?module-path=$module"
	printf '5678\n' >pin
	printf '9999\n' >badpin
	check "a token's key is shown" key show "$token" --passphrase-file pin
	check_equal "it is an ECDSA key" 1 "$(key show "$token" --passphrase-file pin | grep -c '  ecdsa  private  ')"
	check "the PIN may be in the URI" key show "$token&pin-value=5678"
	check "a repository signed by a token" key init hsm --key "root,targets,snapshot,timestamp=$token" --passphrase-file pin
	check "and signed again" key refresh hsm --key "$token" --passphrase-file pin
	fails 3 "PIN is wrong" show "$token" --passphrase-file badpin
	fails 3 "no such private key" show "pkcs11:token=ashlar;object=none;type=private?module-path=$module" --passphrase-file pin
fi
fails 3 "pkcs11" show "pkcs11:object=x?module-path=/nonexistent.so" --passphrase-file passphrase
finish
