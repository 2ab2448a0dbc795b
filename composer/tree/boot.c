/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tree/steps.h"

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
