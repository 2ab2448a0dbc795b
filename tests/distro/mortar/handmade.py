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


def build_node(home, tool_digest, build):
    """The package ashlar-node out of the folder `build`, where the program was built; nothing if it was not."""
    program = Path(build) / "ashlar-node"
    if not program.exists():
        return []
    data = sorted((rules.HERE.parent.parent / "data" / "node").iterdir())
    digest = hashlib.sha256(b"".join(p.read_bytes() for p in [program, *data] if p.is_file())).hexdigest()
    spec = rules.HERE / "node" / "ashlar-node.spec"
    return _build(spec, Path(home), tool_digest + digest, {"ashlar_build": str(Path(build).resolve())})


def node_digest(build):
    """Of the program that build_node() packs; "" if there is none."""
    program = Path(build) / "ashlar-node"
    return hashlib.sha256(program.read_bytes()).hexdigest() if program.exists() else ""


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
