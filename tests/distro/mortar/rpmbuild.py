"""rpmbuild and its settings: fast, reproducible, and the same whatever the machine's macros say."""

import os
import subprocess
from pathlib import Path

from .progress import Failure

_DEFINES = {
    "_buildhost": "mortar.invalid",
    "_binary_payload": "w3.zstdio",
    "_build_id_links": "none",
    "_unpackaged_files_terminate_build": "0",
    "_missing_doc_files_terminate_build": "0",
    "_build_name_fmt": "%%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm",
    "vendor": "Mortar Linux",
    "debug_package": "%{nil}",
    "__os_install_post": "%{nil}",
    "__spec_install_post": "%{nil}",
    "__check_files": "%{nil}",
    "use_source_date_epoch_as_buildtime": "1",
    "clamp_mtime_to_source_date_epoch": "1",
    "source_date_epoch_from_changelog": "0",
}

# rpmbuild empties the build root before %install, and after the build; ours is filled already.
_KEEP_ROOT = {"__spec_install_pre": "%{___build_pre}", "__spec_clean_pre": "%{___build_pre}"}


def build(spec, work, epoch, root=None, defines=None, arch="x86_64"):
    """Builds the spec's binary packages with all times clamped to `epoch`; returns their paths.

    With `root` the files are in there already and the spec has no %install.
    """
    work = Path(work)
    settings = dict(_DEFINES, _topdir=str(work), _rpmdir=str(work / "RPMS"), **(defines or {}))
    if root:
        settings.update(_KEEP_ROOT)
    command = ["rpmbuild", "-bb", "--quiet", "--target", f"{arch}-linux"]
    command += ["--buildroot", str(root or work / "root")]
    for key, value in settings.items():
        command += ["--define", f"{key} {value}"]
    environment = dict(_clean_environment(work), SOURCE_DATE_EPOCH=str(epoch))
    done = subprocess.run(
        [*command, str(spec)], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise Failure(f"'{spec}': rpmbuild: {(done.stdout + done.stderr).strip()[-3000:]}")
    return sorted((work / "RPMS").rglob("*.rpm"))


def _clean_environment(work):
    """No ~/.rpmmacros of the user, no locale."""
    return {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "HOME": str(work), "LC_ALL": "C.UTF-8"}
