"""The data files that say where Mortar differs from Debian: dependencies.conf and files.conf."""

import fnmatch
from dataclasses import dataclass
from pathlib import Path

from .progress import Failure

HERE = Path(__file__).resolve().parent.parent


def read_lines(name):
    """(line number, words) of a data file, without comments and empty lines."""
    for number, line in enumerate((HERE / name).read_text().splitlines(), 1):
        words = line.split("#", 1)[0].split()
        if words:
            yield number, words


def read_roots():
    return [words[0] for _, words in read_lines("packages.list")]


class DependencyRules:
    """dependencies.conf; the verbs are described at its top."""

    def __init__(self, name="dependencies.conf"):
        self.dropped = set()
        self._pairs = {"drop-from": set(), "recommend": set(), "suggest": set()}
        for number, words in read_lines(name):
            self._add(f"{name}:{number}", words)

    def _add(self, where, words):
        verb, rest = words[0], words[1:]
        if verb == "drop" and len(rest) == 1:
            self.dropped.add(rest[0])
        elif verb in self._pairs and len(rest) == 2:
            self._pairs[verb].add(tuple(rest))
        else:
            raise Failure(f"{where}: '{verb}': unknown verb or wrong number of words")

    def drops(self, package, clause):
        """Whether a clause is left out: one dropped alternative says the need is met otherwise."""
        names = {relation.name for relation in clause}
        if names & self.dropped:
            return True
        here = self._pairs["drop-from"]
        return any((package, n) in here for n in names) or bool(self.demotes(package, clause))

    def demotes(self, package, clause):
        """"Recommends" or "Suggests" when a Depends clause is to be weakened to it, else None."""
        for relation in clause:
            if (package, relation.name) in self._pairs["recommend"]:
                return "Recommends"
            if (package, relation.name) in self._pairs["suggest"]:
                return "Suggests"
        return None


@dataclass(frozen=True)
class Attr:
    """Owner, mode and capabilities that Debian's maintainer script would have set."""

    mode: int
    user: str
    group: str
    caps: str = None


class FileRules:
    """files.conf; the verbs are described at its top."""

    def __init__(self, name="files.conf"):
        self.drop_globs = []
        self._by_package = {}
        for number, words in read_lines(name):
            self._add(f"{name}:{number}", words)

    def of(self, package):
        return self._by_package.setdefault(package, PackageFiles())

    def drops(self, path):
        return any(fnmatch.fnmatchcase(path, glob) for glob in self.drop_globs)

    def _add(self, where, words):
        verb, rest = words[0], words[1:]
        if verb == "drop":
            self.drop_globs += rest
            return
        try:
            getattr(self.of(rest[0]), "add_" + verb)(*rest[1:])
        except (AttributeError, TypeError, IndexError, ValueError) as e:
            raise Failure(f"{where}: '{verb}': unknown verb or wrong words: {e}") from e


class PackageFiles:
    """What files.conf says about one package."""

    def __init__(self):
        self.omitted = []
        self.links = {}
        self.copies = {}
        self.directories = {}
        self.attrs = {}
        self.ghosts = {}
        self.configs = set()

    def add_omit(self, *globs):
        self.omitted += globs

    def add_link(self, path, target):
        self.links[path] = target

    def add_copy(self, source, path):
        self.copies[path] = source

    def add_dir(self, path, mode="0755", user="root", group="root"):
        self.directories[path] = Attr(int(mode, 8), user, group)

    def add_attr(self, path, mode, user, group, caps=None):
        self.attrs[path] = Attr(int(mode, 8), user, group, caps)

    def add_ghost(self, path, mode="0644", user="root", group="root"):
        self.ghosts[path] = Attr(int(mode, 8), user, group)

    def add_config(self, path):
        self.configs.add(path)

    def omits(self, path):
        return any(fnmatch.fnmatchcase(path, glob) for glob in self.omitted)
