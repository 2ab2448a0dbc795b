"""The packages that have no Debian original: specs/*.spec, built as any spec is."""

import hashlib
import shutil
import tempfile
from pathlib import Path

from . import convert, rpmbuild, rules

# 2023-06-10, the day bookworm came out: a fixed time for files that we wrote ourselves.
EPOCH = 1686355200


def build_all(home, tool_digest, defines):
    """Builds every spec that is not built yet; returns the packages' paths."""
    specs = sorted((rules.HERE / "specs").glob("*.spec"))
    return [path for spec in specs for path in _build(spec, Path(home), tool_digest, defines)]


def _build(spec, home, tool_digest, defines):
    folder = home / _key(spec, tool_digest, defines)
    done = folder / "done"
    if not done.exists():
        with tempfile.TemporaryDirectory(prefix="mortar-") as work:
            local = dict(defines, overlay=str(rules.HERE / "overlay" / spec.stem), thisspec=str(spec))
            built = rpmbuild.build(spec, work, EPOCH, defines=local)
            folder.mkdir(parents=True, exist_ok=True)
            for path in built:
                shutil.move(path, folder / path.name)
        done.touch()
    return sorted(folder.glob("*.rpm"))


def _key(spec, tool_digest, defines):
    seed = tool_digest + spec.read_text() + convert.data_digest(spec.stem) + repr(sorted(defines.items()))
    return hashlib.sha256(seed.encode()).hexdigest()[:24]
