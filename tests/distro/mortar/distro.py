"""The whole run: archive, snapshots, packages, signatures, repositories."""

import hashlib
import os
import shutil
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path

from . import apt, closure, handmade, repository, rules
from .convert import Converter
from .progress import Failure, say
from .signing import Key

_PROGRAMS = {
    "apt-get": "apt",
    "dpkg-deb": "dpkg",
    "rpmbuild": "rpm",
    "rpmsign": "rpm",
    "createrepo_c": "createrepo-c",
    "gpg": "gnupg",
    "localedef": "libc-bin",
}
_SIGN_BATCH = 40

# Set in each worker process once, since every job needs the same large objects.
_worker = {}


def make(out, jobs, refresh=False, build=""):
    """Makes release/ and updates/ below `out`; ends at once when nothing changed since the last run.

    `build`: where ashlar-node was built, which becomes a package of both.
    """
    check_programs()
    out = Path(out).resolve()
    out.mkdir(parents=True, exist_ok=True)
    stamp = out / "stamp"
    digest = tool_digest() + handmade.node_digest(build)
    if not refresh and stamp.exists() and stamp.read_text() == digest:
        say(f"nothing changed: {out}")
        return
    stamp.unlink(missing_ok=True)
    archive = apt.Archive(out / "archive")
    say("fetching the archive's indexes")
    archive.refresh()
    snapshots = _snapshots(archive)
    packages = _build(out, archive, snapshots, jobs, code_digest(), build)
    _publish(out, snapshots, packages, jobs)
    _prune(out / "packages", packages)
    differing = set(packages["updates"]) - set(packages["release"])
    say(f"{len(differing)} packages of updates are not in release")
    stamp.write_text(digest)


def check_programs():
    folders = os.environ.get("PATH", "").split(":")
    for program, package in _PROGRAMS.items():
        if not any(os.access(os.path.join(folder, program), os.X_OK) for folder in folders):
            raise Failure(f"'{program}': not found; it is in the package {package}")


def tool_digest():
    """A digest of everything in this folder that a repository's content depends on."""
    return _digest(sorted(p for p in rules.HERE.rglob("*") if "__pycache__" not in p.parts))


def code_digest():
    """The same of the code alone; data files count only for the packages that they are about."""
    names = ["convert", "payload", "spec", "scriptlets", "relations", "rpmbuild", "control"]
    return _digest([rules.HERE / "mortar" / f"{name}.py" for name in names])


def _digest(paths):
    digest = hashlib.sha256()
    for path in paths:
        if path.is_file() and not path.is_symlink():
            digest.update(f"{path.relative_to(rules.HERE)}\n".encode())
            digest.update(path.read_bytes())
        elif path.is_symlink():
            digest.update(f"{path.relative_to(rules.HERE)} -> {os.readlink(path)}\n".encode())
    return digest.hexdigest()


def _snapshots(archive):
    """The point release alone, and the newest of all suites."""
    indexes = archive.indexes()
    dependency_rules = rules.DependencyRules()
    roots = rules.read_roots()
    available = {
        "release": closure.newest([indexes[archive.codename]]),
        "updates": closure.newest(indexes.values()),
    }
    return {name: closure.Snapshot(a, roots, dependency_rules) for name, a in available.items()}


def _build(out, archive, snapshots, jobs, code, build):
    """{snapshot: [path of each package]}; what both have in common is built once."""
    debs = _download(archive, snapshots)
    converter = Converter(out / "packages", code)
    work = {}
    for name, snapshot in snapshots.items():
        for stanza in snapshot.stanzas.values():
            work.setdefault(converter.rpm_path(stanza, snapshot), (name, stanza))
    _convert_missing(converter, snapshots, debs, work, jobs)
    extra = handmade.build_all(out / "packages", code, _handmade_defines(snapshots, debs))
    extra += handmade.build_node(out / "packages", code, build)
    return {
        name: extra + [converter.rpm_path(s, snapshot) for s in snapshot.stanzas.values()]
        for name, snapshot in snapshots.items()
    }


def _download(archive, snapshots):
    wanted = {}
    for snapshot in snapshots.values():
        for stanza in snapshot.stanzas.values():
            wanted[stanza["Package"], stanza["Version"]] = stanza
    return archive.download(list(wanted.values()))


def _handmade_defines(snapshots, debs):
    """The language packs are compiled from the locales package of the release."""
    stanza = snapshots["release"].stanzas["locales"]
    return {"locales_deb": str(debs["locales", stanza["Version"]])}


def _convert_missing(converter, snapshots, debs, work, jobs):
    missing = [(p, *w) for p, w in work.items() if not p.exists()]
    # The largest first, so that no worker is left alone with the kernel at the end.
    missing.sort(key=lambda item: -int(item[2]["Size"]))
    todo = [(name, s, str(debs[s["Package"], s["Version"]])) for _, name, s in missing]
    with ProcessPoolExecutor(jobs, initializer=_start_worker, initargs=(converter, snapshots)) as pool:
        for number, package in enumerate(pool.map(_convert_one, todo), 1):
            if number % 25 == 0 or number == len(todo):
                say(f"built {number} of {len(todo)} packages ({package})")


def _start_worker(converter, snapshots):
    _worker.update(converter=converter, snapshots=snapshots)


def _convert_one(job):
    name, stanza, deb = job
    _worker["converter"].convert(stanza, _worker["snapshots"][name], deb)
    return stanza["Package"]


def _publish(out, snapshots, packages, jobs):
    public_key = out / "RPM-GPG-KEY-mortar"
    with Key(out / "keyring") as key:
        key.export(public_key)
        _sign(key, sorted({path for paths in packages.values() for path in paths}), jobs)
        for name in snapshots:
            say(f"writing {out / name}: {len(packages[name])} packages")
            comps = rules.HERE / "comps.xml"
            title = f"Mortar Linux 1 ({name})"
            repository.publish(out / name, packages[name], key, public_key, comps, title)


def _prune(home, packages):
    """Removes finished packages that no snapshot has any more; the newest run is the one that counts."""
    used = {path.parent for paths in packages.values() for path in paths}
    for folder in set(home.iterdir()) - used:
        shutil.rmtree(folder)


def _sign(key, packages, jobs):
    """Signs what is not signed yet; a marker beside each package says so."""
    todo = [p for p in packages if not _signed_marker(p).exists()]
    batches = [todo[i : i + _SIGN_BATCH] for i in range(0, len(todo), _SIGN_BATCH)]
    with ThreadPoolExecutor(jobs) as pool:
        for number, batch in enumerate(pool.map(partial(_sign_batch, key), batches), 1):
            say(f"signed {min(number * _SIGN_BATCH, len(todo))} of {len(todo)} packages")


def _sign_batch(key, batch):
    key.sign_packages(batch)
    for path in batch:
        _signed_marker(path).touch()


def _signed_marker(path):
    return path.with_suffix(".signed")
