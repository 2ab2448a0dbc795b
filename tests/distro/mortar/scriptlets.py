"""Spec fragments (scripts/*.spec-inc) and the scriptlets that follow from a package's units."""

import re

_SECTION = re.compile(
    r"^%(pre|post|preun|postun|pretrans|posttrans|(trans)?(file)?trigger\w*)\b"
)
_INSTALL = re.compile(r"^\[Install\]", re.M)
_UNIT = re.compile(r"^/usr/lib/systemd/system/([^/@]+\.(?:service|socket|timer|path|target|mount))$")

# What %systemd_post and its sisters expand to elsewhere, written out.
_UNIT_SCRIPTS = {
    "%post": """\
if [ $1 -eq 1 ] && [ -x /usr/bin/systemctl ]; then
    systemctl --no-reload preset {units} >/dev/null 2>&1 || :
fi
""",
    "%preun": """\
if [ $1 -eq 0 ] && [ -x /usr/bin/systemctl ]; then
    systemctl --no-reload disable {units} >/dev/null 2>&1 || :
fi
""",
    "%postun": """\
if [ $1 -ge 1 ] && [ -d /run/systemd/system ]; then
    systemctl try-restart {units} >/dev/null 2>&1 || :
fi
""",
}


class Fragment:
    """A .spec-inc: preamble lines first, then sections as in any spec."""

    def __init__(self, text=""):
        self.preamble = []
        self.sections = {}
        header = None
        for line in text.splitlines():
            if _SECTION.match(line):
                header = line.strip()
                self.sections[header] = []
            elif header:
                self.sections[header].append(line)
            elif line and not line.startswith("#"):
                self.preamble.append(line)

    def append(self, header, text):
        self.sections.setdefault(header, []).extend(text.splitlines())

    def text(self):
        parts = []
        for header, lines in self.sections.items():
            parts.append(header + "\n" + "\n".join(lines).strip("\n") + "\n")
        return "\n".join(parts)


def add_unit_scripts(fragment, payload):
    """Presets for the package's units, as every RPM with a service has them."""
    units = sorted(filter(None, (_enabled_unit(payload, path) for path in payload.files())))
    if units:
        for header, text in _UNIT_SCRIPTS.items():
            fragment.append(header, text.format(units=" ".join(units)))


def _enabled_unit(payload, path):
    match = _UNIT.match(path)
    if match and _INSTALL.search(payload.at(path).read_text(errors="replace")):
        return match.group(1)
    return None
