"""A repository directory: packages, metadata, its signature and a .repo file."""

import os
import shutil
import subprocess
from pathlib import Path

from .progress import Failure

_REPO = """\
[{section}]
name={title}
baseurl=file://{folder}
enabled=1
gpgcheck=1
repo_gpgcheck=1
gpgkey=file://{key}
"""


def publish(folder, packages, key, public_key, comps=None, title="Mortar Linux", section="demo"):
    """Fills `folder` with exactly these packages (hard links) and signed metadata."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(folder / "repodata", ignore_errors=True)
    _link_packages(folder, packages)
    write_metadata(folder, comps)
    if key:
        key.sign_file(folder / "repodata" / "repomd.xml")
    text = _REPO.format(section=section, title=title, folder=folder, key=public_key)
    (folder / "demo.repo").write_text(text)


def write_metadata(folder, comps=None):
    """repodata/ by createrepo_c, with a fixed revision and times, so that it is the same each time."""
    command = ["createrepo_c", "--quiet", "--no-database", "--revision=1", "--set-timestamp-to-revision"]
    command += ["--simple-md-filenames", "--general-compress-type=gz"]
    if comps:
        command += ["--groupfile", str(comps)]
    done = subprocess.run([*command, str(folder)], capture_output=True, text=True)
    if done.returncode != 0:
        raise Failure(f"'{folder}': createrepo_c: {done.stderr.strip()[-2000:]}")


def _link_packages(folder, packages):
    wanted = {path.name: path for path in packages}
    for old in folder.glob("*.rpm"):
        if old.name not in wanted or not os.path.samefile(old, wanted[old.name]):
            old.unlink()
    for name, path in wanted.items():
        if not (folder / name).exists():
            os.link(path, folder / name)
