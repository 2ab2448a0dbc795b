"""The signing key: made on the spot, without a passphrase, good for tests and nothing else."""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from .progress import Failure

_PARAMETERS = """\
%no-protection
Key-Type: RSA
Key-Length: 3072
Key-Usage: sign
Name-Real: {name}
Name-Email: {email}
Expire-Date: 0
%commit
"""


class Key:
    """A key pair in a GnuPG home of its own at `home`, created when it is not there.

    To be used in a `with`, which also ends the agent that gpg starts.
    """

    def __init__(self, home, name="Mortar Linux (test)", email="mortar@mortar.invalid"):
        self.home = Path(home)
        self.name = name
        self.email = email
        self._folder = None
        self._link = None

    def __enter__(self):
        self.home.mkdir(parents=True, exist_ok=True)
        os.chmod(self.home, 0o700)
        # gpg-agent's socket path must fit in 108 bytes, so the home is reached by a short link.
        self._folder = tempfile.TemporaryDirectory(prefix="mg")
        self._link = os.path.join(self._folder.name, "h")
        os.symlink(self.home.resolve(), self._link)
        if not (self.home / "done").exists():
            self._gpg("--gen-key", input_text=_PARAMETERS.format(name=self.name, email=self.email))
            (self.home / "done").touch()
        # Here, once: several gpg at a time that each want to start it get in each other's way.
        subprocess.run(["gpgconf", "--homedir", self._link, "--launch", "gpg-agent"], capture_output=True)
        return self

    def __exit__(self, *_):
        subprocess.run(["gpgconf", "--homedir", self._link, "--kill", "all"], capture_output=True)
        self._folder.cleanup()

    def export(self, path):
        """Writes the armored public key."""
        Path(path).write_bytes(self._gpg("--armor", "--export", self.email))

    def sign_file(self, path):
        """Writes a detached armored signature beside the file, as repo_gpgcheck wants it."""
        options = ["--armor", "--local-user", self.email, "--output", "-"]
        signature = self._gpg(*options, "--detach-sign", str(path))
        Path(f"{path}.asc").write_bytes(signature)

    def sign_packages(self, paths):
        """Adds a header signature to each package."""
        command = ["rpmsign", "--define", f"_gpg_name {self.email}", "--define", f"_gpg_path {self._link}"]
        command += ["--define", "__gpg " + (shutil.which("gpg") or "gpg"), "--addsign"]
        # Without GPG_TTY rpmsign complains that there is no terminal; the key needs none.
        environment = dict(os.environ, GPG_TTY="/dev/null")
        done = subprocess.run([*command, *map(str, paths)], env=environment, capture_output=True, text=True)
        if done.returncode != 0:
            raise Failure(f"rpmsign: {(done.stdout + done.stderr).strip()[-2000:]}")

    def _gpg(self, *arguments, input_text=""):
        command = ["gpg", "--batch", "--yes", "--quiet", "--homedir", self._link, *arguments]
        done = subprocess.run(command, input=input_text.encode(), capture_output=True)
        if done.returncode != 0:
            raise Failure(f"gpg {arguments[0]}: {done.stderr.decode(errors='replace').strip()}")
        return done.stdout
