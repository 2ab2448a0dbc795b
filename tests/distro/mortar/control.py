"""A package's control data: conffiles and the description, from the .deb's control member."""

import io
import subprocess
import tarfile


def read_control_files(deb):
    """{name: text} of the control member."""
    data = subprocess.run(["dpkg-deb", "--ctrl-tarfile", str(deb)], check=True, capture_output=True).stdout
    result = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive:
            if member.isreg():
                text = archive.extractfile(member).read().decode(errors="replace")
                result[member.name.removeprefix("./")] = text
    return result


def conffiles(control):
    """The paths of the conffiles; a `remove-on-upgrade` flag in front means that it is not shipped."""
    lines = [line.split() for line in control.get("conffiles", "").splitlines() if line.strip()]
    return {words[-1] for words in lines if words[0] != "remove-on-upgrade"}
