/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "tree/steps.h"

/*
 * The root is what roothash= says and needs no line. /var is mounted in the initrd, by the same name (dracut/90ashlar);
 * the line lets systemd know it, grow it and leave it alone at shutdown, when /etc still needs it.
 */
#define FSTAB(VAR)                                                                                                      \
	"# The root file system is read-only and found by its root hash; /etc is an overlay kept in /var.\n"             \
	VAR "\t/var\text4\trw,x-initrd.mount,x-systemd.growfs\t0\t0\n"                                                  \
	"tmpfs\t/tmp\ttmpfs\tmode=1777,nosuid,nodev,size=50%\t0\t0\n"

static const char plain_fstab[] = FSTAB("PARTLABEL=var");
static const char encrypted_fstab[] = FSTAB("/dev/mapper/var");
/* The initrd has opened it; so the line only says what it is, and that it stays open to the end. */
static const char crypttab[] = "var\tPARTLABEL=var\tnone\tluks,x-initrd.attach\n";

/* Lines that a package or a %post script put there stay. */
static gboolean
put_before(AshTreeRoot *root, const char *path, const char *lines, mode_t mode, GError **error)
{
	g_autofree char *old = NULL;

	if (!ash_tree_root_load(root, path, &old, error))
		return FALSE;
	g_autofree char *text = g_strconcat(lines, old, NULL);
	return ash_tree_root_save(root, path, text, mode, error);
}

gboolean
ash_step_fstab(AshTreeRoot *root, GError **error)
{
	bool is_encrypted = root->request->type->var_encrypted;

	return put_before(root, "etc/fstab", is_encrypted ? encrypted_fstab : plain_fstab, 0644, error) &&
	       (!is_encrypted || put_before(root, "etc/crypttab", crypttab, 0600, error));
}

/* repart.d(5): at boot the /var partition is grown to the end of the disk, if systemd-repart is there. */
gboolean
ash_step_growth(AshTreeRoot *root, GError **error)
{
	bool has_repart = ash_tree_root_has_program(root, "systemd-repart");

	if (!has_repart && root->request->type->var_tpm2)
		return ash_throw(error, ASH_ERROR_CONFIG, "the first boot makes /var by systemd-repart, which is in no package of the system");
	if (!has_repart)
		return TRUE;
	/* The TPM's own volume is made at the first boot; a partition that is there is only grown. */
	g_autofree char *text = g_strconcat("[Partition]\nType=var\nLabel=var\nGrowFileSystem=yes\n",
					    root->request->type->var_tpm2 ? "Format=ext4\nEncrypt=tpm2\n" : "", NULL);
	return ash_tree_root_save(root, "usr/lib/repart.d/50-var.conf", text, 0644, error);
}

static const char host_keys_unit[] = "[Unit]\n"
				     "Description=SSH host keys of this machine\n"
				     "ConditionPathExistsGlob=!/etc/ssh/ssh_host_*_key\n"
				     "Before=ssh.service sshd.service ssh.socket sshd.socket\n"
				     "\n"
				     "[Service]\n"
				     "Type=oneshot\n"
				     "RemainAfterExit=yes\n"
				     "ExecStart=ssh-keygen -q -N \"\" -t ed25519 -f /etc/ssh/ssh_host_ed25519_key\n"
				     "ExecStart=ssh-keygen -q -N \"\" -t ecdsa -f /etc/ssh/ssh_host_ecdsa_key\n"
				     "\n"
				     "[Install]\n"
				     "WantedBy=multi-user.target\n";

/*
 * The keys that a package made at installation are removed (cleanup.c): each machine makes its own: two kinds that every client
 * of the last ten years knows, and that take no time on a slow machine at its first boot, as RSA does.
 */
gboolean
ash_step_host_keys(AshTreeRoot *root, GError **error)
{
	const char *const argv[] = { "systemctl", "--no-reload", "enable", "ashlar-ssh-keys.service", NULL };

	if (!ash_tree_root_has_program(root, "sshd") || !ash_tree_root_has_program(root, "systemctl") ||
	    ash_tree_root_has_unit(root, "sshd-keygen@.service") || ash_tree_root_has_unit(root, "sshd-keygen.service"))
		return TRUE;
	return ash_tree_root_save(root, "usr/lib/systemd/system/ashlar-ssh-keys.service", host_keys_unit, 0644, error) &&
	       ash_tree_root_run(root, argv, error);
}
