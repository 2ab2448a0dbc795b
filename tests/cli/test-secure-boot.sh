#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Signing for Secure Boot, as other people's programs see it: images checked by sbverify, root hashes by openssl and systemd-dissect; the way over a key
# elsewhere, with sbsign; keys and files that are refused; releases.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need rpmbuild rpmsign createrepo_c gpg jq openssl sbsign sbverify mcopy sfdisk python3
[ -f /usr/lib/systemd/boot/efi/linuxx64.efi.stub ] || skip_all "systemd-boot-efi is not installed"
cd "$work" || exit 1
here=$top_srcdir/tests/cli
export ASHLAR_CACHE=$work/cache ASHLAR_STORE=$work/store

"$top_srcdir/tests/distro/make-repo" repo "$here/specs/base.spec" "$here/specs/machine.spec" >make-repo.log 2>&1 || {
	not_ok "the repository can be made" make-repo.log
	finish
	exit
}
{
	cat "$here/machine.toml"
	printf '[[partition]]\nrole = "%s"\nslot = "b"\nempty = true\n' root-verity root
} >plain.toml
{
	cat plain.toml
	printf '[[partition]]\nrole = "root-verity-sig"\nslot = "a"\nlabel = "@NAME@_@VERSION@"\n'
	printf '[[partition]]\nrole = "root-verity-sig"\nslot = "b"\nempty = true\n'
} >signed.toml
{ cat plain.toml && printf '[secure_boot]\nsign = ["uki"]\n'; } >uki-only.toml
{ cat plain.toml && printf '[secure_boot]\nkeep_signatures = true\n'; } >keep.toml

for name in db other; do
	openssl req -x509 -newkey rsa:2048 -nodes -keyout $name.key -out $name.crt -days 3650 -subj "/CN=Test $name/O=Example" 2>/dev/null
	chmod 600 $name.key
done
openssl x509 -in db.crt -outform der -out db.der
printf 'open sesame\n' >passphrase
openssl pkcs8 -topk8 -in db.key -out locked.key -passout file:passphrase
openssl ecparam -name prime256v1 -genkey -noout -out ec.key
chmod 600 locked.key ec.key
key=(--secure-boot-key db.key --secure-boot-certificate db.crt)

# exits "what" STATUS "TEXT" COMMAND...
exits() {
	local name=$1 want=$2 text=$3 status=0
	shift 3
	"$@" >"$work/.output" 2>&1 || status=$?
	if [ $status = "$want" ] && grep -qF -- "$text" "$work/.output"; then
		ok "$name"
	else
		echo "status $status, wanted $want and \"$text\"" >>"$work/.output"
		not_ok "$name" "$work/.output"
	fi
}
# build TYPE OUT OPTION...
build() {
	local type=$1 out=$2
	shift 2
	"$ASHLAR" build test.ks -t "./$type.toml" --repos repo -o "$out" --version "${version:-1}" --progress=none "$@" </dev/null
}
image() { "$ASHLAR" image "$ref" --progress=none "$@" </dev/null; }
slice() { # RAW TYPE-GUID FILE: the first such partition
	local start size
	read -r start size < <(sfdisk --json "$1" 2>/dev/null | jq -r "[.partitiontable.partitions[] | select(.type == \"$2\")][0] | \"\(.start) \(.size)\"")
	dd if="$1" of="$3" bs=512 skip="$start" count="$size" status=none
}
take_esp() { # RAW DIR
	rm -rf "$2" && mkdir "$2" && slice "$1" C12A7328-F81F-11D2-BA4B-00A0C93EC93B "$2.img" && mcopy -s -i "$2.img" ::EFI "$2/"
}
signed_by() { sbverify --cert "$@" 2>/dev/null; }
ref=test/x86_64/machine
printf 'repo --name=demo\n%%packages\nmachine\n%%end\n' >test.ks

# --- a key here ---
exits "a type with a signed root hash and no key: status 2" 2 "--secure-boot-key" build signed none
refute "nothing was made" test -e none
exits "a key without its certificate: status 2" 2 "--secure-boot-certificate" build plain none --secure-boot-key db.key
exits "a certificate without its key: status 2" 2 "--secure-boot-key" build plain none --secure-boot-certificate db.crt
exits "another key's certificate: status 2" 2 "not of this key" build plain none --secure-boot-key db.key --secure-boot-certificate other.crt
exits "an EC key: status 2" 2 "RSA" build plain none --secure-boot-key ec.key --secure-boot-certificate db.crt
exits "a file that is no certificate: status 3" 3 "no X.509 certificate" build plain none --secure-boot-key db.key --secure-boot-certificate db.key
exits "a file that is no key: status 3" 3 "no key in PEM" build plain none --secure-boot-key passphrase --secure-boot-certificate db.crt
exits "a key that is not there: status 3" 3 "none.key" build plain none --secure-boot-key none.key --secure-boot-certificate db.crt
exits "a wrong passphrase: status 3" 3 "wrong passphrase" build plain none --secure-boot-key locked.key --secure-boot-certificate db.crt \
	--secure-boot-passphrase-file test.ks
sed 's/"uki"/"kernel"/' uki-only.toml >bad.toml
exits "an unknown thing to sign: status 3" 3 "none of uki, loader, verity" build bad none "${key[@]}"
{ cat signed.toml && printf '[secure_boot]\nsign = ["uki"]\n'; } >bad.toml
exits "a partition for a signature that is not made: status 3" 3 'needs "verity"' build bad none "${key[@]}"
{ cat plain.toml && printf '[secure_boot]\nverity_by_kernel = true\n'; } >bad.toml
exits "no signature that the kernel could check: status 3" 3 'no partition with role "root-verity-sig"' build bad none "${key[@]}"

check "a signed disk is built" build signed out "${key[@]}"
raw=out/test-signed.raw
[ -f $raw ] || { finish; exit; }
take_esp $raw esp
uki=esp/EFI/Linux/test_1.efi
for file in EFI/BOOT/BOOTX64.EFI EFI/systemd/systemd-bootx64.efi EFI/Linux/test_1.efi; do
	check "sbverify: $file is signed by the key" signed_by db.crt esp/$file
	refute "and not by the other" signed_by other.crt esp/$file
done
check "the same again from an encrypted key and a certificate in DER" build signed again --secure-boot-key locked.key --secure-boot-certificate db.der \
	--secure-boot-passphrase-file passphrase
check "has the same bytes" cmp $raw again/test-signed.raw
take_esp $raw changed
# The signature itself; then what it covers.
for at in $(($(stat -c %s $uki) - 500)) 100000; do
	cp $uki changed.efi
	damage changed.efi "$at"
	refute "a kernel image with byte $at changed is not signed" signed_by db.crt changed.efi
done
inspect() { "$ASHLAR" inspect "$@" --progress=none; }

slice $raw 41092B05-9FC8-4523-994F-2DEF0408B176 sig
tr -d '\0' <sig >sig.json
root_hash=$(inspect $raw --json | jq -r '.roots[0].root_hash')
check_equal "the signed root hash is that of the root" "$root_hash" "$(jq -r .rootHash sig.json)"
check_equal "the certificate is named by its digest" "$(openssl dgst -sha256 -r db.der | cut -d ' ' -f 1)" "$(jq -r .certificateFingerprint sig.json)"
jq -r .signature sig.json | base64 -d >sig.p7s
printf %s "$root_hash" >roothash
check "openssl verifies the signature" openssl smime -verify -binary -inform der -in sig.p7s -content roothash -certfile db.crt -nointern -noverify
refute "of the other key it is none" openssl smime -verify -binary -inform der -in sig.p7s -content roothash -certfile other.crt -nointern -noverify
if command -v systemd-dissect >/dev/null && [ "$(id -u)" = 0 ] && systemd-dissect $raw >dissect.txt 2>&1; then
	check "systemd-dissect: the root is signed" grep -Eq '^ro root .* signed ' dissect.txt
else
	skip "systemd-dissect" "it cannot attach images here"
fi

check_equal "inspect tells who signed the kernel image" "O=Example,CN=Test db" \
	"$(inspect $raw --json | jq -r '.ukis[0].signatures[] | select(.problem == null).signer')"
check_equal "and loader and root hash" "$(jq -r '.certificateFingerprint | . + " " + .' sig.json)" \
	"$(inspect $raw --json | jq -r '.loader_signatures[0].certificate_sha256 + " " + .roots[0].signature_certificate_sha256')"
cp --sparse=always $raw tampered.raw
mcopy -o -i "tampered.raw@@1M" changed.efi ::EFI/Linux/test_1.efi
check "and that a changed image is not signed rightly" sh -c "'$ASHLAR' inspect tampered.raw --progress=none | grep -q 'NOT RIGHTLY signed by .*changed'"

{ cat signed.toml && printf '[secure_boot]\nverity_by_kernel = true\n'; } >kernel.toml
check "the kernel may have to check the signature" build kernel out "${key[@]}"
check_equal "as its command line says" "roothash=HASH systemd.verity_root_options=root-hash-signature=/run/ashlar/roothash.p7s quiet" \
	"$(inspect out/test-kernel.raw --json | jq -r '.ukis[0].cmdline' | sed 's/roothash=[0-9a-f]*/roothash=HASH/')"

check "without a key nothing is signed" build plain out
take_esp out/test-plain.raw unsigned
refute "neither kernel image" signed_by db.crt unsigned/EFI/Linux/test_1.efi
refute "nor loader" signed_by db.crt unsigned/EFI/BOOT/BOOTX64.EFI
check "the loader is the distribution's" cmp unsigned/EFI/BOOT/BOOTX64.EFI /usr/lib/systemd/boot/efi/systemd-bootx64.efi
check "a type may have the kernel image signed only" build uki-only out "${key[@]}"
take_esp out/test-uki-only.raw only
check "which is" signed_by db.crt only/EFI/Linux/test_1.efi
check "and the loader is not touched" cmp only/EFI/BOOT/BOOTX64.EFI unsigned/EFI/BOOT/BOOTX64.EFI
check "with another key the image is written anew" build plain out --secure-boot-key other.key --secure-boot-certificate other.crt
take_esp out/test-plain.raw anew
check "and signed by that" signed_by other.crt anew/EFI/Linux/test_1.efi

# --- the audit: what is signed, by whom ---
audit() { "$ASHLAR" audit "$@" --rule 'boot-*' --progress=none; }
findings() { audit "$@" --json | jq -r '.findings[] | "\(.level) \(.rule) \(.path | sub(".*/"; ""))"' | xargs -d '\n'; }
openssl req -x509 -newkey rsa:2048 -nodes -keyout good.key -out good.crt -days 3650 -subj "/CN=Example Secure Boot" 2>/dev/null
chmod 600 good.key
check "an image signed by a key of a good name" build plain good --secure-boot-key good.key --secure-boot-certificate good.crt
good=good/test-plain.raw
check_equal "has no findings" "" "$(findings $good)"
check_equal "one of a test has" "error boot-test-key BOOTX64.EFI error boot-test-key systemd-bootx64.efi error boot-test-key test_1.efi" \
	"$(findings $raw | tr ' ' '\n' | paste -d ' ' - - - | sort | xargs)"
check "with the text of who it is" sh -c "'$ASHLAR' audit $raw --rule 'boot-*' --progress=none | grep -q 'signed by \"O=Example,CN=Test db\"'"
check "SARIF has the rule" jq -e '[.runs[0].results[].ruleId] | unique == ["boot-test-key"]' <(audit $raw --sarif)
check_equal "what is signed in part" "error boot-unsigned BOOTX64.EFI error boot-unsigned systemd-bootx64.efi error boot-test-key test_1.efi" \
	"$(findings out/test-uki-only.raw | tr ' ' '\n' | paste -d ' ' - - - | sort -k 3 | xargs)"
refute "is an error" audit out/test-uki-only.raw --fail-on error
check_equal "what was changed" "error boot-bad-signature test_1.efi" "$(findings tampered.raw | tr ' ' '\n' | paste -d ' ' - - - | grep test_1)"
# put FILE CERTIFICATE-OPTION...: a disk whose kernel image somebody else has signed, by a certificate of their own
put() {
	openssl req -x509 -nodes -keyout theirs.key -out theirs.crt -subj "/CN=$1" "${@:2}" 2>/dev/null
	sbsign --key theirs.key --cert theirs.crt --output theirs.efi unsigned/EFI/Linux/test_1.efi >/dev/null 2>&1
	cp --sparse=always $good theirs.raw
	mcopy -o -i "theirs.raw@@1M" theirs.efi ::EFI/Linux/test_1.efi
}
put "Somebody else" -newkey rsa:2048 -days 30
check_equal "different keys" "note boot-signers-differ test_1.efi" "$(findings theirs.raw)"
put "Somebody short" -newkey rsa:1024 -days 30
check_equal "a short key" "warning boot-certificate-weak test_1.efi note boot-signers-differ test_1.efi" "$(findings theirs.raw)"
check "is told with its bits" sh -c "'$ASHLAR' audit theirs.raw --rule 'boot-*' --progress=none | grep -q 'its key (RSA) has 1024 bits'"
openssl req -newkey rsa:2048 -nodes -keyout theirs.key -out theirs.csr -subj "/CN=Somebody late" 2>/dev/null
openssl x509 -req -in theirs.csr -CA good.crt -CAkey good.key -set_serial 7 -sha1 -days -1 -out theirs.crt 2>/dev/null
sbsign --key theirs.key --cert theirs.crt --output theirs.efi unsigned/EFI/Linux/test_1.efi >/dev/null 2>&1
cp --sparse=always $good theirs.raw
mcopy -o -i "theirs.raw@@1M" theirs.efi ::EFI/Linux/test_1.efi
check_equal "a certificate that is over, and signed with SHA-1" \
	"warning boot-certificate-expired test_1.efi warning boot-certificate-weak test_1.efi note boot-signers-differ test_1.efi" "$(findings theirs.raw)"

# TPMs measure sections, and signatures are in none.
openssl genrsa -out pcr.key 2048 2>/dev/null
chmod 600 pcr.key
check "with a key for PCR 11" build plain pcr1 --pcr-key pcr.key
check "and one for Secure Boot, too" build plain pcr2 --pcr-key pcr.key "${key[@]}"
take_esp pcr1/test-plain.raw one
take_esp pcr2/test-plain.raw two
size=$(stat -c %s one/EFI/Linux/test_1.efi)
check "every section is the same" cmp <(tail -c +1025 one/EFI/Linux/test_1.efi) <(head -c "$size" two/EFI/Linux/test_1.efi | tail -c +1025)
check "signed measurements are among them" grep -q '"pkfp"' two/EFI/Linux/test_1.efi

# --- a key on a token ---
module=
for file in /usr/lib/softhsm/libsofthsm2.so /usr/lib/*/softhsm/libsofthsm2.so /usr/lib64/pkcs11/libsofthsm2.so; do
	[ ! -e "$file" ] || module=$file
done
engine=$(openssl version -e 2>/dev/null | sed 's/.*"\(.*\)".*/\1/')/pkcs11.so
provider=$(openssl version -m 2>/dev/null | sed 's/.*"\(.*\)".*/\1/')/pkcs11.so
if [ -z "$module" ] || ! command -v softhsm2-util >/dev/null; then
	skip "a key on a token" "softhsm2 is not installed"
elif [ ! -e "$engine" ] && [ ! -e "$provider" ]; then
	skip "a key on a token" "OpenSSL has neither an engine nor a provider of PKCS#11"
else
	mkdir tokens
	echo "directories.tokendir = $work/tokens" >softhsm.conf
	export SOFTHSM2_CONF=$work/softhsm.conf PKCS11_PROVIDER_MODULE=$module
	softhsm2-util --init-token --free --label boot --so-pin 1234 --pin 5678 >/dev/null
	openssl pkcs8 -topk8 -nocrypt -in db.key -out db.p8
	softhsm2-util --import db.p8 --token boot --label db --id 01 --pin 5678 >/dev/null
	printf '5678\n' >pin
	token="pkcs11:token=boot;object=db;type=private?module-path=$module"
	check "a key on a token signs" build signed token --secure-boot-key "$token" --secure-boot-certificate db.crt --secure-boot-passphrase-file pin
	check "the same bytes as from a file" cmp $raw token/test-signed.raw
	exits "another key's certificate: status 2" 2 "not of this key" build plain none --secure-boot-key "$token" --secure-boot-certificate other.crt \
		--secure-boot-passphrase-file pin
fi

# --- a key elsewhere ---
exits "two types cannot be exported into one directory: status 2" 2 "one image type" image -t ./plain.toml -t ./signed.toml --export-unsigned export
exits "export and import exclude each other: status 2" 2 "--import-signed" image -t ./plain.toml --export-unsigned export --import-signed export
exits "so do import and a key: status 2" 2 "exclude" image -t ./plain.toml --import-signed export "${key[@]}"
exits "an empty directory cannot be imported: status 3" 3 "nothing signed" image -t ./signed.toml --import-signed repo
check "what is to be signed is exported" image -t ./signed.toml -o out --export-unsigned export
check_equal "kernel image, loader and root hash" "systemd-bootx64.efi uki.efi roothash" "$(jq -r '[.files[].name] | join(" ")' export/manifest.json)"
check_equal "the manifest has their digests" "$(cd export && sha256sum systemd-bootx64.efi uki.efi roothash | cut -d ' ' -f 1)" \
	"$(jq -r '.files[].sha256' export/manifest.json)"
check_equal "the root hash is that of the image" "$root_hash" "$(cat export/roothash)"
sign_hash() { openssl smime -sign -nocerts -noattr -binary -in export/roothash -inkey db.key -signer db.crt -outform der -out export/roothash.p7s; }
sign_hash
exits "unsigned files are not taken: status 6" 6 "not signed" image -t ./signed.toml -o in --import-signed export --secure-boot-certificate db.crt
sign() { # IMAGE
	sbsign --key db.key --cert db.crt --output signed.efi "$1" >/dev/null 2>&1 && mv signed.efi "$1"
}
sign export/uki.efi
sign export/systemd-bootx64.efi
rm export/roothash.p7s
exits "a missing signature of the root hash is named: status 3" 3 "roothash.p7s" image -t ./signed.toml -o in --import-signed export \
	--secure-boot-certificate db.crt
sign_hash
exits "it needs the certificate: status 2" 2 "--secure-boot-certificate" image -t ./signed.toml -o in --import-signed export
check "an image is made of what was signed" image -t ./signed.toml -o in --import-signed export --secure-boot-certificate db.crt
take_esp in/test-signed.raw imported
check "with the signed kernel image" cmp imported/EFI/Linux/test_1.efi export/uki.efi
check "and the signed loader" cmp imported/EFI/BOOT/BOOTX64.EFI export/systemd-bootx64.efi
check "which sbverify knows" signed_by db.crt imported/EFI/BOOT/BOOTX64.EFI
slice in/test-signed.raw 41092B05-9FC8-4523-994F-2DEF0408B176 sig2
check "and the same signature of the root hash" cmp sig sig2

refused() { # WHAT TEXT
	exits "$1: status 6" 6 "$2" image -t ./signed.toml -o in --import-signed bad --secure-boot-certificate "${3:-db.crt}"
}
tampered() { rm -rf bad && cp -r export bad; }
tampered && damage bad/uki.efi 100000
refused "a changed kernel image" "is not what this image has"
tampered && cp out/test.lock bad/uki.efi
exits "a file that is no image: status 3" 3 "not a PE image" image -t ./signed.toml -o in --import-signed bad --secure-boot-certificate db.crt
tampered && cp export/systemd-bootx64.efi bad/uki.efi
refused "the loader in its place" "is not what this image has"
tampered && sed -i 's/roothash=/roothasH=/' bad/uki.efi
refused "another command line" "is not what this image has"
tampered && damage bad/uki.efi $(($(stat -c %s bad/uki.efi) - 100))
refused "a broken signature" "signature"
tampered && printf 12345678 >>bad/systemd-bootx64.efi
exits "something behind the signatures: status 3" 3 "not at its end" image -t ./signed.toml -o in --import-signed bad --secure-boot-certificate db.crt
tampered && openssl smime -sign -nocerts -noattr -binary -in test.ks -inkey db.key -signer db.crt -outform der -out bad/roothash.p7s
refused "a signature of something else" "no signature of this"
tampered
refused "a root hash signed by another key" "no signature of this" other.crt

# --- releases: what a node has after an update is signed as an image is ---
"$ASHLAR" key generate repo.key >/dev/null
check "a release directory" "$ASHLAR" key init rel --key "root,targets,snapshot,timestamp=repo.key"
publish() { "$ASHLAR" publish $ref -t ./signed.toml --to rel --key repo.key --progress=none "$@"; }
exits "a release of a type with a signed root hash needs the key: status 2" 2 "--secure-boot-key" publish
exits "import and a key exclude each other there, too: status 2" 2 "exclude" publish --import-signed export "${key[@]}"
check "version 1 is published, as it was signed elsewhere" publish --import-signed export --secure-boot-certificate db.crt --with sysupdate
check "its kernel image is the imported one" cmp export/uki.efi rel/sysupdate/$ref/test_1.efi
exits "once" 0 "was published already" publish --import-signed export --secure-boot-certificate db.crt
tampered && damage bad/uki.efi 100000
exits "another kernel image is not published: status 6" 6 "is not what this image has" publish --import-signed bad --secure-boot-certificate db.crt
check "systemd-sysupdate gets the signature of the root hash" cmp -n 4096 sig rel/sysupdate/$ref/test_1.verity-sig.raw
check "with its sum" sh -c "cd rel/sysupdate/$ref && sha256sum --check --strict --status SHA256SUMS && grep -q verity-sig SHA256SUMS"
check_equal "four files, as there are examples of transfer files" "$(find "$top_srcdir/data/sysupdate" -name '*.transfer' | wc -l)" \
	"$(wc -l <"rel/sysupdate/$ref/SHA256SUMS")"
NODE=$top_builddir/ashlar-node
mkdir -p m/proc/sys/kernel/random m/proc/self m/etc/ashlar m/usr/lib m/usr/share/ashlar
cp $raw disk.raw
cp rel/metadata/1.root.json m/usr/share/ashlar/root.json
echo "roothash=$root_hash" >m/proc/cmdline
echo 1234 >m/proc/sys/kernel/random/boot_id
printf 'ID=test\nIMAGE_ID="test"\nIMAGE_VERSION="1"\n' >m/usr/lib/os-release
printf '[Update]\nUrl=file://%s/rel\nRef=%s\n' "$work" $ref >m/etc/ashlar/node.conf
printf '%%post\necho 2 >/usr/share/machine/new\n%%end\n' >>test.ks
version=2 check "version 2" build signed out2 "${key[@]}" --anchor out/test-signed.layout
check "is published" publish "${key[@]}"
check "the kernel image of a release has a recipe" sh -c "grep -rlq uki_recipe rel/targets"
check "a node of version 1 updates to it" "$NODE" update --root m --disk disk.raw --esp esp --progress=none --allow-full
take_esp out2/test-signed.raw second
check "its kernel image is that of the image, signature and all" cmp esp/EFI/Linux/test_2+3.efi second/EFI/Linux/test_2.efi
check "sbverify knows it" signed_by db.crt esp/EFI/Linux/test_2+3.efi
sigs() { sfdisk --json "$1" 2>/dev/null | jq -r '.partitiontable.partitions[] | select(.type == "41092B05-9FC8-4523-994F-2DEF0408B176") | "\(.name) \(.start)"'; }
check_equal "the partitions with signatures have the labels of their slots" "test_1 test_2" "$(sigs disk.raw | cut -d ' ' -f 1 | xargs)"
dd if=disk.raw of=sig3 bs=512 skip="$(sigs disk.raw | sed -n '2s/.* //p')" count=2048 status=none
slice out2/test-signed.raw 41092B05-9FC8-4523-994F-2DEF0408B176 sig4
check "and the new root hash has its signature" cmp sig3 sig4
refute "which is another" cmp -s sig sig3

# --- files that came signed ---
cp /usr/lib/systemd/boot/efi/systemd-bootx64.efi theirs.efi
sbsign --key other.key --cert other.crt --output theirs.signed theirs.efi >/dev/null 2>&1
sed "s|^%install|&\nmkdir -p %{buildroot}/usr/lib/systemd/boot/efi\ncp $work/theirs.signed %{buildroot}/usr/lib/systemd/boot/efi/systemd-bootx64.efi.signed|; s|^Version: 1|Version: 2|" \
	"$here/specs/machine.spec" >machine.spec
check "a distribution that signs its loader" "$top_srcdir/tests/distro/make-repo" repo2 "$here/specs/base.spec" machine.spec
build2() { "$ASHLAR" build test.ks -t "./$1.toml" --repos repo2 -o out2 --version 2 --progress=none "${@:2}"; }
check "builds" build2 plain
take_esp out2/test-plain.raw theirs
check "without a key its signature is kept" cmp theirs/EFI/BOOT/BOOTX64.EFI theirs.signed
check "with one" build2 plain "${key[@]}"
take_esp out2/test-plain.raw theirs
check "the loader is signed anew" signed_by db.crt theirs/EFI/BOOT/BOOTX64.EFI
check "unless the type keeps signatures" build2 keep "${key[@]}"
take_esp out2/test-keep.raw theirs
check "the loader's is theirs" cmp theirs/EFI/BOOT/BOOTX64.EFI theirs.signed
check "the kernel image's is ours" signed_by db.crt theirs/EFI/Linux/test_2.efi

# --- package-managed systems: the kernel is a file of its own, and shim and GRUB come signed ---
stub=/usr/lib/systemd/boot/efi/linuxx64.efi.stub
sed "s|^seq 1 40000 >|cp $stub|" "$here/specs/machine.spec" >kernel.spec
sed "s|^printf 'this is shim.*> |cp $work/theirs.signed |" "$here/specs/traditional.spec" >grub.spec
check "a system with GRUB" "$top_srcdir/tests/distro/make-repo" repo3 "$here/specs/base.spec" kernel.spec grub.spec
printf 'repo --name=demo\n%%packages\ntraditional\nsigned-grub\n%%end\n' >managed.ks
managed() { # TYPE LOADER [KEEP]
	{
		printf 'base = "qemu-traditional"\nvariant = "managed"\n[packages]\nfrom_kickstart = "names"\nadd = []\n'
		printf '[initramfs]\nmodules = []\ndrivers = []\n[disk]\nformats = ["raw"]\n[boot]\nloader = "%s"\n' "$2"
		printf '[secure_boot]\nkeep_signatures = %s\n' "${3:-false}"
	} >"$1.toml"
}
build3() { "$ASHLAR" build managed.ks -t "./$1.toml" --repos repo3 -o out3 --version 1 --progress=none "${@:2}"; }
managed managed systemd-boot
check "with systemd-boot it builds" build3 managed "${key[@]}"
slice out3/managed-managed.raw C12A7328-F81F-11D2-BA4B-00A0C93EC93B esp.img
mcopy -i esp.img ::EFI/BOOT/BOOTX64.EFI loader.efi && mcopy -i esp.img ::managed/6.1.0/linux linux.efi
check "the kernel is signed" signed_by db.crt linux.efi
check "and the loader" signed_by db.crt loader.efi
take_grub() {
	slice "out3/managed-$1.raw" C12A7328-F81F-11D2-BA4B-00A0C93EC93B esp.img
	rm -f shim.efi grub.efi linux.efi
	mcopy -i esp.img ::EFI/BOOT/BOOTX64.EFI shim.efi && mcopy -i esp.img ::EFI/BOOT/grubx64.efi grub.efi && mcopy -i esp.img ::managed/6.1.0/linux linux.efi
}
managed grub grub
managed kept grub true
sed -i 's/variant = .*/variant = "grub"/' grub.toml kept.toml
check "with shim and GRUB" build3 grub "${key[@]}"
take_grub grub
for file in shim grub linux; do
	check "$file is signed by the key" signed_by db.crt $file.efi
done
refute "shim no longer by theirs" signed_by other.crt shim.efi
check "a type may keep what came signed" build3 kept "${key[@]}"
take_grub kept
check "as shim did" cmp shim.efi theirs.signed
check "GRUB did not" signed_by db.crt grub.efi
check "without a key all are copied" build3 grub
take_grub grub
check "shim as it came" cmp shim.efi theirs.signed
check "the kernel too" cmp linux.efi $stub
mkdir export3 && cp shim.efi export3/shimx64.efi && cp grub.efi export3/grubx64.efi && cp linux.efi export3/
for file in shimx64 grubx64 linux; do
	sign export3/$file.efi
done
check "those that were signed elsewhere are imported" "$ASHLAR" image managed/x86_64/grub -t ./grub.toml --import-signed export3 -o out3 --progress=none
take_grub grub
check "the kernel as it was signed" cmp linux.efi export3/linux.efi
check "and GRUB" cmp grub.efi export3/grubx64.efi

sed -i 's|^objcopy |&--remove-section .sbat |' grub.spec
check "a GRUB that shim would not start" "$top_srcdir/tests/distro/make-repo" repo4 "$here/specs/base.spec" kernel.spec grub.spec
build4() { "$ASHLAR" build managed.ks -t ./grub.toml --repos repo4 -o out4 --version 1 --progress=none "$@"; }
exits "is not signed: status 3" 3 '"grubx64.efi" cannot be signed for Secure Boot: it has no section ".sbat"' build4 "${key[@]}"
check "but copied" build4
finish
