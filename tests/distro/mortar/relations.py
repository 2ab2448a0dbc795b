"""Debian's dependency fields as RPM's."""

from . import closure, debian

_OPERATORS = {"<<": "<", "<=": "<=", "=": "=", ">=": ">=", ">>": ">"}


def rpm_version(version):
    """(epoch, version, release) of a Debian version; a native one has no revision: release None."""
    epoch, upstream, revision = debian.split_version(version)
    return epoch, upstream.replace("-", "."), revision


def rpm_evr(version):
    epoch, upstream, release = rpm_version(version)
    text = f"{epoch}:{upstream}" if epoch else upstream
    return f"{text}-{release}" if release else text


def rpm_relation(relation):
    if relation.op is None:
        return relation.name
    operator, evr = _OPERATORS[relation.op], rpm_evr(relation.version)
    # RPM leaves the release out of a comparison when one side has none; in Debian none is less than any.
    if relation.op in (">>", "<=") and not rpm_version(relation.version)[2]:
        evr += "-0"
    # `<< 2-.` is Debian's way to say: any revision of 2.
    if relation.op == "<<" and evr.endswith("-."):
        operator, evr = "<=", evr[:-2]
    return f"{relation.name} {operator} {evr}"


def dependency_tags(stanza, snapshot):
    """The lines of the preamble that say how this package relates to the others of its snapshot."""
    lines = _requires(stanza, snapshot, "Pre-Depends", ["Requires", "Requires(pre)"])
    lines += _requires(stanza, snapshot, "Depends", ["Requires"])
    lines += _weak(stanza, snapshot)
    lines += _provides(stanza)
    lines += _conflicts(stanza, snapshot)
    lines += _obsoletes(stanza, snapshot)
    return list(dict.fromkeys(lines))


def _clause_text(clause):
    if len(clause) == 1:
        return rpm_relation(clause[0])
    return "(" + " or ".join(rpm_relation(r) for r in clause) + ")"


def _requires(stanza, snapshot, field, tags):
    own = _own_names(stanza)
    known = closure.required_clauses(stanza, snapshot.rules)
    lines = []
    for clause in debian.parse_relations(stanza.get(field)):
        if clause not in known or own & {r.name for r in clause}:
            continue
        # Alternatives that the repository lacks would only be noise in the solver's messages.
        kept = [r for r in clause if snapshot.has(r)]
        lines += [f"{tag}: {_clause_text(kept)}" for tag in tags]
    return lines


def _weak(stanza, snapshot):
    """Recommends that dependencies.conf names, the rest as Suggests: install sets stay small."""
    lines = []
    for field in ("Depends", "Recommends", "Suggests"):
        for clause in debian.parse_relations(stanza.get(field)):
            tag = snapshot.rules.demotes(stanza["Package"], clause)
            if field == "Depends" and not tag:
                continue
            kept = [r for r in clause if snapshot.has(r)]
            if kept:
                lines.append(f"{tag or 'Suggests'}: {_clause_text(kept)}")
    return lines


def _provides(stanza):
    lines = []
    for clause in debian.parse_relations(stanza.get("Provides")):
        if clause[0].name != stanza["Package"]:
            lines.append(f"Provides: {rpm_relation(clause[0])}")
    return lines


def _conflicts(stanza, snapshot):
    own = _own_names(stanza)
    lines = []
    for field in ("Conflicts", "Breaks"):
        for clause in debian.parse_relations(stanza.get(field)):
            relation = clause[0]
            # A package that provides what it conflicts with conflicts with the others only; RPM
            # has no such rule, and nothing in the repository needs it.
            if relation.name not in own and _is_known(relation, snapshot):
                lines.append(f"Conflicts: {rpm_relation(relation)}")
    return lines


def _is_known(relation, snapshot):
    """A condition on the version never meets a bare Provides in Debian, but always does in RPM."""
    if relation.name in snapshot.stanzas:
        return True
    return relation.op is None and relation.name in snapshot.providers


def _obsoletes(stanza, snapshot):
    """A versioned Replaces of a package that the archive no longer has: it was renamed or merged."""
    lines = []
    for clause in debian.parse_relations(stanza.get("Replaces")):
        relation = clause[0]
        if relation.op == "<<" and relation.name not in snapshot.available:
            lines.append(f"Obsoletes: {rpm_relation(relation)}")
    return lines


def _own_names(stanza):
    names = {clause[0].name for clause in debian.parse_relations(stanza.get("Provides"))}
    return names | {stanza["Package"]}
