#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Disks for Azure: a reader of other origin goes through the footer, the partition tables and what each generation of machines boots. azure-gen1 is
# for a BIOS, and for UEFI too with the packages for that; azure-cvm is for confidential machines. (azure-vm and azure-traditional: test-build.sh,
# test-traditional.sh.)
# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
need_distro
need python3 mdir mtype openssl qemu-img objcopy jq sfdisk
cd "$work" || exit 1
store=$cache/test-store
build() { "$ASHLAR" build "$@" --repos "$distro/release" --store "$store" --progress=plain; }
azure() { python3 "$top_srcdir/tests/cli/azure.py" "$@"; }
# on_esp VHD PATH: that file; the reader has checked where the partition is.
esp_offset() { sfdisk --json "$1" 2>/dev/null | jq '.partitiontable.partitions[] | select(.type == "C12A7328-F81F-11D2-BA4B-00A0C93EC93B") | .start * 512'; }
on_esp() { mtype -i "$1@@$(esp_offset "$1")" "::/$2"; }

# Generation 1
check "azure-gen1 builds" build "$top_srcdir/kickstarts/demo-grub.ks" -t azure-gen1 -o out
gen1=out/demo-grub-azure-gen1.vhd
[ -f "$gen1" ] || { finish; exit; }
check "its disk is as Azure wants it, and boots by BIOS and UEFI" azure "$gen1" gen1 gen2
check_equal "GRUB has its menu on the serial console that the kernel has" "serial --unit=0 --speed=115200" "$(on_esp "$gen1" loader/grub.cfg | grep ^serial)"
check_equal "and both menus are the same one" "source /loader/grub-menu.cfg source /loader/grub-menu.cfg" \
	"$({ on_esp "$gen1" loader/grub.cfg; on_esp "$gen1" EFI/debian/grub.cfg; } | grep ^source | xargs)"
check "whose kernel speaks to that console" grep -q "console=ttyS0,115200n8" <(on_esp "$gen1" loader/grub-menu.cfg)
check "QEMU sees a VHD" qemu-img info -f vpc "$gen1"
check "ashlar inspect looks into it" "$ASHLAR" inspect "$gen1" --progress=none
cp --sparse=always "$gen1" damaged
damage damaged $((0x5c))
refute "the reader sees a damaged boot sector" azure damaged gen1
cp --sparse=always "$gen1" damaged
damage damaged $((1048576 + 500))
refute "and a damaged list of blocks" azure damaged gen1
cp --sparse=always "$gen1" damaged
damage damaged $(($(stat -c %s damaged) - 512 + 70))
refute "and a damaged footer" azure damaged gen1
rm -f damaged

# Confidential machines
openssl genrsa -out pcr.pem 3072 2>/dev/null && chmod 600 pcr.pem
check "azure-cvm builds" build "$top_srcdir/kickstarts/demo-vm.ks" -t azure-cvm --pcr-key pcr.pem -o out
cvm=out/demo-vm-azure-cvm.vhd
[ -f "$cvm" ] || { finish; exit; }
check "its disk is as Azure wants it, and boots one kernel image and nothing else" azure "$cvm" gen2 cvm
uki=$(mdir -b -i "$cvm@@$(esp_offset "$cvm")" ::/EFI/Linux | tr -d '\r' | sed 's,^::/,,')
on_esp "$cvm" "$uki" >uki.efi
for section in cmdline osrel pcrpkey pcrsig; do
	objcopy -O binary --only-section=.$section --set-section-flags .$section=alloc uki.efi $section 2>/dev/null
done
check "the kernel image holds the root hash" grep -q "roothash=[0-9a-f]\{64\}" cmdline
check_equal "and what the TPM will ask for: a key" "$(openssl rsa -in pcr.pem -pubout 2>/dev/null)" "$(tr -d '\0' <pcrpkey)"
check_equal "which signed the PCR that the stub measures into" 11 "$(tr -d '\0' <pcrsig | jq '.sha256[0].pcrs[0]')"
check "/var is opened by the TPM" grep -q "ashlar.var=tpm2" cmdline
check_equal "and is in no image: no key of it can be" "" "$(sfdisk --json "$cvm" 2>/dev/null | jq -r '.partitiontable.partitions[] | select(.type == "4D21B016-B534-45C2-A9FB-5C16E091FD2D").name')"
"$ASHLAR" image demo-vm/x86_64/azure-cvm -t azure-cvm --store "$store" -o nothing --progress=none >said 2>&1
check_equal "without a key that signs, nothing is made" 2 $?
finish
