"""Debian's side: control stanzas, dependency fields and the order of versions (deb-version(7))."""

import re
from dataclasses import dataclass

_RELATION = re.compile(
    r"^(?P<name>[A-Za-z0-9][A-Za-z0-9+.-]*)(?::[a-z0-9]+)?"
    r"(?:\s*\((?P<op><<|<=|=|>=|>>)\s*(?P<version>[^)\s]+)\s*\))?"
)


@dataclass(frozen=True)
class Relation:
    """One name with an optional version condition; `op` is None when there is none."""

    name: str
    op: str = None
    version: str = None


def parse_stanzas(text):
    """Yields each paragraph of a control file as a dict; a continued field keeps its line breaks."""
    for paragraph in re.split(r"\n\s*\n", text):
        fields = {}
        key = None
        for line in paragraph.split("\n"):
            if line[:1] in (" ", "\t") and key:
                fields[key] += "\n" + line[1:]
            elif ":" in line and not line.startswith("#"):
                key, value = line.split(":", 1)
                fields[key] = value.strip()
        if fields:
            yield fields


def parse_relations(field):
    """A dependency field as a list of alternatives: `a, b | c` is [[a], [b, c]]."""
    result = []
    for clause in (field or "").split(","):
        found = [_RELATION.match(part.strip()) for part in clause.split("|")]
        alternatives = [Relation(*m.group("name", "op", "version")) for m in found if m]
        if alternatives:
            result.append(alternatives)
    return result


def split_version(version):
    """(epoch, upstream, revision); the revision of a native package is None."""
    epoch, colon, rest = version.partition(":")
    if not colon:
        epoch, rest = "0", version
    upstream, dash, revision = rest.rpartition("-")
    return (int(epoch), upstream, revision) if dash else (int(epoch), rest, None)


def _character_order(character):
    if character == "~":
        return -1
    return ord(character) if character.isalpha() else ord(character) + 256


def _part_key(part):
    """A version part as a list that compares the way dpkg does: text, number, text, number ..."""
    key = []
    for text, number in re.findall(r"(\D*)(\d*)", part or "0"):
        # The 0 that ends the text sorts after `~` and before everything else.
        key.append([_character_order(c) for c in text] + [0])
        key.append([int(number or 0)])
    return key


def version_key(version):
    """A sort key in dpkg's order."""
    epoch, upstream, revision = split_version(version)
    return (epoch, _part_key(upstream), _part_key(revision))


def satisfies(version, op, wanted):
    """Whether `version` meets the condition `op wanted`."""
    have, want = version_key(version), version_key(wanted)
    return {
        "<<": have < want,
        "<=": have <= want,
        "=": have == want,
        ">=": have >= want,
        ">>": have > want,
    }[op]
