"""Which packages a snapshot consists of: the roots and everything that they depend on."""

from . import debian
from .progress import Failure


class Snapshot:
    """One version of each package: `stanzas` is what was chosen, `providers` who provides a name."""

    def __init__(self, available, roots, rules):
        self.available = available
        self.rules = rules
        self.stanzas = {}
        self.providers = {}
        self._virtual = _virtual_names(available)
        self._roots = roots
        self._close()

    def has(self, relation):
        """Whether some chosen package satisfies the relation, by name or by what it provides."""
        stanza = self.stanzas.get(relation.name)
        if stanza and _meets(stanza["Version"], relation):
            return True
        return any(_provides(self.stanzas[name], relation) for name in self.providers.get(relation.name, []))

    def _close(self):
        queue = [(name, "packages.list") for name in self._roots]
        while queue:
            name, reason = queue.pop(0)
            if name in self.stanzas:
                continue
            if name not in self.available:
                raise Failure(f"'{name}' (wanted by {reason}): not in this snapshot of the archive")
            self._add(name)
            queue += self._wanted_by(name)

    def _add(self, name):
        stanza = self.available[name]
        self.stanzas[name] = stanza
        for alternatives in debian.parse_relations(stanza.get("Provides")):
            self.providers.setdefault(alternatives[0].name, []).append(name)

    def _wanted_by(self, name):
        for clause in required_clauses(self.available[name], self.rules):
            if not any(self.has(relation) or relation.name in self._roots for relation in clause):
                yield self._choose(name, clause), name

    def _choose(self, name, clause):
        """The first alternative that exists, a real package before one that merely provides it."""
        for relation in clause:
            stanza = self.available.get(relation.name)
            if stanza and _meets(stanza["Version"], relation):
                return relation.name
        for relation in clause:
            for provider in self._virtual.get(relation.name, []):
                if _provides(self.available[provider], relation):
                    return provider
        raise Failure(f"'{name}': nothing provides {' or '.join(r.name for r in clause)}")


def required_clauses(stanza, rules):
    """Pre-Depends and Depends without what Mortar replaces by design."""
    clauses = debian.parse_relations(stanza.get("Pre-Depends"))
    clauses += debian.parse_relations(stanza.get("Depends"))
    return [c for c in clauses if not rules.drops(stanza["Package"], c)]


def newest(indexes):
    """{package: stanza} with the highest version over several indexes."""
    result = {}
    for index in indexes:
        for name, stanzas in index.items():
            for stanza in stanzas:
                held = result.get(name)
                if not held or _newer(stanza, held):
                    result[name] = stanza
    return result


def _newer(stanza, held):
    if stanza["Version"] == held["Version"]:
        return False
    return debian.version_key(stanza["Version"]) > debian.version_key(held["Version"])


def _virtual_names(available):
    result = {}
    for name in sorted(available):
        for alternatives in debian.parse_relations(available[name].get("Provides")):
            result.setdefault(alternatives[0].name, []).append(name)
    return result


def _meets(version, relation):
    return relation.op is None or debian.satisfies(version, relation.op, relation.version)


def _provides(stanza, relation):
    """Debian policy 7.5: a condition on the version is met by a versioned Provides only."""
    for alternatives in debian.parse_relations(stanza.get("Provides")):
        provided = alternatives[0]
        if provided.name == relation.name:
            if relation.op is None or (provided.version and _meets(provided.version, relation)):
                return True
    return False
