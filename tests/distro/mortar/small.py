"""Small repositories out of a few specs: what tests of bad and of special input are made from."""

import shutil
import tempfile
from pathlib import Path

from . import handmade, repository, rpmbuild, tamper
from .signing import Key


def make(folder, specs, keyring=None, unsigned=(), foreign=(), sign_metadata=True, comps=None, changes=()):
    """Builds `specs` into the repository `folder`; returns the packages' paths.

    `keyring` is the home of the signing key (default: one of its own in `folder`). Packages named in
    `unsigned` get no signature; those in `foreign` one by a key that nobody has been told about.
    `changes` are (package, old bytes, new bytes) of equal length, made before signing.
    """
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.rpm"):
        old.unlink()
    packages = [path for spec in specs for path in _build(Path(spec), folder)]
    for name, old, new in changes:
        tamper.replace(_one(packages, name), [(old, new)])
    with Key(keyring or folder / ".keyring") as key:
        public_key = folder / "RPM-GPG-KEY"
        key.export(public_key)
        known = [p for p in packages if _name(p) not in {*unsigned, *foreign}]
        if known:
            key.sign_packages(known)
        _sign_foreign(folder, [p for p in packages if _name(p) in foreign])
        repository.publish(folder, packages, key if sign_metadata else None, public_key, comps, "Test")
    return packages


def _build(spec, folder):
    with tempfile.TemporaryDirectory(prefix="mortar-") as work:
        # Without compression, so that a test can also change what is in the payload.
        defines = {"_binary_payload": "w.ufdio", "specdir": str(spec.resolve().parent)}
        built = rpmbuild.build(spec.resolve(), work, handmade.EPOCH, defines=defines, arch="x86_64")
        return [Path(shutil.move(path, folder / path.name)) for path in built]


def _sign_foreign(folder, packages):
    if packages:
        with Key(folder / ".foreign-keyring", "Nobody", "nobody@mortar.invalid") as key:
            key.sign_packages(packages)


def _name(path):
    """NAME of NAME-VERSION-RELEASE.ARCH.rpm."""
    return path.name.rsplit("-", 2)[0]


def _one(packages, name):
    return next(path for path in packages if _name(path) == name)
