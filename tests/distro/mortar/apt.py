"""The Debian archive through apt, with a state of our own: the machine's apt is only read.

Which mirror is used is the machine's business: its own Debian sources are copied, and only those.
"""

import re
import subprocess
from pathlib import Path

from . import debian
from .progress import Failure, say

BATCH = 24


class Archive:
    """apt run on a private state, index and cache below `home`; needs no privilege."""

    def __init__(self, home):
        self.home = Path(home)
        self.codename = _read_codename()
        self.suites = [self.codename, f"{self.codename}-updates", f"{self.codename}-security"]

    def refresh(self):
        """Writes the sources and fetches the indexes of all suites."""
        for folder in ("state/lists/partial", "cache/archives/partial", "debs"):
            (self.home / folder).mkdir(parents=True, exist_ok=True)
        (self.home / "status").touch()
        (self.home / "debian.sources").write_text(_debian_sources(self.suites))
        self._run("apt-get", "update", "-q")

    def indexes(self):
        """{suite: {package: [stanza, ...]}} of main, for this machine's architecture and `all`."""
        listing = self._run(
            "apt-get",
            "indextargets",
            "--format",
            "$(ORIGIN)|$(CODENAME)|$(FILENAME)",
            "Created-By: Packages",
        )
        result = {suite: {} for suite in self.suites}
        for line in sorted(set(listing.splitlines())):
            origin, codename, filename = line.split("|", 2)
            if origin == "Debian" and codename in result:
                self._read_index(filename, result[codename])
        for suite, packages in result.items():
            if not packages:
                raise Failure(f"'{suite}': not among this machine's apt sources; add it there")
        return result

    def download(self, wanted):
        """Makes sure of the .deb of each (name, version, file size); returns {(name, version): path}."""
        paths = {(s["Package"], s["Version"]): self._deb_path(s) for s in wanted}
        missing = [s for s in wanted if not _is_whole(self._deb_path(s), s)]
        for start in range(0, len(missing), BATCH):
            say(f"downloading packages {start + 1}..{min(start + BATCH, len(missing))} of {len(missing)}")
            names = [f"{s['Package']}={s['Version']}" for s in missing[start : start + BATCH]]
            self._run("apt-get", "download", "-q", *names, cwd=self.home / "debs")
        for stanza in missing:
            if not _is_whole(self._deb_path(stanza), stanza):
                raise Failure(f"'{stanza['Package']}': apt did not deliver {stanza['Version']}")
        return paths

    def _read_index(self, filename, into):
        text = self._run("/usr/lib/apt/apt-helper", "cat-file", filename)
        for stanza in debian.parse_stanzas(text):
            into.setdefault(stanza["Package"], []).append(stanza)

    def _deb_path(self, stanza):
        version = stanza["Version"].replace(":", "%3a")
        return self.home / "debs" / f"{stanza['Package']}_{version}_{stanza['Architecture']}.deb"

    def _options(self):
        settings = {
            "Dir::State": self.home / "state",
            "Dir::State::status": self.home / "status",
            "Dir::Cache": self.home / "cache",
            "Dir::Etc::sourcelist": self.home / "debian.sources",
            "Dir::Etc::sourceparts": "-",
            "Dir::Etc::preferences": "/dev/null",
            "Dir::Etc::preferencesparts": "-",
            "Acquire::Languages": "none",
            "APT::Architecture": "amd64",
            # apt's own user could not enter a private cache; the calling user is enough.
            "APT::Sandbox::User": "",
            "Debug::NoLocking": "1",
        }
        return [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]

    def _run(self, program, *arguments, cwd=None):
        command = [program, *self._options(), *arguments]
        done = subprocess.run(command, cwd=cwd, capture_output=True, stdin=subprocess.DEVNULL)
        if done.returncode != 0:
            tail = done.stderr.decode(errors="replace").strip()[-2000:]
            raise Failure(f"'{program} {arguments[0]}': {tail}")
        return done.stdout.decode(errors="replace")


def _is_whole(path, stanza):
    return path.exists() and path.stat().st_size == int(stanza["Size"])


def _read_codename():
    match = re.search(r'^VERSION_CODENAME="?(\w+)', Path("/etc/os-release").read_text(), re.M)
    if not match:
        raise Failure("'/etc/os-release': VERSION_CODENAME is missing; a Debian machine is needed")
    return match.group(1)


def _debian_sources(suites):
    """The machine's sources that carry one of `suites` with the component main, as deb822."""
    stanzas = []
    for path in _source_files():
        reader = _read_deb822 if path.suffix == ".sources" else _read_one_line
        stanzas += reader(path.read_text(), suites)
    if not stanzas:
        raise Failure(f"apt's sources have none of {', '.join(suites)}")
    return "\n\n".join(stanzas) + "\n"


def _source_files():
    etc = Path("/etc/apt")
    parts = sorted((etc / "sources.list.d").glob("*"))
    files = [etc / "sources.list", *parts]
    return [p for p in files if p.suffix in (".list", ".sources") and p.exists()]


def _stanza(uris, suites, signed_by):
    lines = ["Types: deb", f"URIs: {uris}", f"Suites: {' '.join(suites)}", "Components: main"]
    if signed_by:
        lines.append("Signed-By: " + signed_by.replace("\n", "\n "))
    return "\n".join(lines)


def _read_deb822(text, suites):
    result = []
    for source in debian.parse_stanzas(text):
        kept = [s for s in source.get("Suites", "").split() if s in suites]
        usable = "deb" in source.get("Types", "").split() and source.get("Enabled") != "no"
        if kept and usable and "main" in source.get("Components", "").split():
            result.append(_stanza(source["URIs"], kept, source.get("Signed-By")))
    return result


def _read_one_line(text, suites):
    result = []
    for line in text.splitlines():
        match = re.match(r"deb\s+(?:\[([^]]*)\]\s+)?(\S+)\s+(\S+)\s+(.*)", line)
        if match and match.group(3) in suites and "main" in match.group(4).split():
            signed_by = re.search(r"signed-by=(\S+)", match.group(1) or "")
            result.append(_stanza(match.group(2), [match.group(3)], signed_by and signed_by.group(1)))
    return result
