"""The text of a spec: what a converted package is to rpmbuild."""

import re

from . import relations

_GLOB = re.compile(r"[\[*?{]")

# Debian's short names where they are not SPDX's already.
_LICENSES = {
    "GPL-1+": "GPL-1.0-or-later",
    "GPL-2": "GPL-2.0-only",
    "GPL-2+": "GPL-2.0-or-later",
    "GPL-3": "GPL-3.0-only",
    "GPL-3+": "GPL-3.0-or-later",
    "LGPL-2": "LGPL-2.0-only",
    "LGPL-2+": "LGPL-2.0-or-later",
    "LGPL-2.1": "LGPL-2.1-only",
    "LGPL-2.1+": "LGPL-2.1-or-later",
    "LGPL-3+": "LGPL-3.0-or-later",
    "Expat": "MIT",
    "BSD-2-clause": "BSD-2-Clause",
    "BSD-3-clause": "BSD-3-Clause",
    "Apache-2": "Apache-2.0",
    "public-domain": "LicenseRef-public-domain",
}


def file_line(path, entry):
    """One line of %files; every path is named with its owner and mode, nothing is left to defaults."""
    words = []
    if entry.ghost:
        words.append("%ghost")
    if entry.kind == "d":
        words.append("%dir")
    if entry.config and not entry.ghost:
        words.append("%config(noreplace)")
    if entry.caps:
        words.append(f"%caps({entry.caps})")
    if entry.kind != "l":
        words.append(f"%attr({entry.mode:04o}, {entry.user}, {entry.group})")
    words.append('"' + _quote(path) + '"')
    return " ".join(words)


def write_spec(stanza, snapshot, payload, fragment):
    """The whole spec of a converted package."""
    epoch, version, release = relations.rpm_version(stanza["Version"])
    summary, _, description = stanza.get("Description", stanza["Package"]).partition("\n")
    tags = {
        "Name": stanza["Package"],
        "Epoch": epoch or None,
        "Version": version,
        "Release": release or "0",
        "Summary": summary,
        "License": license_of(stanza, payload),
        "Group": stanza.get("Section"),
        "URL": stanza.get("Homepage"),
        "BuildArch": "noarch" if stanza["Architecture"] == "all" else None,
    }
    lines = [f"{key}: {escape(str(value))}" for key, value in tags.items() if value]
    lines.append("AutoReqProv: no")
    lines += _dependencies(stanza, snapshot, fragment)
    lines += ["", "%description", escape(_description(description) or summary), ""]
    lines += [fragment.text(), "%files"]
    lines += [file_line(path, payload.entries[path]) for path in sorted(payload.entries)]
    return "\n".join(lines) + "\n"


def escape(text):
    return text.replace("%", "%%")


def license_of(stanza, payload):
    """The names in a machine-readable copyright file, as an SPDX expression as far as it goes."""
    path = payload.at(f"/usr/share/doc/{stanza['Package']}/copyright")
    text = path.read_text(errors="replace") if path.is_file() else ""
    if not text.lower().startswith("format"):
        return "LicenseRef-Debian"
    names = {_LICENSES.get(n, n) for n in re.findall(r"^License: *([A-Za-z0-9.+-]+) *$", text, re.M)}
    return " AND ".join(sorted(names)) or "LicenseRef-Debian"


def _dependencies(stanza, snapshot, fragment):
    lines = relations.dependency_tags(stanza, snapshot) + fragment.preamble
    if not any(line.startswith("Requires") for line in lines):
        # The top-level links of the merged /usr have to be there before any file.
        lines.append("Requires(pre): filesystem")
    return lines


def _description(text):
    lines = ["" if line.strip() == "." else line.strip() for line in text.split("\n")]
    return "\n".join(lines)


def _quote(path):
    """rpmbuild takes a path for a pattern; a backslash has no other spelling there than `?`."""
    literal = _GLOB.sub(lambda match: f"[{match.group()}]", path)
    return literal.replace("\\", "?").replace("%", "%%")
