/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "audit/rules.h"

#include <fnmatch.h>
#include <string.h>

static const char *const level_names[] = {
	[ASH_AUDIT_NONE] = "none",
	[ASH_AUDIT_NOTE] = "note",
	[ASH_AUDIT_WARNING] = "warning",
	[ASH_AUDIT_ERROR] = "error",
};

/* The levels: error is what an attacker needs nothing else for, or what makes two machines one; warning is what a hardened
 * system has not; note is what to know. */
static const AshAuditRule rules[_ASH_RULE_COUNT] = {
	[ASH_RULE_ELF_DAMAGED] = { "elf-damaged", ASH_AUDIT_NOTE, "ELF files that cannot be read",
		"A file begins as an ELF file does, but its tables contradict themselves: nothing can be said of its protections.",
		"Install the package that has it again, or remove the file." },
	[ASH_RULE_ELF_EXEC_STACK] = { "elf-exec-stack", ASH_AUDIT_ERROR, "Programs and libraries with an executable stack",
		"Whoever can write onto the stack can run what was written. A library that asks for it makes the stack of every program that loads it executable.",
		"Mark assembler sources with .note.GNU-stack and link with -z noexecstack." },
	[ASH_RULE_ELF_NO_BIND_NOW] = { "elf-no-bind-now", ASH_AUDIT_NOTE, "Programs and libraries with partial RELRO",
		"Functions are bound when they are first called, so the table of their addresses (.got.plt) stays writable.",
		"Link with -z relro -z now." },
	[ASH_RULE_ELF_NO_CET] = { "elf-no-cet", ASH_AUDIT_NOTE, "x86 code without CET",
		"Without indirect branch tracking (IBT) and shadow stacks (SHSTK) in the file's notes, neither can be enforced for the process that loads it.",
		"Compile all objects with -fcf-protection=full; assembler sources need the note and endbr64 too." },
	[ASH_RULE_ELF_NO_FORTIFY] = { "elf-no-fortify", ASH_AUDIT_NOTE, "Programs and libraries without FORTIFY",
		"Functions of the C library are called that have a variant which checks the size of the buffer, and never that variant.",
		"Compile with -O2 -D_FORTIFY_SOURCE=2 or 3." },
	[ASH_RULE_ELF_NO_PIE] = { "elf-no-pie", ASH_AUDIT_WARNING, "Programs at a fixed address",
		"A program that is not position-independent is at the same address on every machine: what an exploit needs is known beforehand.",
		"Compile with -fPIE and link with -pie." },
	[ASH_RULE_ELF_NO_RELRO] = { "elf-no-relro", ASH_AUDIT_WARNING, "Programs and libraries without RELRO",
		"Tables of addresses stay writable after they were relocated.",
		"Link with -z relro -z now." },
	[ASH_RULE_ELF_NO_STACK_PROTECTOR] = { "elf-no-stack-protector", ASH_AUDIT_NOTE, "Programs and libraries without stack protector",
		"An overflow of a buffer on the stack is not noticed before the function returns to where the attacker wants.",
		"Compile with -fstack-protector-strong." },
	[ASH_RULE_ELF_RUNPATH] = { "elf-runpath", ASH_AUDIT_WARNING, "Libraries are searched outside of the system",
		"RPATH or RUNPATH names a directory that is relative, not the system's, or writable for others: whoever can put a library there runs code in the program.",
		"Remove it with patchelf or chrpath, or link without -rpath." },
	[ASH_RULE_ELF_STATIC] = { "elf-static", ASH_AUDIT_NOTE, "Statically linked programs",
		"They carry their own copies of libraries, which an update of the library's package does not mend.",
		"Link dynamically, or rebuild when a library in it is updated." },
	[ASH_RULE_ELF_TEXTREL] = { "elf-textrel", ASH_AUDIT_WARNING, "Code that is relocated",
		"Code must be made writable when it is loaded, is shared by no two processes, and SELinux refuses it (execmod).",
		"Compile all objects with -fPIC." },
	[ASH_RULE_ELF_WRITABLE_CODE] = { "elf-writable-code", ASH_AUDIT_ERROR, "Segments that are writable and executable",
		"Whoever can write into such a segment can run what was written.",
		"Link without -N and without writable code sections." },
	[ASH_RULE_MODE_CAPABILITY] = { "mode-capability", ASH_AUDIT_NOTE, "Files with capabilities",
		"Everyone who may run the file gets these rights of root while it runs.",
		"Take them away with setcap -r if nobody but root has to run it." },
	[ASH_RULE_MODE_PROGRAM_OWNER] = { "mode-program-owner", ASH_AUDIT_WARNING, "Programs and libraries that do not belong to root",
		"Their owner can change what others, root among them, run.",
		"Let root own what is in the directories of programs and libraries." },
	[ASH_RULE_MODE_SETGID] = { "mode-setgid", ASH_AUDIT_NOTE, "Programs that run with their group's rights",
		"Whoever runs the file has the rights of its group while it runs; a fault in it gives them away.",
		"Take the bit away (chmod g-s) if nobody needs it." },
	[ASH_RULE_MODE_SETID_WRITABLE] = { "mode-setid-writable", ASH_AUDIT_ERROR, "Programs with their owner's rights that others can change",
		"Whoever may write the file decides what runs with the rights of its owner.",
		"chmod go-w." },
	[ASH_RULE_MODE_SETUID] = { "mode-setuid", ASH_AUDIT_WARNING, "Programs that run with their owner's rights",
		"Whoever runs the file has its owner's rights while it runs, root's mostly; a fault in it gives them away.",
		"Remove the package, take the bit away (chmod u-s), or accept it with a reason." },
	[ASH_RULE_MODE_SHADOW_READABLE] = { "mode-shadow-readable", ASH_AUDIT_ERROR, "Password hashes that every user can read",
		"Hashes can be tried offline.",
		"chmod 640 or less." },
	[ASH_RULE_MODE_UNKNOWN_OWNER] = { "mode-unknown-owner", ASH_AUDIT_WARNING, "Files whose owner or group does not exist",
		"The next account that is made may get that number and with it the files.",
		"Make the account with sysusers.d, or give the file to one that exists." },
	[ASH_RULE_MODE_WORLD_WRITABLE_DIR] = { "mode-world-writable-dir", ASH_AUDIT_ERROR, "Directories where every user can remove others' files",
		"A directory that all may write and that has no sticky bit lets everyone replace what is in it.",
		"chmod o-w, or chmod +t as for /tmp." },
	[ASH_RULE_MODE_WORLD_WRITABLE_FILE] = { "mode-world-writable-file", ASH_AUDIT_ERROR, "Files that every user can change",
		"What is in it cannot be trusted.",
		"chmod o-w." },
	[ASH_RULE_UNIT_DEBUG_SHELL] = { "unit-debug-shell", ASH_AUDIT_ERROR, "A shell of root without login",
		"debug-shell.service opens a shell of root on tty9 for whoever sits in front of the machine.",
		"systemctl disable debug-shell.service." },
	[ASH_RULE_UNIT_EXPOSED] = { "unit-exposed", ASH_AUDIT_NOTE, "Services that are hardly confined",
		"systemd-analyze rates what a service may do from 0 (nothing) to 10 (everything); this one has 9 or more and is started at boot.",
		"Confine it in a drop-in; \"systemd-analyze security UNIT\" lists the settings and what each would change." },
	[ASH_RULE_UNIT_NO_SYSCALL_FILTER] = { "unit-no-syscall-filter", ASH_AUDIT_NOTE, "Services without a filter of system calls",
		"A service that was taken over can make every system call of the kernel.",
		"SystemCallFilter=@system-service in a drop-in." },
	[ASH_RULE_PORT_CLEARTEXT] = { "port-cleartext", ASH_AUDIT_WARNING, "Ports of services without encryption",
		"The service at this port sends passwords or files in the clear.",
		"Disable the socket; use its successor (ssh, sftp, TLS)." },
	[ASH_RULE_PORT_OPEN] = { "port-open", ASH_AUDIT_NOTE, "Open ports",
		"systemd listens at this address from boot on and starts the service for whoever connects.",
		"Disable the socket, bind it to one address, or close the port in the firewall." },
	[ASH_RULE_SYSCTL_ACCEPT_REDIRECTS] = { "sysctl-accept-redirects", ASH_AUDIT_NOTE, "ICMP redirects are obeyed",
		"A machine of the same network can redirect the traffic.",
		"net.ipv4.conf.all.accept_redirects = 0 and net.ipv6.conf.all.accept_redirects = 0 in sysctl.d." },
	[ASH_RULE_SYSCTL_ASLR] = { "sysctl-aslr", ASH_AUDIT_ERROR, "Address space randomization is weakened",
		"Addresses of stack, heap and libraries can be foreseen.",
		"kernel.randomize_va_space = 2 in sysctl.d." },
	[ASH_RULE_SYSCTL_BPF] = { "sysctl-unprivileged-bpf", ASH_AUDIT_WARNING, "Users may load BPF programs",
		"The verifier of BPF had many faults that gave root away.",
		"kernel.unprivileged_bpf_disabled = 1 or 2 in sysctl.d." },
	[ASH_RULE_SYSCTL_DMESG_RESTRICT] = { "sysctl-dmesg-restrict", ASH_AUDIT_NOTE, "Users may read the kernel's log",
		"It tells addresses and hardware, which exploits need.",
		"kernel.dmesg_restrict = 1 in sysctl.d." },
	[ASH_RULE_SYSCTL_KPTR_RESTRICT] = { "sysctl-kptr-restrict", ASH_AUDIT_NOTE, "Addresses of the kernel are shown",
		"/proc/kallsyms and others show where the kernel lies.",
		"kernel.kptr_restrict = 1 or 2 in sysctl.d." },
	[ASH_RULE_SYSCTL_MMAP_MIN_ADDR] = { "sysctl-mmap-min-addr", ASH_AUDIT_ERROR, "Page zero can be mapped",
		"A null pointer that the kernel follows then leads to what a user put there.",
		"vm.mmap_min_addr = 65536 in sysctl.d." },
	[ASH_RULE_SYSCTL_PERF_EVENTS] = { "sysctl-perf-events", ASH_AUDIT_WARNING, "Users may measure the kernel",
		"Performance events tell what the kernel does, and had faults that gave root away.",
		"kernel.perf_event_paranoid = 2 or more in sysctl.d." },
	[ASH_RULE_SYSCTL_PROTECTED_FIFOS] = { "sysctl-protected-fifos", ASH_AUDIT_WARNING, "FIFOs in /tmp are opened for others",
		"A program that makes a file in /tmp can be made to write into a FIFO of somebody else.",
		"fs.protected_fifos = 1 or 2 in sysctl.d." },
	[ASH_RULE_SYSCTL_PROTECTED_HARDLINKS] = { "sysctl-protected-hardlinks", ASH_AUDIT_WARNING, "Users may link files that they cannot write",
		"A link to a set-id program keeps it after its update; others are made to write into files.",
		"fs.protected_hardlinks = 1 in sysctl.d." },
	[ASH_RULE_SYSCTL_PROTECTED_REGULAR] = { "sysctl-protected-regular", ASH_AUDIT_WARNING, "Files in /tmp are opened for others",
		"A program that makes a file in /tmp can be made to write into a file of somebody else.",
		"fs.protected_regular = 1 or 2 in sysctl.d." },
	[ASH_RULE_SYSCTL_PROTECTED_SYMLINKS] = { "sysctl-protected-symlinks", ASH_AUDIT_WARNING, "Links in /tmp are followed for others",
		"A program that opens a file in /tmp can be led to any other file.",
		"fs.protected_symlinks = 1 in sysctl.d." },
	[ASH_RULE_SYSCTL_PTRACE_SCOPE] = { "sysctl-ptrace-scope", ASH_AUDIT_NOTE, "Processes may look into one another",
		"A program of a user that was taken over can take keys and passwords out of the user's other programs.",
		"kernel.yama.ptrace_scope = 1 or more in sysctl.d." },
	[ASH_RULE_SYSCTL_RP_FILTER] = { "sysctl-rp-filter", ASH_AUDIT_NOTE, "Forged source addresses are accepted",
		"Packets pass that could not have come from where they say.",
		"net.ipv4.conf.default.rp_filter = 1 or 2 in sysctl.d." },
	[ASH_RULE_SYSCTL_SOURCE_ROUTE] = { "sysctl-source-route", ASH_AUDIT_WARNING, "Senders choose the route of packets",
		"Source routes lead around filters.",
		"net.ipv4.conf.all.accept_source_route = 0 in sysctl.d." },
	[ASH_RULE_SYSCTL_SUID_DUMPABLE] = { "sysctl-suid-dumpable", ASH_AUDIT_WARNING, "Core dumps of set-id programs belong to the user",
		"Memory of a program with others' rights can be read by who started it.",
		"fs.suid_dumpable = 0, or 2 with a handler of core dumps, in sysctl.d." },
	[ASH_RULE_SYSCTL_SYNCOOKIES] = { "sysctl-syncookies", ASH_AUDIT_WARNING, "SYN floods fill the table of connections",
		"Without cookies a sender of many SYN packets keeps everybody else out.",
		"net.ipv4.tcp_syncookies = 1 in sysctl.d." },
	[ASH_RULE_SYSCTL_SYSRQ] = { "sysctl-sysrq", ASH_AUDIT_NOTE, "All SysRq keys work",
		"Whoever sits at a console can kill all processes, show memory or reboot without login.",
		"kernel.sysrq = 16 (sync only) or 0 in sysctl.d." },
	[ASH_RULE_ACCOUNT_EMPTY_PASSWORD] = { "account-empty-password", ASH_AUDIT_ERROR, "Accounts without a password",
		"Whoever knows the name can log in.",
		"Lock the account (passwd -l), or set a password on each machine." },
	[ASH_RULE_ACCOUNT_PASSWD_HASH] = { "account-passwd-hash", ASH_AUDIT_ERROR, "Password hashes in a file that all can read",
		"/etc/passwd must be readable; a hash in it can be tried offline.",
		"pwconv moves it into /etc/shadow." },
	[ASH_RULE_ACCOUNT_PASSWORD] = { "account-password", ASH_AUDIT_NOTE, "Accounts with a password in the image",
		"Every machine made from the image has the same password, and who has the image can try it offline.",
		"Use keys, or set the password at the first boot." },
	[ASH_RULE_ACCOUNT_ROOT_PASSWORD] = { "account-root-password", ASH_AUDIT_WARNING, "Root has a password in the image",
		"Every machine made from the image has the same password of root, and who has the image can try it offline.",
		"\"rootpw --lock\" in the kickstart, and a user with sudo." },
	[ASH_RULE_ACCOUNT_SAME_UID] = { "account-same-uid", ASH_AUDIT_WARNING, "Accounts that share a number",
		"To the kernel they are one.",
		"Give each its own." },
	[ASH_RULE_ACCOUNT_SUDO_NOPASSWD] = { "account-sudo-nopasswd", ASH_AUDIT_NOTE, "sudo without a password",
		"Whoever takes over a process of such a user is root.",
		"Remove NOPASSWD, or name the commands." },
	[ASH_RULE_ACCOUNT_UID_ZERO] = { "account-uid-zero", ASH_AUDIT_ERROR, "Another account with root's number",
		"It is root under another name, which is what a back door looks like.",
		"Remove the account." },
	[ASH_RULE_ACCOUNT_WEAK_HASH] = { "account-weak-hash", ASH_AUDIT_ERROR, "Passwords with a weak hash",
		"DES, MD5 and the like are tried a billion times a second.",
		"Use yescrypt ($y$), SHA-512 ($6$) or bcrypt ($2b$)." },
	[ASH_RULE_IDENTITY_DEVICE] = { "identity-device", ASH_AUDIT_WARNING, "Names that belong to one machine",
		"Two machines with the same name of an initiator, host or interface disturb each other.",
		"Remove the file; it is made anew where it is needed." },
	[ASH_RULE_IDENTITY_LOGS] = { "identity-logs", ASH_AUDIT_NOTE, "Logs of the machine where the image was made",
		"They tell about another machine, and grow every image.",
		"Empty /var/log before the image is made." },
	[ASH_RULE_IDENTITY_MACHINE_ID] = { "identity-machine-id", ASH_AUDIT_ERROR, "The image has a machine ID",
		"All machines made from it get the same DHCP leases, names and journal.",
		"Empty /etc/machine-id, or write \"uninitialized\" into it (machine-id(5))." },
	[ASH_RULE_IDENTITY_RANDOM_SEED] = { "identity-random-seed", ASH_AUDIT_ERROR, "The image has a random seed",
		"All machines made from it begin with the same random numbers, and who has the image knows them.",
		"Remove the file." },
	[ASH_RULE_IDENTITY_SSH_HOST_KEY] = { "identity-ssh-host-key", ASH_AUDIT_ERROR, "The image has private host keys of SSH",
		"Who has the image can pose as every machine made from it.",
		"Remove them; they are made at the first boot." },
	[ASH_RULE_IDENTITY_SYSTEMD_SECRET] = { "identity-credential-secret", ASH_AUDIT_ERROR, "The image has a secret key of one machine",
		"What it protects on every machine made from the image, who has the image can read.",
		"Remove the file; it is made anew where it is needed." },
	[ASH_RULE_SECRET_AUTHORIZED_KEYS] = { "secret-authorized-keys", ASH_AUDIT_NOTE, "Keys that may log in as root",
		"Who has one of these keys is root on every machine made from the image.",
		"Remove those that you do not know." },
	[ASH_RULE_SECRET_CREDENTIALS] = { "secret-credentials", ASH_AUDIT_ERROR, "Credentials of services and clouds",
		"Who has the image can use them.",
		"Remove the file, revoke what was in it, and give credentials to machines when they start." },
	[ASH_RULE_SECRET_EXAMPLE_KEY] = { "secret-example-key", ASH_AUDIT_NOTE, "Private keys in documentation and tests",
		"Harmless as long as nobody uses them.",
		"Never use them." },
	[ASH_RULE_SECRET_HISTORY] = { "secret-history", ASH_AUDIT_WARNING, "Histories of shells and programs",
		"They tell what was typed, passwords among it.",
		"Remove the file." },
	[ASH_RULE_SECRET_KEYTAB] = { "secret-key-store", ASH_AUDIT_WARNING, "Stores of private keys",
		"Keytabs and PKCS#12 or Java key stores hold keys, often behind a weak password or none.",
		"Give keys to machines when they start." },
	[ASH_RULE_SECRET_PRIVATE_KEY] = { "secret-private-key", ASH_AUDIT_ERROR, "Private keys",
		"Who has the image has the key.",
		"Remove the file, replace the key, and give keys to machines when they start." },
	[ASH_RULE_SECRET_TOKEN] = { "secret-token", ASH_AUDIT_ERROR, "Access tokens in files",
		"Who has the image can use them.",
		"Remove the token from the file and revoke it." },
	[ASH_RULE_SECRET_WIFI] = { "secret-network", ASH_AUDIT_WARNING, "Passwords of networks",
		"Who has the image can join the network.",
		"Give the connection to machines when they start." },
	[ASH_RULE_FILE_UNOWNED] = { "file-unowned", ASH_AUDIT_NOTE, "Files that no package owns",
		"No update changes them, and no package says what they ought to be.",
		"Put them into a package, or make them in %post and know why." },
};

const char *
ash_audit_level_to_string(AshAuditLevel level)
{
	return level_names[level];
}

bool
ash_audit_level_parse(const char *text, AshAuditLevel *ret_level)
{
	for (guint i = 0; i < G_N_ELEMENTS(level_names); i++) {
		if (strcmp(text, level_names[i]) == 0) {
			*ret_level = (AshAuditLevel) i;
			return true;
		}
	}
	return false;
}

const AshAuditRule *
ash_audit_rule_get(AshAuditRuleId id)
{
	return &rules[id];
}

bool
ash_audit_rule_matches(AshAuditRuleId id, const char *pattern)
{
	return fnmatch(pattern, rules[id].id, 0) == 0;
}

bool
ash_audit_rule_exists(const char *pattern)
{
	for (guint i = 0; i < _ASH_RULE_COUNT; i++) {
		if (ash_audit_rule_matches((AshAuditRuleId) i, pattern))
			return true;
	}
	return false;
}
