#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Resolves the same requests with dnf and with our solver, and compares the sets (TAP).

ASHLAR_DISTRO names the directory that holds the repositories "release" and "updates" (tests/distro makes
it; default ~/.cache/ashlar/distro). More requests can be given as arguments, in the syntax of REQUESTS.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile

# repositories, then what is asked for: names, @groups, @^environments, -exclusions
REQUESTS = [
    "release: bash",
    "release: systemd",
    "release: @core",
    "release: @core openssh-server sudo curl",
    "release: python3 dnf rpm",
    "release: 'python3*'",
    "release: /usr/bin/vim.tiny /usr/sbin/sshd",
    "release: 'systemd*' -systemd-boot*",
    "release: bash.x86_64 coreutils",
    "release: *",
    "updates: @core",
    "updates: openssh-server cloud-init dracut",
    "release,updates: @core systemd",
    "release,updates: 'lib*' bash",
]


def skip(why):
    print(f"1..0 # SKIP {why}")
    sys.exit(0)


try:
    import dnf
    import dnf.exceptions
except ImportError:
    skip("the Python module dnf is not there (Debian: python3-dnf; Fedora: python3-dnf)")

DISTRO = os.environ.get("ASHLAR_DISTRO", os.path.expanduser("~/.cache/ashlar/distro"))
CLI = os.path.join(os.environ.get("top_builddir", "."), "tests/solver/solve-cli")


def nevra(package):
    """The package as solve-cli prints it: no epoch 0."""
    epoch = f"{package.epoch}:" if package.epoch else ""
    return f"{package.name}-{epoch}{package.version}-{package.release}.{package.arch}"


def dnf_set(work, repos, specs, excludes, weak):
    with dnf.Base() as base:
        conf = base.conf
        conf.installroot = os.path.join(work, "root")
        for directory in ("cachedir", "logdir", "persistdir"):
            path = os.path.join(work, "dnf", directory)
            os.makedirs(path, exist_ok=True)
            setattr(conf, directory, path)
        conf.reposdir = []
        conf.substitutions["arch"] = conf.substitutions["basearch"] = "x86_64"
        conf.substitutions["releasever"] = "1"
        conf.best = True
        conf.install_weak_deps = weak
        conf.zchunk = False
        for repo in repos:
            base.repos.add_new_repo(repo, conf, baseurl=["file://" + os.path.join(DISTRO, repo)])
        base.fill_sack(load_system_repo=False)
        base.read_comps(arch_filter=True)
        try:
            base.install_specs(specs, exclude=excludes)
            base.resolve()
        except dnf.exceptions.Error as error:
            return None, str(error)
        return sorted(nevra(package) for package in base.transaction.install_set), ""


def our_set(work, repos, specs, excludes, weak):
    command = [CLI, "--cache", os.path.join(work, "cache"), "--nevra", "--nocore"]
    command += [f"--repo={repo}=" + os.path.join(DISTRO, repo) for repo in repos]
    command += [f"--exclude={exclude}" for exclude in excludes]
    command += [] if weak else ["--noweak"]
    for spec in specs:
        if spec.startswith("@^"):
            command.append("--environment=" + spec[2:])
        elif spec.startswith("@"):
            command.append("--group=" + spec[1:])
        else:
            command.append(spec)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (sorted(done.stdout.split()), "") if done.returncode == 0 else (None, done.stderr)


def compare(number, work, request, weak):
    repos, _, text = request.partition(":")
    words = shlex.split(text)
    specs = [word for word in words if not word.startswith("-")]
    excludes = [word[1:] for word in words if word.startswith("-")]
    theirs, their_error = dnf_set(work, repos.split(","), specs, excludes, weak)
    ours, our_error = our_set(work, repos.split(","), specs, excludes, weak)
    same = ours is not None and theirs == ours
    count = "no set" if ours is None else f"{len(ours)} packages"
    label = f"{request} ({'weak' if weak else 'no weak'}: {count})".replace("#", " ")
    print(f"{'ok' if same else 'not ok'} {number} - {label}", flush=True)
    if same:
        return True
    for title, text in (("dnf", their_error), ("ashlar", our_error)):
        for line in text.splitlines():
            print(f"# {title}: {line}")
    for name in sorted(set(theirs or []) - set(ours or [])):
        print(f"# only dnf: {name}")
    for name in sorted(set(ours or []) - set(theirs or [])):
        print(f"# only ashlar: {name}")
    return False


def main():
    if not os.path.exists(os.path.join(DISTRO, "release/repodata/repomd.xml")):
        skip(f"no repository in {DISTRO} (tests/distro makes it; ASHLAR_DISTRO names it)")
    requests = REQUESTS + sys.argv[1:]
    if not os.path.exists(os.path.join(DISTRO, "updates/repodata/repomd.xml")):
        requests = [request for request in requests if "updates" not in request.partition(":")[0]]
    print(f"1..{2 * len(requests)}")
    work = tempfile.mkdtemp(prefix="ashlar-compare-dnf.sh-")
    try:
        good = [compare(2 * i + 1 + j, work, request, weak)
                for i, request in enumerate(requests) for j, weak in enumerate((True, False))]
    finally:
        shutil.rmtree(work)
    return 0 if all(good) else 1


sys.exit(main())
