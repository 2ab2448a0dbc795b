#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# ashlar audit: a system with planted faults and one without; commits and images; formats; what is accepted and known; other programs.
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need rpmbuild rpmsign createrepo_c gpg python3 jq ostree openssl gcc readelf mke2fs qemu-img setcap sfdisk mcopy mksquashfs
[ -f /usr/lib/systemd/boot/efi/linuxx64.efi.stub ] || skip_all "systemd-boot-efi is not installed"
cd "$work" || exit 1
here=$top_srcdir/tests/cli
export ASHLAR_CACHE=$work/cache ASHLAR_STORE=$work/store

"$top_srcdir/tests/distro/make-repo" repo "$here/specs/base.spec" "$here/specs/machine.spec" "$here/specs/audit.spec" >make-repo.log 2>&1 || {
	not_ok "the repository can be made" make-repo.log
	finish
	exit
}
{
	sed 's/"raw"/&, "qcow2", "vhd"/' "$here/machine.toml"
	printf '[[partition]]\nrole = "var"\nfs = "ext4"\nsize = "64M"\n'
} >machine.toml
printf 'kind = "oci"\n' >oci.toml
printf 'kind = "wsl"\n' >wsl.toml
# build NAME PACKAGE [MORE OF THE KICKSTART]
build() {
	printf 'repo --name=demo\n%%packages\nmachine\n%s\n%%end\n%s' "$2" "${3:-}" >"$1.ks"
	"$ASHLAR" build "$1.ks" -t ./machine.toml -t ./oci.toml -t ./wsl.toml --repos repo -o out --version 1 --progress=none >build.log 2>&1 || {
		not_ok "\"$1\" can be built" build.log
		finish
		exit
	}
}
build clean hardened
build faulty faults $'%post\necho x >/usr/lib/by-hand\n%end\n'
clean=clean/x86_64/machine faulty=faulty/x86_64/machine
audit() { "$ASHLAR" audit "$@" --progress=none; }
# exits "what" STATUS ARGUMENT...: the output is kept in out.txt and err.txt
exits() {
	local name=$1 want=$2 status=0
	shift 2
	audit "$@" >out.txt 2>err.txt || status=$?
	if [ $status = "$want" ]; then ok "$name"; else
		{ echo "status $status, wanted $want"; cat out.txt err.txt; } >.output
		not_ok "$name" .output
	fi
}
findings() { jq -r '.findings[] | select(.accepted | not) | "\(.level) \(.rule) \(.path) \(.subject)"' "$1"; }

# --- what is planted is found, and nothing else

# The least system is made of this machine's programs and has an open /etc/shadow; that is not the point here.
cat >accepted.toml <<-'END'
	# Of the least system.
	[[accept]]
	rule = "mode-shadow-readable"
	path = "/etc/*shadow"
	reason = "nobody logs in"
	[[accept]]
	rule = "elf-*"
	path = "usr/bin/[!w]*"
	reason = "programs of this machine"
	[[accept]]
	rule = "elf-*"
	path = "/usr/lib*"
	reason = "libraries of this machine"
END
exits "a clean system has no findings" 0 "$clean" --allow accepted.toml --fail-on note --json
cp out.txt clean.json
check_equal "none at all" "" "$(findings clean.json)"
check "accepted ones are listed with their reason" jq -e '.summary.accepted > 2 and ([.findings[].accepted] | all)' clean.json
exits "a faulty one has some" 0 "$faulty" --allow accepted.toml --json --inventory
cp out.txt faulty.json
exposed="note unit-exposed usr/lib/systemd/system/weak.service weak.service"
command -v systemd-analyze >/dev/null || exposed=
check_equal "those that were planted" "$(sort <<-END | sed '/^$/d'
	error elf-exec-stack usr/bin/weak 
	warning elf-no-pie usr/bin/weak 
	warning elf-no-relro usr/bin/weak 
	warning elf-runpath usr/bin/weak /tmp/lib
	note elf-no-cet usr/bin/weak 
	note elf-no-stack-protector usr/bin/weak 
	warning mode-setuid usr/bin/setuid 
	warning mode-capability usr/bin/capable 
	error mode-world-writable-file usr/share/faults/open 
	note unit-no-syscall-filter usr/lib/systemd/system/weak.service weak.service
	$exposed
	warning port-cleartext usr/lib/systemd/system/telnet.socket 23
	note port-open usr/lib/systemd/system/telnet.socket 23
	error sysctl-aslr etc/sysctl.d/90-bad.conf kernel.randomize_va_space
	warning sysctl-protected-fifos etc/sysctl.d/50-hardened.conf fs.protected_fifos
	warning sysctl-protected-symlinks  fs.protected_symlinks
	warning sysctl-protected-hardlinks  fs.protected_hardlinks
	warning sysctl-protected-regular  fs.protected_regular
	warning sysctl-unprivileged-bpf  kernel.unprivileged_bpf_disabled
	note sysctl-kptr-restrict  kernel.kptr_restrict
	note sysctl-dmesg-restrict  kernel.dmesg_restrict
	note sysctl-sysrq  kernel.sysrq
	note sysctl-rp-filter  net.ipv4.conf.default.rp_filter
	note sysctl-accept-redirects  net.ipv4.conf.all.accept_redirects
	note sysctl-accept-redirects  net.ipv6.conf.all.accept_redirects
	note file-unowned usr/lib/by-hand 
	error secret-credentials usr/share/factory/var/roothome/.aws/credentials 
	error secret-private-key usr/share/faults/key.pem 
	END
)" "$(findings faulty.json | sort)"
check "what the composer takes out itself is not there" jq -e '[.findings[] | select(.rule | startswith("identity-"))] == []' faulty.json
check "services, enabled or not" jq -e '[.services[] | .unit] == ["good.service", "weak.service"]' faulty.json
check "the filter of a drop-in counts" jq -e '.services[0].system_call_filter == "@system-service"' faulty.json
check "sockets, enabled or not" jq -e '[.sockets[] | [.unit, .enabled, .port]] == [["off.socket", false, 69], ["telnet.socket", true, 23]]' faulty.json

# --- images say what their commit says

strip() { jq 'del(.target, .notices)' "$1"; }
strip faulty.json >faulty.want
for format in raw qcow2 vhd; do
	# But for what only a disk has.
	exits "$format" 0 "out/faulty-machine.$format" --allow accepted.toml --json --inventory --rule '[!b]*'
	strip out.txt >faulty.found
	check "has the findings of its commit" cmp faulty.want faulty.found
done
cp --sparse=always out/clean-machine.raw seed.raw
echo seed >seed
offset=$(($(sfdisk --json seed.raw 2>/dev/null | jq '[.partitiontable.partitions[] | select(.type == "C12A7328-F81F-11D2-BA4B-00A0C93EC93B")][0].start') * 512))
mmd -i "seed.raw@@$offset" ::/loader 2>/dev/null
mcopy -i "seed.raw@@$offset" seed ::/loader/random-seed
exits "what boots a disk" 0 seed.raw --json --rule 'boot-*'
check_equal "is not signed" "note boot-unsigned efi/EFI/BOOT/BOOTX64.EFI note boot-unsigned efi/EFI/Linux/clean_1.efi note boot-unsigned efi/EFI/systemd/systemd-bootx64.efi" \
	"$(findings out.txt | xargs)"
exits "the boot loader has a seed" 0 seed.raw --allow accepted.toml --json --rule '[!b]*'
check_equal "which is found, and nothing else" "error identity-random-seed efi/loader/random-seed " "$(findings out.txt)"
for image in oci:out/faulty-oci.oci.tar wsl:out/faulty-wsl.wsl; do
	exits "a commit for ${image%:*}" 0 "faulty/x86_64/${image%:*}" --json --inventory
	strip out.txt >archive.want
	check "has what was planted" grep -q '"mode-setuid"' archive.want
	exits "${image#*:}" 0 "${image#*:}" --json --inventory
	strip out.txt >archive.found
	check "has the findings of its commit" cmp archive.want archive.found
done
# Two layers, the second taking away from the first; two indexes, as for several architectures.
python3 - <<-'END'
	import gzip, hashlib, io, json, tarfile
	blobs = {}
	def blob(data, media):
	    digest = hashlib.sha256(data).hexdigest()
	    blobs[digest] = data
	    return {"mediaType": f"application/vnd.oci.image.{media}", "digest": "sha256:" + digest, "size": len(data)}
	def layer(*entries):
	    out = io.BytesIO()
	    with tarfile.open(fileobj=out, mode="w") as tar:
	        for name, mode, content in entries:
	            info = tarfile.TarInfo(name)
	            info.mode, info.size = mode, len(content)
	            if mode & 0o40000:
	                info.type, info.mode, info.size = tarfile.DIRTYPE, mode & 0o7777, 0
	            if isinstance(content, str):
	                info.type, info.linkname, info.size, content = tarfile.LNKTYPE, content, 0, b""
	            tar.addfile(info, io.BytesIO(content))
	    return blob(gzip.compress(out.getvalue()), "layer.v1.tar+gzip")
	def archive(path, layers):
	    manifest = blob(json.dumps({"schemaVersion": 2, "layers": layers}).encode(), "manifest.v1+json")
	    inner = blob(json.dumps({"schemaVersion": 2, "manifests": [manifest]}).encode(), "index.v1+json")
	    with tarfile.open(path, "w") as tar:
	        for name, data in [("oci-layout", b"{}"), ("index.json", json.dumps({"manifests": [inner]}).encode())] + \
	                [("blobs/sha256/" + digest, data) for digest, data in blobs.items()]:
	            info = tarfile.TarInfo(name)
	            info.size = len(data)
	            tar.addfile(info, io.BytesIO(data))
	first = layer(("usr/bin/", 0o40755, b""), ("usr/bin/gone", 0o4755, b"x"), ("usr/bin/stays", 0o4755, b"x"), ("usr/bin/same", 0, "usr/bin/stays"),
	              ("srv/all/", 0o40755, b""), ("srv/all/one", 0o4755, b"x"), ("srv/all/deep/two", 0o4755, b"x"))
	second = layer(("usr/bin/.wh.gone", 0o644, b""), ("srv/all/.wh..wh..opq", 0o644, b""), ("srv/all/new", 0o2755, b"x"))
	archive("layers.tar", [first, second])
	archive("climb.tar", [layer(("usr/../../x", 0o644, b""))])
	archive("nolink.tar", [layer(("usr/x", 0, "usr/missing"))])
	archive("noblob.tar", [{"digest": "sha256:" + 64 * "0", "mediaType": "x", "size": 1}])
END
exits "an image of two layers" 0 layers.tar --json --rule 'mode-set*'
check_equal "the second hides files of the first" "note mode-setgid srv/all/new ,warning mode-setuid usr/bin/same ,warning mode-setuid usr/bin/stays ," \
	"$(findings out.txt | sort | tr '\n' ',')"
if [ "$(id -u)" = 0 ]; then
	ostree checkout --repo=store/repo -M $faulty tree 2>/dev/null || ostree checkout --repo=store/repo $faulty tree
	chown -R 0:0 tree
	python3 - tree faulty.json <<-'END'
		import os, subprocess, sys
		# bare-user objects are all 0644: the modes that matter here, anew.
		root = sys.argv[1]
		for name, mode in {"usr/bin/setuid": 0o4755, "usr/bin/capable": 0o755, "usr/share/faults/open": 0o666, "etc/shadow": 0o644,
		                   "etc/gshadow": 0o644, "tmp": 0o1777, "var/tmp": 0o1777}.items():
		    if os.path.exists(f"{root}/{name}"):
		        os.chmod(f"{root}/{name}", mode)
		subprocess.run(["setcap", "cap_sys_admin=ep", f"{root}/usr/bin/capable"], check=True)
	END
	mke2fs -q -t ext4 -d tree ext4.img 256M >mke2fs.log 2>&1
	exits "an ext4 file system that mke2fs made" 0 ext4.img --allow accepted.toml --json --inventory
	check_equal "has the findings of its commit" "$(findings faulty.json)" "$(findings out.txt)"
	mksquashfs tree squashfs.img -quiet -no-progress -comp zstd >mksquashfs.log 2>&1
	exits "a squashfs that mksquashfs made" 0 squashfs.img --allow accepted.toml --json --inventory
	check_equal "has the findings of its commit" "$(findings faulty.json)" "$(findings out.txt)"
	head -c 20000 squashfs.img >cut.img
	truncate -s 100000 cut.img
	exits "a squashfs that was cut short" 3 cut.img
	check "is said to be damaged" grep -q 'cut.img": squashfs: ' err.txt
	if command -v mkfs.erofs >/dev/null; then
		mkfs.erofs -Enoinline_data erofs.img tree >/dev/null 2>&1 || mkfs.erofs erofs.img tree >/dev/null 2>&1
		exits "an EROFS file system that mkfs.erofs made" 0 erofs.img --allow accepted.toml --json --inventory
		check_equal "has the findings of its commit" "$(findings faulty.json)" "$(findings out.txt)"
	else
		skip "EROFS of mkfs.erofs" "it is not installed"
	fi
else
	skip "file systems that others made" "files of root are needed"
fi

# --- statuses

for level in note warning error; do exits "--fail-on=$level: findings" 11 "$faulty" --fail-on $level; done
check "the reason is told" grep -q "findings\? of level error" err.txt
exits "--fail-on=none" 0 "$faulty" --fail-on none
exits "warnings are less than errors" 0 "$faulty" --fail-on error --rule 'mode-setuid'
exits "but more than notes" 11 "$faulty" --fail-on note --rule 'mode-setuid'
exits "--ignore RULE:PATH" 0 "$faulty" --fail-on note --rule 'mode-setuid' --ignore mode-setuid:/usr/bin/setuid
exits "of another path" 11 "$faulty" --fail-on note --rule 'mode-setuid' --ignore mode-setuid:/usr/bin/other
check "which is told" grep -q 'nothing is accepted by rule "mode-setuid"' out.txt
exits "a baseline: nothing is new" 0 "$faulty" --allow accepted.toml --baseline faulty.json --fail-on note
exits "of the clean system: all are" 11 "$faulty" --allow accepted.toml --baseline clean.json --fail-on note

# --- text

exits "text" 0 "$faulty"
check "has a table" grep -q '^error *secret-private-key *1 ' out.txt
check "reasons and remedies" grep -q '^  Remedy: ' out.txt
check "what was found" grep -q '^    /usr/share/faults/key.pem: PRIVATE KEY' out.txt
check "and a summary" grep -qE '^[0-9]+ errors, [0-9]+ warnings, [0-9]+ notes' out.txt
exits "--list-rules" 0 --list-rules
check_equal "lists as many as its JSON" "$(grep -c '^[a-z].*(.*): ' out.txt)" "$("$ASHLAR" audit --list-rules --json --progress=none | jq '.rules | length')"
"$ASHLAR" audit "$faulty" --json -j 1 --progress=none >one.json
"$ASHLAR" audit "$faulty" --json -j 4 --progress=none >four.json
check "one thread and four say the same" cmp one.json four.json

# --- SARIF

exits "SARIF" 0 "$faulty" --allow accepted.toml --sarif --baseline clean.json
cp out.txt faulty.sarif
check "has all results" jq -e --argjson n "$(jq '.findings | length' faulty.json)" '.runs[0].results | length == $n' faulty.sarif
check "with the rule at the index" jq -e '.runs[0] as $r | [$r.results[] | .ruleId == $r.tool.driver.rules[.ruleIndex].id] | all' faulty.sarif
check "accepted ones are suppressed" jq -e '[.runs[0].results[] | select(.suppressions)] | length == '"$(jq .summary.accepted faulty.json)" faulty.sarif
check "relative locations" jq -e '[.runs[0].results[].locations[0].physicalLocation.artifactLocation | .uriBaseId == "IMAGE" and (.uri | startswith("/") | not)] | all' faulty.sarif
check "results are new or not" jq -e '[.runs[0].results[].baselineState] | unique == ["new", "unchanged"]' faulty.sarif
if python3 -c 'import jsonschema' 2>/dev/null; then
	check "JSON is as its schema says" python3 -c '
import json, jsonschema, sys
jsonschema.validate(json.load(open(sys.argv[1])), json.load(open(sys.argv[2])))' faulty.json "$top_srcdir/data/audit.schema.json"
else
	skip "JSON is as its schema says" "python3-jsonschema is not installed"
fi

# --- the words of others

# relro PATH: as readelf has it
relro() {
	local said
	said=$(readelf -W -l -d "store-root/$1")
	case $said in
	*GNU_RELRO*NOW*) echo full ;;
	*GNU_RELRO*) echo partial ;;
	*) echo no ;;
	esac
}
ostree checkout -U --repo=store/repo $faulty store-root
differ=
while read -r path value; do
	[ "$(relro "$path")" = "$value" ] || differ+=" $path"
done < <(jq -r '.programs[] | "\(.path) \(.relro)"' faulty.json)
check_equal "RELRO as readelf sees it" "" "$differ"
differ=
while read -r path value; do
	found=false
	! readelf -W --dyn-syms "store-root/$path" | grep -q ' __stack_chk_\(fail\|guard\)' || found=true
	[ $found = "$value" ] || differ+=" $path"
done < <(jq -r '.programs[] | "\(.path) \(.stack_protector)"' faulty.json)
check_equal "stack protectors as readelf sees them" "" "$differ"
differ=
while read -r path ibt shstk; do
	said=$(readelf -n "store-root/$path" | grep 'x86 feature: ')
	[[ $([[ $said == *IBT* ]] && echo true || echo false) == "$ibt" && $([[ $said == *SHSTK* ]] && echo true || echo false) == "$shstk" ]] || differ+=" $path"
done < <(jq -r '.programs[] | "\(.path) \(.ibt) \(.shstk)"' faulty.json)
check_equal "CET as readelf sees it" "" "$differ"
if command -v systemd-analyze >/dev/null && systemd-analyze security --offline=true --root="$work/store-root" good.service >analyze.txt 2>&1; then
	check_equal "exposure as systemd-analyze rates it" "$(sed -n 's/.*Overall exposure level for good.service: \([0-9.]*\) .*/\1/p' analyze.txt)" \
		"$(jq '.services[] | select(.unit == "good.service").exposure' faulty.json | xargs printf %.1f)"
else
	skip "exposure as systemd-analyze rates it" "it is not installed, or older than 250"
fi

# --- bad input

exits "no such ref" 3 no/such/ref
exits "no such store" 3 "$clean" --store nowhere
seq 1 100000 >numbers
exits "a file that is no image" 3 numbers
: >empty
exits "an empty file" 3 empty
head -c 40M out/faulty-machine.raw >cut.raw
exits "an image that was cut short" 3 cut.raw
check "is named" grep -q cut.raw err.txt
cp ext4.img bad.img 2>/dev/null || cp numbers bad.img
printf '\xff%.0s' {1..4096} | dd of=bad.img bs=1 seek=1200 conv=notrunc status=none
exits "a damaged file system" 3 bad.img
for name in climb nolink noblob; do exits "an archive: $name" 3 $name.tar; done
head -c 100000 out/faulty-wsl.wsl >cut.wsl
exits "an archive that was cut short" 3 cut.wsl
tar -cf other.tar numbers
exits "an archive without a system" 3 other.tar
printf '[[accept]]\nrule = "mode-setuid"\n' >bad.toml
exits "an accepted finding without a reason" 3 "$clean" --allow bad.toml
check "is told with its line" grep -q 'bad.toml:1: accept: "reason" is missing' err.txt
printf '[[accept]]\nrule = "mode-setuid"\nreason = "x"\nfile = "x"\n' >bad.toml
exits "an unknown key" 3 "$clean" --allow bad.toml
check "is told with its line" grep -q 'bad.toml:4: accept.file: unknown key' err.txt
printf '[[accept]]\nrule = "mode-setuids"\nreason = "x"\n' >bad.toml
exits "an unknown rule" 3 "$clean" --allow bad.toml
printf 'rule = "mode-setuid"\n' >bad.toml
exits "a key outside of a table" 3 "$clean" --allow bad.toml
exits "a baseline that is none" 3 "$clean" --baseline clean.ks
printf '{"findings": [{"rule": 1}]}' >bad.json
exits "a baseline with something else" 3 "$clean" --baseline bad.json
exits "no such file" 1 "$clean" --baseline missing.json
finish
