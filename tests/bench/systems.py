# SPDX-License-Identifier: LGPL-2.1-or-later
"""The systems that are built, what changes in them, and how Ashlar builds them."""
import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import measure

TOP = Path(os.environ.get("top_srcdir") or Path(__file__).resolve().parent.parent.parent).resolve()
HERE = TOP / "tests" / "bench"
ASHLAR = os.environ.get("ASHLAR") or str(TOP / "build" / "ashlar")
CACHE = Path(os.environ.get("ASHLAR_CACHE")
             or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ashlar")
DISTRO = CACHE / "distro"
ALL_TYPES = ("azure-vm", "qemu-vm", "container", "wsl")
# Beside those that are shipped: another disk format of the same variant, so of the same commit, and a tar without compression.
OWN_TYPES = {
    "second": 'base = "qemu-vm"\nvariant = "qemu-vm"\n[disk]\nformats = ["vhd"]\n',
    "tar": 'kind = "tar"\n[archive]\ncompression = "none"\n',
}


class Change:
    """One change of bench.ks or of the repository; @text is (old, new) in the kickstart."""

    def __init__(self, key, title, goal=None, repository="release", text=None, types=("qemu-vm",)):
        self.key, self.title, self.goal = key, title, goal
        self.repository, self.text, self.types = repository, text, types


# Goals are parts of the cold run of the same round, or seconds.
CHANGES = (
    Change("nothing", "nothing changed", goal="0.25 s"),
    Change("leaf", "leaf package updated (curl)", goal="20 %", repository="leaf"),
    Change("library", "library updated (liblzma5)", repository="library"),
    Change("kernel", "kernel updated", goal="60 %", repository="kernel"),
    Change("post", "one line of %post changed", text=("bench >/etc/motd", "changed >/etc/motd")),
    Change("user", "one user added", goal="15 %", text=("network ", "user --name=second --password=x --plaintext\nnetwork ")),
    Change("file", "one more file (%post)", text=("bench >/etc/motd", "bench >/etc/motd; echo new >/etc/new.conf")),
    Change("service", "services changed", goal="15 %", text=("ssh,systemd-networkd", "systemd-networkd")),
    Change("type", "second image type", types=("qemu-vm", "second")),
)
COLD = Change("cold", "cold")
# Another key of the root, but the same packages.
LANGUAGES = Change("languages", "installed with a warm import cache", text=("--inst-langs=en", "--inst-langs=en:de"))


class Workshop:
    """A folder with what all builds of a bench share. The repository's address stays while its content changes: a link is set."""

    def __init__(self, folder, variants):
        self.folder, self.variants = Path(folder), Path(variants)
        self.link = self.folder / "current"
        self.repos = self.folder / "repos"
        self.repos.mkdir()
        lines = (DISTRO / "release" / "demo.repo").read_text().splitlines()
        lines = [f"baseurl=file://{self.link}" if line.startswith("baseurl=") else line for line in lines]
        (self.repos / "demo.repo").write_text("\n".join(lines) + "\n")
        for name, text in OWN_TYPES.items():
            (self.folder / f"{name}.toml").write_text(text)

    def use(self, repository):
        folder = DISTRO / "release" if repository == "release" else self.variants / repository
        with contextlib.suppress(FileNotFoundError):
            self.link.unlink()
        self.link.symlink_to(folder)
        return folder

    def kickstart(self, change, name="bench"):
        """The kickstart after a change. The system's name is that of the file, so each has a folder."""
        text = (HERE / f"{name}.ks").read_text()
        if change.text is not None:
            old, new = change.text
            assert text.count(old) == 1, f"{name}.ks: '{old}' is not there once"
            text = text.replace(old, new)
        path = self.folder / "kickstarts" / change.key / f"{name}.ks"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def place(self):
        return Place(tempfile.mkdtemp(dir=self.folder, prefix="work-"))

    def options(self, change, name="bench", types=None):
        self.use(change.repository)
        options = [str(self.kickstart(change, name)), "--repos", str(self.repos)]
        for word in types or change.types:
            options += ["-t", str(self.folder / f"{word}.toml") if word in OWN_TYPES else word]
        return options

    def build(self, place, change, name="bench", types=None, cores=None):
        """Ashlar builds a system in @place; cold if that is new."""
        argv = [ASHLAR, "build", *self.options(change, name, types), "--store", place.store, "-o", place.out, "--json", "--explain",
                "--progress=json"]
        if cores is not None:
            argv += ["--jobs", str(len(cores.split(",")))]
        figures = measure.run(argv, place.folder, dict(os.environ, ASHLAR_CACHE=place.cache), cores)
        answer = json.loads(figures.stdout)
        figures.stages = {stage["stage"]: stage["seconds"] for stage in answer["stages"]}
        figures.stages.update(inner_steps(figures.stderr))
        figures.why = {stage["stage"]: stage["why"] for stage in answer["explain"] if stage["ran"]}
        figures.result = result_of(answer)
        figures.stdout = figures.stderr = ""
        return figures

    def plan(self, change=COLD, name="bench", types=None):
        """The package lists, by variant, with no cache: [(variant, NEVRAs, bytes)], and the seconds it takes."""
        with tempfile.TemporaryDirectory(dir=self.folder) as cache:
            argv = [ASHLAR, "plan", *self.options(change, name, types), "--json", "--progress=none"]
            figures = measure.run(argv, self.folder, dict(os.environ, ASHLAR_CACHE=cache))
        variants = json.loads(figures.stdout)["variants"]
        lists = [(v["variant"], [p["nevra"] for p in v["packages"]], sum(p["install_size"] for p in v["packages"]))
                 for v in variants]
        return lists, figures.seconds


class Place:
    """A store, a cache and a folder for images, all empty."""

    def __init__(self, folder):
        self.folder = folder
        self.store, self.cache, self.out = (os.path.join(folder, name) for name in ("store", "cache", "out"))

    def remove(self):
        shutil.rmtree(self.folder, ignore_errors=True)


def inner_steps(events):
    """Steps inside a stage, such as "(Initramfs)": seconds, summed over machines."""
    steps = {}
    for line in events.splitlines():
        event = json.loads(line)
        if event["event"] == "end" and event.get("depth", 0) > 0 and event.get("seconds", 0) >= 0.05:
            name = f"({event['step']})"
            steps[name] = steps.get(name, 0) + event["seconds"]
    return steps


def result_of(answer):
    """What must be the same however it was made: commits, and the digests of files, which are read for that here."""
    result = {commit["ref"]: commit["commit"] for commit in answer["commits"]}
    for artifact in answer["artifacts"]:
        path = artifact["path"]
        done = subprocess.run(["sha256sum", path], check=True, capture_output=True, text=True)
        result[os.path.basename(path)] = done.stdout.split()[0]
        said = artifact.get("sha256", result[os.path.basename(path)])
        assert result[os.path.basename(path)] == said, f"{path} is not what the result says"
    return result


INSTALL_STAGES = ("fetch", "verify", "import", "install")


def install_seconds(figures):
    """The stages that do what `dnf --installroot` does, but for reading the metadata."""
    return sum(seconds for name, seconds in figures.stages.items() if name.lower().startswith(INSTALL_STAGES))
