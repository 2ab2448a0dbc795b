# SPDX-License-Identifier: LGPL-2.1-or-later
"""The other side: the shell chain and dnf alone, on exactly the packages that Ashlar resolves."""
import os
import tempfile

import measure
import systems


def package_lists(folder, lists):
    """Writes the chain's lists; "install" is that of the QEMU machine."""
    for variant, packages, _ in lists:
        for name in (variant, "install") if variant == "qemu-vm" else (variant,):
            with open(os.path.join(folder, name + ".list"), "w") as file:
                file.writelines(package + "\n" for package in packages)


def chain(workshop, types, cores=None):
    """Runs the chain for @types in a folder of its own."""
    work = tempfile.mkdtemp(dir=workshop.folder, prefix="work-")
    argv = [str(systems.HERE / "chain"), str(systems.DISTRO / "release"), work, str(workshop.folder), *types]
    figures = measure.run(argv, work, None, cores)
    for line in figures.stdout.splitlines():
        if line.startswith("stage "):
            _, name, value = line.split()
            figures.stages[name] = float(value)
    figures.stdout = figures.stderr = ""
    return figures
