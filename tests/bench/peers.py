# SPDX-License-Identifier: LGPL-2.1-or-later
"""The other side, on exactly the packages that Ashlar resolves: the shell chain, dnf alone, and kiwi and mkosi where they are installed."""
import os
import shutil
import tempfile
import xml.sax.saxutils
from pathlib import Path

import measure
import systems

# What kiwi and mkosi can do here is an installed root; see README.md.
_KIWI = """\
<?xml version="1.0" encoding="utf-8"?>
<image schemaversion="7.5" name="bench">
  <description type="system"><author>bench</author><contact>bench@bench.invalid</contact><specification>bench</specification></description>
  <preferences>
    <version>1.0.0</version>
    <packagemanager>dnf</packagemanager>
    <rpm-check-signatures>true</rpm-check-signatures>
    <rpm-excludedocs>false</rpm-excludedocs>
    <type image="tbz"/>
  </preferences>
  <repository type="rpm-md" alias="demo"><source path="dir://{release}"/></repository>
  <packages type="image"/>
  <packages type="bootstrap">
{packages}
  </packages>
</image>
"""


def package_lists(folder, lists):
    """Writes the chain's lists; "install" is that of the QEMU machine."""
    for variant, packages, _ in lists:
        for name in (variant, "install") if variant == "qemu-vm" else (variant,):
            with open(os.path.join(folder, name + ".list"), "w") as file:
                file.writelines(package + "\n" for package in packages)


def _names(workshop):
    """The machine's packages by name alone: all there is in the repository is one version of each."""
    lines = (workshop.folder / "install.list").read_text().split()
    return [line.rsplit("-", 2)[0] for line in lines]


def _place(workshop):
    return Path(tempfile.mkdtemp(dir=workshop.folder, prefix="work-"))


def chain(workshop, types, cores=None):
    """Runs the chain for @types in a folder of its own."""
    work = _place(workshop)
    argv = [str(systems.HERE / "chain"), str(systems.DISTRO / "release"), str(work), str(workshop.folder), *types]
    figures = measure.run(argv, work, None, cores)
    for line in figures.stdout.splitlines():
        if line.startswith("stage "):
            _, name, value = line.split()
            figures.stages[name] = float(value)
    figures.stdout = figures.stderr = ""
    return figures


def kiwi(workshop):
    """kiwi makes an installed root; no image of it. All packages are in its bootstrap list: the host's dnf installs them."""
    work = _place(workshop)
    packages = "\n".join(f"    <package name={xml.sax.saxutils.quoteattr(name)}/>" for name in _names(workshop))
    (work / "description").mkdir()
    (work / "description" / "config.xml").write_text(_KIWI.format(release=systems.DISTRO / "release", packages=packages))
    return measure.run(["kiwi-ng", "--type", "tbz", "--shared-cache-dir", str(work / "cache"), "system", "prepare", "--description",
                        str(work / "description"), "--root", str(work / "root"), "--signing-key",
                        str(systems.DISTRO / "RPM-GPG-KEY-mortar")], work)


def mkosi(workshop, form):
    """mkosi makes an installed root ("directory") or a tar of it, taking the distribution for a Fedora."""
    work = _place(workshop)
    (work / "repos").mkdir()
    text = (systems.DISTRO / "release" / "demo.repo").read_text()
    (work / "repos" / "demo.repo").write_text(text.replace("repo_gpgcheck=1", "repo_gpgcheck=0"))
    argv = ["mkosi", "--directory", str(work), "--distribution", "fedora", "--release", "37", "--repository-directory",
            str(work / "repos"), "--repositories", "demo", "--format", form, "--output", str(work / "image"), "--with-docs",
            "--with-network", "--base-packages=no", "--compress-output=no", "--workspace-dir", str(work), "--cache",
            str(work / "cache")]
    (work / "cache").mkdir()
    return measure.run([*argv, *(f"--package={name}" for name in _names(workshop)), "build"], work)


def missing():
    """The optional peers that are not installed."""
    return [program for program in ("kiwi-ng", "mkosi") if shutil.which(program) is None]
