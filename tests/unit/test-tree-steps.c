/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/file.h"
#include "model/strv.h"
#include "tree/selinux.h"
#include "tree/steps.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Steps that need no program of the tree: a few files before, a few after. */

typedef struct {
	char *dir;
	AshContext *ctx;
	AshSpec *spec;
	AshImageType *type;
	AshTreeRequest request;
	AshTreeRoot root;
} Fixture;

static void
setup(Fixture *fixture, gconstpointer data)
{
	fixture->dir = g_dir_make_tmp("ashlar-XXXXXX", NULL);
	fixture->ctx = ash_context_new();
	fixture->spec = ash_spec_new("demo");
	fixture->type = ash_image_type_new("vm");
	fixture->type->bootable = true;
	fixture->request = (AshTreeRequest){
		.root_path = fixture->dir, .spec = fixture->spec, .type = fixture->type, .version = "3.1", .epoch = 1700000000,
	};
	fixture->root = (AshTreeRoot){
		.ctx = fixture->ctx, .request = &fixture->request, .fd = ash_file_open_dir(AT_FDCWD, fixture->dir, false, NULL),
	};
}

static void
teardown(Fixture *fixture, gconstpointer data)
{
	close(fixture->root.fd);
	ash_context_free(fixture->ctx);
	ash_spec_free(fixture->spec);
	ash_image_type_free(fixture->type);
	ash_file_remove_tree(AT_FDCWD, fixture->dir, NULL);
	g_free(fixture->dir);
}

static void
make(Fixture *fixture, const char *path, const char *text)
{
	g_assert_true(ash_tree_root_save(&fixture->root, path, text, 0644, NULL));
}

static void
assert_file(Fixture *fixture, const char *path, const char *expected)
{
	g_autofree char *text = NULL;

	g_assert_true(ash_tree_root_load(&fixture->root, path, &text, NULL));
	g_assert_cmpstr(text, ==, expected);
}

static void
assert_contains(Fixture *fixture, const char *path, const char *part)
{
	g_autofree char *text = NULL;

	g_assert_true(ash_tree_root_load(&fixture->root, path, &text, NULL));
	if (text == NULL || strstr(text, part) == NULL)
		g_error("\"%s\" is not in \"%s\": %s", part, path, text != NULL ? text : "(missing)");
}

static void
assert_link(Fixture *fixture, const char *path, const char *expected)
{
	char target[256];
	ssize_t length = readlinkat(fixture->root.fd, path, target, sizeof target - 1);

	g_assert_cmpint(length, >, 0);
	target[length] = '\0';
	g_assert_cmpstr(target, ==, expected);
}

static void
run(Fixture *fixture, AshTreeStepFunc step)
{
	g_autoptr(GError) error = NULL;

	step(&fixture->root, &error);
	g_assert_no_error(error);
}

static void
fail(Fixture *fixture, AshTreeStepFunc step, const char *text)
{
	g_autoptr(GError) error = NULL;

	g_assert_false(step(&fixture->root, &error));
	g_assert_error(error, ASH_ERROR, ASH_ERROR_CONFIG);
	g_assert_nonnull(strstr(error->message, text));
}

/* A link of the tree that points outside of it must lead nowhere but into the tree. */
static void
test_confined(Fixture *fixture, gconstpointer data)
{
	g_autofree char *outside = g_strconcat(fixture->dir, "-outside", NULL);

	g_assert_cmpint(mkdir(outside, 0755), ==, 0);
	g_assert_cmpint(symlinkat(outside, fixture->root.fd, "etc"), ==, 0);
	g_autoptr(GError) error = NULL;
	ash_tree_root_save(&fixture->root, "etc/passwd", "x", 0644, &error);
	g_assert_cmpint(rmdir(outside), ==, 0);
}

static void
test_locale(Fixture *fixture, gconstpointer data)
{
	g_clear_pointer(&fixture->spec->lang, g_free);
	run(fixture, ash_step_locale);
	assert_file(fixture, "etc/locale.conf", "LANG=C.UTF-8\n");
	g_assert_false(ash_tree_root_has(&fixture->root, "etc/default/locale"));
	fixture->spec->lang = g_strdup("de_AT.UTF-8");
	make(fixture, "etc/default/x", "");
	run(fixture, ash_step_locale);
	assert_file(fixture, "etc/default/locale", "LANG=de_AT.UTF-8\n");
}

static void
test_timezone(Fixture *fixture, gconstpointer data)
{
	g_free(fixture->spec->timezone);
	fixture->spec->timezone = g_strdup("Europe/Vienna");
	fail(fixture, ash_step_timezone, "Europe/Vienna");
	make(fixture, "usr/share/zoneinfo/Europe/Vienna", "TZif");
	make(fixture, "etc/timezone", "UTC\n");
	run(fixture, ash_step_timezone);
	assert_link(fixture, "etc/localtime", "../usr/share/zoneinfo/Europe/Vienna");
	assert_file(fixture, "etc/timezone", "Europe/Vienna\n");
	assert_contains(fixture, "etc/adjtime", "LOCAL");
}

static void
test_release(Fixture *fixture, gconstpointer data)
{
	make(fixture, "usr/lib/os-release", "ID=x\nIMAGE_ID=old\nVERSION=1\n");
	run(fixture, ash_step_release);
	run(fixture, ash_step_release);
	assert_file(fixture, "usr/lib/os-release", "ID=x\nVERSION=1\nIMAGE_ID=\"demo\"\nIMAGE_VERSION=\"3.1\"\n");
}

static void
test_network(Fixture *fixture, gconstpointer data)
{
	AshNetworkSpec *fixed = ash_network_spec_new("eth1", "demo.ks:7");

	g_ptr_array_add(fixture->spec->networks, fixed);
	fail(fixture, ash_step_network, "demo.ks:7");
	make(fixture, "usr/lib/systemd/system/systemd-networkd.service", "");
	g_free(fixed->bootproto);
	fixed->bootproto = g_strdup("static");
	fixed->ip = g_strdup("10.0.0.300");
	fail(fixture, ash_step_network, "10.0.0.300");
	g_free(fixed->ip);
	fixed->ip = g_strdup("10.0.0.3");
	fixed->netmask = g_strdup("255.255.240.0");
	fixed->gateway = g_strdup("10.0.0.1");
	run(fixture, ash_step_network);
	assert_contains(fixture, "etc/systemd/network/60-eth1.network", "Name=eth1\n");
	assert_contains(fixture, "etc/systemd/network/60-eth1.network", "Address=10.0.0.3/20\nGateway=10.0.0.1\n");
	g_free(fixed->netmask);
	fixed->netmask = g_strdup("255.0.255.0");
	fail(fixture, ash_step_network, "no netmask");
}

/* A bond with a VLAN on it, a bridge, and a VLAN on a card that nothing else is said of. */
static void
add_virtual_networks(Fixture *fixture)
{
	AshNetworkSpec *bond = ash_network_spec_new("bond0", "demo.ks:1");
	AshNetworkSpec *above = ash_network_spec_new("bond0.7", "demo.ks:1");
	AshNetworkSpec *bridge = ash_network_spec_new("br0", "demo.ks:2");
	AshNetworkSpec *vlan = ash_network_spec_new("guests", "demo.ks:3");

	bond->kind = ASH_NETWORK_BOND;
	bond->bootproto = g_strdup("none");
	bond->ipv6 = false;
	ash_strv_add(&bond->members, "eth1");
	ash_strv_add(&bond->members, "eth2");
	ash_strv_add(&bond->options, "mode=1");
	ash_strv_add(&bond->options, "miimon=100");
	ash_strv_add(&bond->options, "primary=eth2");
	above->kind = vlan->kind = ASH_NETWORK_VLAN;
	above->parent = g_strdup("bond0");
	above->vlan = 7;
	bridge->kind = ASH_NETWORK_BRIDGE;
	ash_strv_add(&bridge->members, "eth3");
	ash_strv_add(&bridge->options, "stp=no");
	vlan->parent = g_strdup("eth4");
	vlan->vlan = 171;
	ash_strv_add(&vlan->search4, "a.example");
	g_ptr_array_add(fixture->spec->networks, bond);
	g_ptr_array_add(fixture->spec->networks, above);
	g_ptr_array_add(fixture->spec->networks, bridge);
	g_ptr_array_add(fixture->spec->networks, vlan);
}

static void
test_network_virtual(Fixture *fixture, gconstpointer data)
{
	add_virtual_networks(fixture);
	make(fixture, "usr/lib/systemd/system/systemd-networkd.service", "");
	run(fixture, ash_step_network);
	assert_file(fixture, "etc/systemd/network/60-bond0.netdev",
		    "[NetDev]\nName=bond0\nKind=bond\n\n[Bond]\nMode=active-backup\nMIIMonitorSec=100ms\n");
	assert_contains(fixture, "etc/systemd/network/60-bond0.network", "DHCP=no\nLinkLocalAddressing=no\nIPv6AcceptRA=no\nVLAN=bond0.7\n");
	assert_file(fixture, "etc/systemd/network/60-bond0-eth2.network",
		    "[Match]\nName=eth2\n\n[Network]\nBond=bond0\nPrimarySlave=yes\nLinkLocalAddressing=no\n");
	assert_file(fixture, "etc/systemd/network/61-bond0.7.netdev", "[NetDev]\nName=bond0.7\nKind=vlan\n\n[VLAN]\nId=7\n");
	assert_contains(fixture, "etc/systemd/network/62-br0.netdev", "[Bridge]\nSTP=no\n");
	assert_contains(fixture, "etc/systemd/network/62-br0-eth3.network", "Bridge=br0\n");
	assert_contains(fixture, "etc/systemd/network/79-eth4.network", "VLAN=guests\n");
	assert_contains(fixture, "etc/systemd/network/63-guests.network", "Domains=a.example\n");
}

static void
test_network_virtual_manager(Fixture *fixture, gconstpointer data)
{
	add_virtual_networks(fixture);
	make(fixture, "usr/lib/systemd/system/NetworkManager.service", "");
	run(fixture, ash_step_network);
#define CONNECTIONS "etc/NetworkManager/system-connections/"
	assert_contains(fixture, CONNECTIONS "60-bond0.nmconnection", "[bond]\nmode=1\nmiimon=100\nprimary=eth2\n");
	assert_contains(fixture, CONNECTIONS "60-bond0.nmconnection", "[ipv4]\nmethod=disabled\n");
	assert_contains(fixture, CONNECTIONS "60-bond0-eth1.nmconnection", "master=bond0\nslave-type=bond\n");
	assert_contains(fixture, CONNECTIONS "61-bond0.7.nmconnection", "[vlan]\nid=7\nparent=bond0\n");
	assert_contains(fixture, CONNECTIONS "62-br0.nmconnection", "[bridge]\nstp=false\n");
	assert_contains(fixture, CONNECTIONS "63-guests.nmconnection", "dns-search=a.example;\n");
}

static void
test_network_option(Fixture *fixture, gconstpointer data)
{
	AshNetworkSpec *bond = ash_network_spec_new("bond0", "demo.ks:1");

	bond->kind = ASH_NETWORK_BOND;
	ash_strv_add(&bond->options, "use_carrier=1");
	g_ptr_array_add(fixture->spec->networks, bond);
	make(fixture, "usr/lib/systemd/system/systemd-networkd.service", "");
	fail(fixture, ash_step_network, "use_carrier");
}

static void
test_chrony(Fixture *fixture, gconstpointer data)
{
	ash_strv_add(&fixture->spec->ntp_servers, "time.example");
	fail(fixture, ash_step_ntp, "neither chrony");
	make(fixture, "usr/lib/systemd/system/systemd-timesyncd.service", "");
	ash_strv_add(&fixture->spec->ntp_nts, "time.example");
	fail(fixture, ash_step_ntp, "chrony");
	make(fixture, "usr/sbin/chronyd", "");
	make(fixture, "etc/chrony.conf", "pool 2.distribution.example iburst\ndriftfile /var/lib/chrony/drift\n");
	run(fixture, ash_step_ntp);
	run(fixture, ash_step_ntp);
	assert_file(fixture, "etc/chrony.conf",
		    "# pool 2.distribution.example iburst\ndriftfile /var/lib/chrony/drift\nsourcedir /etc/chrony.d\n");
	assert_contains(fixture, "etc/chrony.d/ashlar.sources", "server time.example iburst nts\n");
}

static void
test_certificates(Fixture *fixture, gconstpointer data)
{
	g_ptr_array_add(fixture->spec->certificates, ash_certificate_spec_new("/etc/pki/dns/a.pem", "A\n", "demo.ks:1"));
	run(fixture, ash_step_certificates);
	assert_file(fixture, "etc/pki/dns/a.pem", "A\n");
	g_ptr_array_add(fixture->spec->certificates, ash_certificate_spec_new("b.pem", "B\n", "demo.ks:5"));
	fail(fixture, ash_step_certificates, "demo.ks:5");
}

static void
test_login(Fixture *fixture, gconstpointer data)
{
	run(fixture, ash_step_authselect);
	ash_strv_add(&fixture->spec->authselect, "select");
	fail(fixture, ash_step_authselect, "add the package");
	fixture->spec->start_x = true;
	fixture->spec->desktop = g_strdup("GNOME");
	fail(fixture, ash_step_desktop, "graphical.target");
	make(fixture, "usr/lib/systemd/system/graphical.target", "");
	run(fixture, ash_step_desktop);
	assert_link(fixture, "etc/systemd/system/default.target", "/usr/lib/systemd/system/graphical.target");
	assert_contains(fixture, "etc/sysconfig/desktop", "DESKTOP=GNOME\n");
}

static void
test_network_default(Fixture *fixture, gconstpointer data)
{
	make(fixture, "usr/lib/systemd/system/NetworkManager.service", "");
	run(fixture, ash_step_network);
	assert_contains(fixture, "etc/NetworkManager/system-connections/80-ethernet.nmconnection", "[ipv4]\nmethod=auto\n");
}

#define CONTEXTS "etc/selinux/default/contexts/files/file_contexts"

static void
test_selinux(Fixture *fixture, gconstpointer data)
{
	fixture->spec->selinux = ASH_SELINUX_ENFORCING;
	fail(fixture, ash_step_selinux, "no package");
	make(fixture, "etc/selinux/config", "# SELINUX= can be\nSELINUX=permissive\nSELINUXTYPE=default\n");
	run(fixture, ash_step_selinux);
	assert_file(fixture, "etc/selinux/config", "# SELINUX= can be\nSELINUXTYPE=default\nSELINUX=enforcing\n");
	/* No policy, no labels. */
	run(fixture, ash_step_selinux_paths);
	g_assert_false(ash_tree_root_has(&fixture->root, ASH_SELINUX_SKELETON));
	make(fixture, CONTEXTS, "");
	AshMount *mount = g_new0(AshMount, 1);
	mount->mount_point = g_strdup("/data");
	mount->fs = g_strdup("ext4");
	g_ptr_array_add(fixture->type->mounts, mount);
	make(fixture, CONTEXTS ".subs", "/var/home /elsewhere\n/srv/www /var/www");
	run(fixture, ash_step_selinux_paths);
	run(fixture, ash_step_selinux_paths);
	assert_file(fixture, CONTEXTS ".subs",
		    "/var/home /elsewhere\n/srv/www /var/www\n/var/roothome /root\n/var/srv /srv\n/var/opt /opt\n/var/mnt /mnt\n"
		    "/var/usrlocal /usr/local\n/var/lib/ashlar/etc/upper /etc\n/usr/lib/ashlar/skeleton/var /var\n/usr/lib/ashlar/skeleton/etc /etc\n");
	g_assert_true(ash_tree_root_has(&fixture->root, ASH_SELINUX_SKELETON "/var/lost+found"));
	g_assert_true(ash_tree_root_has(&fixture->root, "data/lost+found"));
}

static void
count_messages(const AshProgressEvent *event, gpointer user_data)
{
	if (event->kind == ASH_PROGRESS_MESSAGE)
		++*(guint *) user_data;
}

/* Upgrades of OSTree call two programs if, and only if, there is a configuration. */
static void
test_selinux_upgrades(Fixture *fixture, gconstpointer data)
{
	guint n = 0;
	g_autoptr(AshProgress) progress = ash_progress_new(count_messages, &n);

	fixture->ctx->progress = progress;
	run(fixture, ash_step_ostree_policy);
	g_assert_cmpuint(n, ==, 0);
	make(fixture, "etc/selinux/config", "SELINUX=disabled\n");
	run(fixture, ash_step_ostree_policy);
	make(fixture, "usr/bin/bwrap", "");
	run(fixture, ash_step_ostree_policy);
	g_assert_cmpuint(n, ==, 2);
	make(fixture, "usr/sbin/semodule", "");
	run(fixture, ash_step_ostree_policy);
	g_assert_cmpuint(n, ==, 2);
	fixture->ctx->progress = NULL;
}

/* The modules of a policy go where libostree's semodule finds them, once, unless the system says where they are. */
static void
test_selinux_store(Fixture *fixture, gconstpointer data)
{
	make(fixture, "var/lib/selinux/default/active/commit_num", "1");
	make(fixture, "etc/selinux/semanage.conf", "module-store = direct");
	run(fixture, ash_step_ostree_policy);
	assert_file(fixture, "etc/selinux/semanage.conf", "module-store = direct");
	make(fixture, "etc/selinux/config", "SELINUX=disabled\n");
	make(fixture, "etc/selinux/default/policy/policy.33", "");
	run(fixture, ash_step_ostree_policy);
	run(fixture, ash_step_ostree_policy);
	assert_file(fixture, "etc/selinux/semanage.conf", "module-store = direct\nstore-root = /etc/selinux\n");
	assert_file(fixture, "etc/selinux/default/active/commit_num", "1");
	g_assert_true(ash_tree_root_has(&fixture->root, "etc/selinux/default/policy/policy.33"));
	g_assert_false(ash_tree_root_has(&fixture->root, "var/lib/selinux"));
	make(fixture, "var/lib/selinux/default/active/commit_num", "2");
	run(fixture, ash_step_ostree_policy);
	assert_file(fixture, "etc/selinux/default/active/commit_num", "1");
}

/* What is no partition of its own has no directory of one. */
static void
test_selinux_other_systems(Fixture *fixture, gconstpointer data)
{
	AshMount *mount = g_new0(AshMount, 1);

	mount->mount_point = g_strdup("/data");
	mount->fs = g_strdup("ext4");
	g_ptr_array_add(fixture->type->mounts, mount);
	run(fixture, ash_step_selinux_file_systems);
	g_assert_false(ash_tree_root_has(&fixture->root, "data"));
	make(fixture, "etc/selinux/config", "SELINUX=enforcing\nSELINUXTYPE=default\n");
	make(fixture, CONTEXTS, "");
	fixture->type->system = ASH_SYSTEM_OSTREE;
	run(fixture, ash_step_selinux_paths);
	g_assert_true(ash_tree_root_has(&fixture->root, CONTEXTS ".subs"));
	g_assert_false(ash_tree_root_has(&fixture->root, ASH_SELINUX_SKELETON));
	fixture->type->system = ASH_SYSTEM_TRADITIONAL;
	run(fixture, ash_step_selinux_file_systems);
	g_assert_true(ash_tree_root_has(&fixture->root, "data/lost+found"));
	g_assert_false(ash_tree_root_has(&fixture->root, ASH_SELINUX_SKELETON));
}

static void
test_wsl(Fixture *fixture, gconstpointer data)
{
	fixture->type->wsl_systemd = true;
	fixture->type->wsl_default_uid = 1000;
	fixture->type->wsl_oobe_command = g_strdup("/usr/libexec/wsl/oobe.sh");
	fixture->type->wsl_icon = g_strdup("/usr/share/wsl/icon.ico");
	fixture->type->wsl_terminal_profile = g_strdup("/usr/lib/wsl/profile.json");
	fixture->type->wsl_terminal = false;
	fail(fixture, ash_step_wsl, "useradd");
	make(fixture, "usr/sbin/useradd", "");
	fail(fixture, ash_step_wsl, "passwd");
	make(fixture, "usr/bin/passwd", "");
	run(fixture, ash_step_wsl);
	assert_file(fixture, "etc/wsl.conf", "[boot]\nsystemd=true\n");
	assert_file(fixture, "etc/wsl-distribution.conf",
		    "[oobe]\ncommand = /usr/libexec/wsl/oobe.sh\ndefaultUid = 1000\ndefaultName = demo\n"
		    "\n[shortcut]\nenabled = true\nicon = /usr/share/wsl/icon.ico\n"
		    "\n[windowsterminal]\nenabled = false\nprofileTemplate = /usr/lib/wsl/profile.json\n");
	assert_contains(fixture, "usr/libexec/wsl/oobe.sh", "uid=1000\n");
	assert_contains(fixture, "usr/lib/wsl/profile.json", "\"colorScheme\": \"demo\"");
	assert_contains(fixture, "usr/lib/tmpfiles.d/ashlar-wsl.conf", "/mnt/wslg/.X11-unix\n");
	g_assert_true(ash_tree_root_has(&fixture->root, "usr/share/wsl/icon.ico"));
	g_free(fixture->spec->name);
	fixture->spec->name = g_strdup("legacy");
	fail(fixture, ash_step_wsl, "wsl.default_name");
}

/* The packages' own files stay; an empty string is none; root needs no account. */
static void
test_wsl_own(Fixture *fixture, gconstpointer data)
{
	fixture->type->wsl_oobe_command = g_strdup("/usr/libexec/wsl/oobe.sh");
	fixture->type->wsl_default_name = g_strdup("Own-1");
	fixture->type->wsl_icon = g_strdup("");
	fixture->type->wsl_shortcut = false;
	run(fixture, ash_step_wsl);
	assert_file(fixture, "etc/wsl-distribution.conf",
		    "[oobe]\ndefaultUid = 0\ndefaultName = Own-1\n\n[shortcut]\nenabled = false\n\n[windowsterminal]\nenabled = true\n");
	g_assert_false(ash_tree_root_has(&fixture->root, "usr/libexec/wsl/oobe.sh"));
	g_assert_false(ash_tree_root_has(&fixture->root, "usr/lib/tmpfiles.d/ashlar-wsl.conf"));
	fixture->type->wsl_default_uid = 1000;
	make(fixture, "usr/libexec/wsl/oobe.sh", "own");
	run(fixture, ash_step_wsl);
	assert_file(fixture, "usr/libexec/wsl/oobe.sh", "own");
	fail(fixture, ash_step_wsl_tidy, "no program");
}

static void
test_wsl_tidy(Fixture *fixture, gconstpointer data)
{
	make(fixture, "etc/resolv.conf", "nameserver 192.0.2.1\n");
	make(fixture, "boot/vmlinuz-6.1", "kernel");
	make(fixture, "boot/config-6.1", "");
	make(fixture, "usr/lib/modules/6.1/initramfs.img", "");
	make(fixture, "etc/shadow", "root:$6$salt$hash:1::::::\nbin:*:1::::::\nann::1::::::\nbob:!$6$x$y:1::::::\n");
	run(fixture, ash_step_wsl_tidy);
	g_assert_false(ash_tree_root_has(&fixture->root, "etc/resolv.conf"));
	g_assert_false(ash_tree_root_has(&fixture->root, "boot/vmlinuz-6.1"));
	g_assert_true(ash_tree_root_has(&fixture->root, "boot/config-6.1"));
	g_assert_false(ash_tree_root_has(&fixture->root, "usr/lib/modules/6.1/initramfs.img"));
	assert_file(fixture, "etc/shadow", "root:!:1::::::\nbin:*:1::::::\nann:!:1::::::\nbob:!:1::::::\n");
	fixture->type->wsl_systemd = true;
	fail(fixture, ash_step_wsl_tidy, "/sbin/init");
	make(fixture, "sbin/init", "");
	run(fixture, ash_step_wsl_tidy);
}

static void
test_wsl_files(Fixture *fixture, gconstpointer data)
{
	g_autofree char *large = g_strnfill(1024 * 1024 + 1, ' ');

	fixture->type->wsl_icon = g_strdup("/icon.ico");
	fixture->type->wsl_terminal_profile = g_strdup("/profile.json");
	g_assert_false(ash_step_wsl_tidy(&fixture->root, NULL));
	run(fixture, ash_step_wsl);
	run(fixture, ash_step_wsl_tidy);
	make(fixture, "profile.json", "{ \"profiles\": {} }");
	fail(fixture, ash_step_wsl_tidy, "no array");
	make(fixture, "profile.json", "{ \"profiles\": [");
	fail(fixture, ash_step_wsl_tidy, "wsl.terminal_profile");
	make(fixture, "icon.ico", "\x89PNG");
	fail(fixture, ash_step_wsl_tidy, "no ICO file");
	make(fixture, "icon.ico", "");
	fail(fixture, ash_step_wsl_tidy, "no ICO file");
	make(fixture, "icon.ico", large);
	fail(fixture, ash_step_wsl_tidy, "1 MiB");
}

static void
test_kernel(Fixture *fixture, gconstpointer data)
{
	fail(fixture, ash_step_kernel, "no kernel");
	make(fixture, "usr/lib/modules/6.1/modules.dep", "");
	make(fixture, "boot/vmlinuz-6.1", "kernel");
	make(fixture, "boot/loader/x", "");
	make(fixture, "boot/efi/EFI/BOOT/bootx64.efi", "");
	run(fixture, ash_step_kernel);
	assert_file(fixture, "usr/lib/modules/6.1/vmlinuz", "kernel");
	g_auto(GStrv) names = ash_tree_root_list(&fixture->root, "boot");
	g_assert_cmpuint(g_strv_length(names), ==, 0);
	g_assert_false(ash_tree_root_has(&fixture->root, "usr/lib/efi"));
	fixture->type->loader = ASH_BOOT_LOADER_GRUB;
	make(fixture, "boot/efi/EFI/BOOT/bootx64.efi", "shim");
	run(fixture, ash_step_kernel);
	assert_file(fixture, "usr/lib/efi/packages/EFI/BOOT/bootx64.efi", "shim");
	g_assert_false(ash_tree_root_has(&fixture->root, "boot/efi"));
	make(fixture, "usr/lib/modules/6.2/vmlinuz", "kernel");
	fail(fixture, ash_step_kernel, "two kernels");
}

static void
test_cleanup(Fixture *fixture, gconstpointer data)
{
	make(fixture, "etc/passwd-", "");
	make(fixture, "etc/ssh/ssh_host_rsa_key", "");
	make(fixture, "etc/ssh/ssh_host_rsa_key.pub", "");
	make(fixture, "etc/ssh/sshd_config", "");
	make(fixture, "var/log/dir/file.log", "");
	make(fixture, "var/cache/dnf/x", "");
	run(fixture, ash_step_cleanup);
	g_assert_false(ash_tree_root_has(&fixture->root, "etc/passwd-"));
	g_assert_false(ash_tree_root_has(&fixture->root, "var/log/dir/file.log"));
	g_assert_true(ash_tree_root_has(&fixture->root, "var/log/dir"));
	g_assert_true(ash_tree_root_has(&fixture->root, "var/cache/dnf"));
	g_assert_false(ash_tree_root_has(&fixture->root, "var/cache/dnf/x"));
	g_auto(GStrv) names = ash_tree_root_list(&fixture->root, "etc/ssh");
	g_assert_cmpuint(g_strv_length(names), ==, 1);
}

static void
test_var(Fixture *fixture, gconstpointer data)
{
	g_autofree char *ids = g_strdup_printf("%u %u", getuid(), getgid());
	g_autofree char *expected = g_strdup_printf(
		"# What packages have in /var, made when the image was composed.\n"
		"d /var/home 0755 %s - -\n"
		"C /var/home/ann 0755 %s - /usr/share/factory/var/home/ann\n"
		"d /var/lib 0755 %s - -\n"
		"C /var/lib/big 0755 %s - /usr/share/factory/var/lib/big\n"
		"d /var/lib/one 0755 %s - -\n"
		"C \"/var/lib/one/a b%%%%\" 0644 %s - /usr/share/factory/var/lib/one/a b%%%%\n"
		"L /var/link - - - - lib/one\n",
		ids, ids, ids, ids, ids, ids);

	make(fixture, "usr/lib/tmpfiles.d/known.conf", "# x\nd /var/lib/known 0700 - - -\n");
	make(fixture, "home/ann/.bashrc", "x");
	make(fixture, "var/lib/known/dir", "");
	g_assert_true(ash_tree_root_remove(&fixture->root, "var/lib/known/dir", NULL));
	make(fixture, "var/lib/one/a b%", "state");
	g_assert_true(ash_tree_root_link(&fixture->root, "var/link", "lib/one", NULL));
	for (guint i = 0; i < 20; i++) {
		g_autofree char *path = g_strdup_printf("var/lib/big/%u", i);
		make(fixture, path, "");
	}
	run(fixture, ash_step_toplevel);
	assert_link(fixture, "home", "var/home");
	run(fixture, ash_step_var);
	assert_file(fixture, "usr/lib/tmpfiles.d/ashlar-var.conf", expected);
	assert_file(fixture, "usr/share/factory/var/lib/one/a b%", "state");
	assert_file(fixture, "usr/share/factory/var/home/ann/.bashrc", "x");
	g_auto(GStrv) names = ash_tree_root_list(&fixture->root, "var");
	g_assert_cmpuint(g_strv_length(names), ==, 0);
}

/* What we write is what systemd-tmpfiles reads. */
static void
test_var_with_systemd(Fixture *fixture, gconstpointer data)
{
	g_autofree char *program = g_find_program_in_path("systemd-tmpfiles");
	g_autofree char *text = NULL;
	g_autofree char *option = g_strconcat("--root=", fixture->dir, NULL);
	const char *const argv[] = { program, option, "--create", NULL };
	int status = 0;

	if (program == NULL || getuid() != 0) {
		g_test_skip("needs systemd-tmpfiles and root, for whom it makes files");
		return;
	}
	make(fixture, "var/lib/one/a b%", "state");
	run(fixture, ash_step_var);
	g_assert_true(g_spawn_sync(NULL, (char **) argv, NULL, 0, NULL, NULL, NULL, &text, &status, NULL));
	g_test_message("%s", text);
	assert_file(fixture, "var/lib/one/a b%", "state");
}

static AshPartition *
add_partition(Fixture *fixture, AshPartitionRole role, AshFsKind fs, const char *label)
{
	AshPartition *partition = ash_partition_new(role);

	if (fixture->type->layout == NULL)
		fixture->type->layout = ash_layout_new();
	partition->fs = fs;
	partition->label = g_strdup(label);
	g_ptr_array_add(fixture->type->layout->partitions, partition);
	return partition;
}

/* A root that cannot be written to: /var is the initrd's, and what has a partition stays where it is. */
static void
test_fstab(Fixture *fixture, gconstpointer data)
{
	AshPartition *home, *log;

	add_partition(fixture, ASH_PARTITION_ESP, ASH_FS_VFAT, "esp");
	add_partition(fixture, ASH_PARTITION_ROOT, ASH_FS_EROFS, "@NAME@_@VERSION@");
	add_partition(fixture, ASH_PARTITION_SWAP, ASH_FS_SWAP, "swap");
	add_partition(fixture, ASH_PARTITION_VAR, ASH_FS_EXT4, "var")->encryption.kind = ASH_ENCRYPTION_LUKS2;
	log = add_partition(fixture, ASH_PARTITION_LINUX, ASH_FS_EXT4, "var-log");
	log->mount_point = g_strdup("/var/log");
	log->mount_options = g_strdup("noexec,nodev");
	home = add_partition(fixture, ASH_PARTITION_HOME, ASH_FS_XFS, "home");
	home->grow = true;
	home->max_size = 1 << 30;
	home->encryption.kind = ASH_ENCRYPTION_LUKS2;
	ash_image_type_finish_layout(fixture->type);
	make(fixture, "home/x/file", "x");
	make(fixture, "srv/README", "x");
	make(fixture, "root/.profile", "x");
	make(fixture, "usr/bin/systemd-repart", "");
	make(fixture, "etc/fstab", "# mine\n");
	run(fixture, ash_step_fstab);
	run(fixture, ash_step_growth);
	run(fixture, ash_step_toplevel);
	assert_file(fixture, "etc/fstab",
		    "# The root file system is read-only and found by its root hash; /etc is an overlay kept in /var.\n"
		    "/dev/mapper/home\t/home\txfs\tdefaults,x-systemd.growfs\t0\t0\n"
		    "/dev/mapper/var\t/var\text4\trw,x-initrd.mount,x-systemd.growfs\t0\t0\n"
		    "PARTLABEL=var-log\t/var/log\text4\tnoexec,nodev\t0\t2\n"
		    "PARTLABEL=swap\tnone\tswap\tdefaults\t0\t0\n"
		    "tmpfs\t/tmp\ttmpfs\tmode=1777,nosuid,nodev,size=50%\t0\t0\n"
		    "# mine\n");
	assert_file(fixture, "etc/crypttab", "home\tPARTLABEL=home\tnone\tluks\nvar\tPARTLABEL=var\tnone\tluks,x-initrd.attach\n");
	assert_file(fixture, "usr/lib/repart.d/50-home.conf",
		    "[Partition]\nType=home\nLabel=home\nGrowFileSystem=yes\nSizeMaxBytes=1073741824\n");
	assert_file(fixture, "usr/lib/repart.d/50-var.conf", NULL);
	assert_file(fixture, "home/x/file", "x");
	assert_link(fixture, "root", "var/roothome");
}

static void
test_fstab_writable(Fixture *fixture, gconstpointer data)
{
	add_partition(fixture, ASH_PARTITION_ESP, ASH_FS_VFAT, "esp")->mount_point = g_strdup("/boot/efi");
	add_partition(fixture, ASH_PARTITION_XBOOTLDR, ASH_FS_EXT4, "boot");
	add_partition(fixture, ASH_PARTITION_ROOT, ASH_FS_EXT4, "root")->grow = true;
	ash_image_type_finish_layout(fixture->type);
	make(fixture, "usr/bin/systemd-repart", "");
	run(fixture, ash_step_fstab);
	run(fixture, ash_step_growth);
	assert_file(fixture, "etc/fstab",
		    "PARTLABEL=root\t/\text4\tdefaults,x-systemd.growfs\t0\t1\n"
		    "PARTLABEL=boot\t/boot\text4\tdefaults\t0\t2\n"
		    "PARTLABEL=esp\t/boot/efi\tvfat\tumask=0077,shortname=winnt\t0\t2\n");
	assert_file(fixture, "usr/lib/repart.d/50-root.conf", "[Partition]\nType=root\nLabel=root\nGrowFileSystem=yes\n");
	g_assert_true(ash_tree_root_has(&fixture->root, "boot/efi"));
}

/* The group grows with its partition, and one volume with the group. */
static void
test_fstab_volumes(Fixture *fixture, gconstpointer data)
{
	AshPartition *physical = add_partition(fixture, ASH_PARTITION_LVM, ASH_FS_NONE, "pv.0-1");
	AshPartition *root = ash_partition_new(ASH_PARTITION_ROOT), *swap = ash_partition_new(ASH_PARTITION_SWAP);

	physical->group = g_strdup("vg");
	physical->grow = true;
	physical->max_size = 1 << 30;
	root->fs = ASH_FS_EXT4;
	root->label = g_strdup("the-root");
	root->grow = true;
	swap->fs = ASH_FS_SWAP;
	swap->label = g_strdup("swap");
	swap->grow = true;
	g_ptr_array_add(fixture->type->layout->volumes, swap);
	g_ptr_array_add(fixture->type->layout->volumes, root);
	root->group = g_strdup("vg");
	swap->group = g_strdup("vg");
	ash_image_type_finish_layout(fixture->type);
	make(fixture, "usr/bin/systemd-repart", "");
	run(fixture, ash_step_fstab);
	run(fixture, ash_step_growth);
	assert_file(fixture, "etc/fstab",
		    "/dev/mapper/vg-the--root\t/\text4\tdefaults,x-systemd.growfs\t0\t1\n"
		    "/dev/mapper/vg-swap\tnone\tswap\tdefaults\t0\t0\n");
	assert_file(fixture, "usr/lib/repart.d/50-pv.0-1.conf",
		    "[Partition]\nType=e6d6d379-f507-44c2-a23c-238f2a3df928\nLabel=pv.0-1\nSizeMaxBytes=1073741824\n");
	assert_file(fixture, "usr/lib/systemd/system/ashlar-grow-lvm.service",
		    "[Unit]\nDescription=Grow a volume group to the end of its partition\nDefaultDependencies=no\nConflicts=shutdown.target\n"
		    "Wants=dev-disk-by\\x2dpartlabel-pv.0\\x2d1.device local-fs-pre.target\n"
		    "After=dev-disk-by\\x2dpartlabel-pv.0\\x2d1.device systemd-repart.service systemd-remount-fs.service\n"
		    "Before=local-fs-pre.target systemd-growfs@-.service systemd-growfs-root.service shutdown.target\n\n"
		    "[Service]\nType=oneshot\nRemainAfterExit=yes\n"
		    "ExecStart=-/usr/sbin/lvm pvresize /dev/disk/by-partlabel/pv.0-1\n"
		    "ExecStart=-/usr/sbin/lvm lvextend -l +100%%FREE vg/the-root\nTimeoutSec=0\n");
	g_assert_true(ash_tree_root_has(&fixture->root, "etc/lvm/backup"));
}

static void
test_ostree_growth(Fixture *fixture, gconstpointer data)
{
	make(fixture, "usr/bin/systemd-repart", "");
	run(fixture, ash_step_growth_ostree);
	/* Without the program that grows file systems. */
	g_assert_false(ash_tree_root_has(&fixture->root, "usr/lib/repart.d"));
	make(fixture, "usr/lib/systemd/systemd-growfs", "");
	run(fixture, ash_step_growth_ostree);
	assert_file(fixture, "usr/lib/repart.d/50-root.conf", "[Partition]\nType=root\nGrowFileSystem=yes\n");
	assert_contains(fixture, "usr/lib/systemd/system/ashlar-grow-root.service", "ExecStart=-/usr/lib/systemd/systemd-growfs /sysroot\n");
	assert_link(fixture, "usr/lib/systemd/system/sysinit.target.wants/ashlar-grow-root.service", "../ashlar-grow-root.service");
}

static void
test_ostree(Fixture *fixture, gconstpointer data)
{
	fixture->type->system = ASH_SYSTEM_OSTREE;
	make(fixture, "etc/fstab", "# kept\n");
	make(fixture, "usr/local/bin/own", "own");
	make(fixture, "home/anna/.profile", "hers");
	make(fixture, "media/cdrom/x", "");
	run(fixture, ash_step_toplevel);
	run(fixture, ash_step_ostree);
	assert_file(fixture, "usr/etc/fstab", "tmpfs\t/tmp\ttmpfs\tmode=1777,nosuid,nodev,size=50%\t0\t0\n# kept\n");
	g_assert_false(ash_tree_root_has(&fixture->root, "etc"));
	assert_file(fixture, "var/usrlocal/bin/own", "own");
	assert_file(fixture, "usr/local/bin/own", "own");
	assert_file(fixture, "home/anna/.profile", "hers");
	g_assert_true(ash_tree_root_has(&fixture->root, "sysroot") && ash_tree_root_has(&fixture->root, "boot"));
	g_assert_false(ash_tree_root_has(&fixture->root, "media/cdrom"));
	make(fixture, "etc/fstab", "");
	fail(fixture, ash_step_ostree, "usr/etc");
	/* Nothing to do, and nothing wrong: such a tree is for other boot loaders. */
	run(fixture, ash_step_grub);
}

#define TEST(name, function) g_test_add("/tree/steps/" name, Fixture, NULL, setup, function, teardown)

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	TEST("confined", test_confined);
	TEST("ostree", test_ostree);
	TEST("locale", test_locale);
	TEST("timezone", test_timezone);
	TEST("release", test_release);
	TEST("network", test_network);
	TEST("network-virtual", test_network_virtual);
	TEST("network-virtual-manager", test_network_virtual_manager);
	TEST("network-option", test_network_option);
	TEST("chrony", test_chrony);
	TEST("certificates", test_certificates);
	TEST("login", test_login);
	TEST("network-default", test_network_default);
	TEST("selinux", test_selinux);
	TEST("selinux-upgrades", test_selinux_upgrades);
	TEST("selinux-store", test_selinux_store);
	TEST("selinux-other-systems", test_selinux_other_systems);
	TEST("ostree-growth", test_ostree_growth);
	TEST("wsl", test_wsl);
	TEST("wsl-own", test_wsl_own);
	TEST("wsl-tidy", test_wsl_tidy);
	TEST("wsl-files", test_wsl_files);
	TEST("kernel", test_kernel);
	TEST("fstab", test_fstab);
	TEST("fstab-writable", test_fstab_writable);
	TEST("fstab-volumes", test_fstab_volumes);
	TEST("cleanup", test_cleanup);
	TEST("var", test_var);
	TEST("var-with-systemd", test_var_with_systemd);
	return g_test_run();
}
