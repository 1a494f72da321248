"""Builds the Debian package: sales-orders with an environment of its own under /usr/lib.

`python -m debian.build [--version VERSION] [FOLDER]` prints the path of what it has made. It needs
dpkg-deb and nothing else: no network, no build tools, no root.

The package has, file for file, what this environment was made of and what the tests have run with:
the distributions that the project needs, as pip recorded them when it had checked the hashes of
requirements/dev.txt. Compiled extensions are for one minor version of Python, so the package asks
for that one. The same content gives the same package, byte for byte.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from debian import manual

ROOT = Path(__file__).parent.parent
NAME = "sales-orders"
HOME = Path("usr/lib") / NAME
SHARE = Path("usr/share") / NAME
DOC = Path("usr/share/doc") / NAME
CODE = ("core", "daemons", "console", "schemas")
MINOR = sys.version_info.minor
EPOCH = "1767225600"
"""Of all files: a package says what it is by its version, not by when it was made."""

CONTROL = f"""\
Package: {NAME}
Version: {{version}}
Architecture: {{architecture}}
Maintainer: CMP operations <cmp-operations@example.org>
Installed-Size: {{size}}
Depends: python3 (>= 3.{MINOR}), python3 (<< 3.{MINOR + 1}~), systemd (>= 252), libc6 (>= 2.28)
Suggests: postgresql (>= 15), prometheus-node-exporter, openssh-server
Section: net
Priority: optional
Description: takes sales orders to warehouses and brings their answers back
 Four daemons take the sales orders of a telecom to its warehouses as signed and
 encrypted files and bring the answers back: nothing is lost, nothing is sent or
 billed twice. PostgreSQL is the source of truth, cmp-orders the console.
"""

START = """\
#!/usr/lib/sales-orders/bin/python3 -I
import sys
from {module} import {function}
sys.exit({function}())
"""


def build(folder: Path, version: str, *, compression: str = "xz") -> Path:
    """Make the package in the folder; its path. `compression` is one of dpkg-deb's."""
    with tempfile.TemporaryDirectory(prefix="sales-orders-deb-") as made:
        tree = Path(made)
        tree.chmod(0o755)
        _environment(tree / HOME)
        _units(tree)
        _documents(tree, version)
        _normalise(tree)
        architecture = _run("dpkg", "--print-architecture")
        _control(tree, version, architecture)
        package = folder / f"{NAME}_{version}_{architecture}.deb"
        folder.mkdir(parents=True, exist_ok=True)
        _run(
            "dpkg-deb", f"-Z{compression}", "--root-owner-group", "--build", str(tree), str(package)
        )
    return package


def _environment(home: Path) -> None:
    """A virtual environment of the system's Python with the project and all that it needs."""
    packages = home / "lib" / f"python3.{MINOR}" / "site-packages"
    packages.mkdir(parents=True)
    (home / "bin").mkdir()
    (home / "bin" / "python3").symlink_to(f"../../../bin/python3.{MINOR}")
    (home / "pyvenv.cfg").write_text(
        f"home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.{MINOR}\n"
    )
    for distribution in _needed(Requirement(NAME), {}).values():
        _copy_distribution(distribution, packages)
    for code in CODE:
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / code, packages / code, ignore=ignored)
    for command in _commands():
        module, _, function = command.value.partition(":")
        script = home / "bin" / command.name
        script.write_text(START.format(module=module, function=function))
        script.chmod(0o755)


def _needed(
    wanted: Requirement, found: dict[str, metadata.Distribution]
) -> dict[str, metadata.Distribution]:
    """The distribution and, with it, all that it needs here."""
    distribution = metadata.distribution(wanted.name)
    key = re.sub(r"[-_.]+", "-", wanted.name).lower()
    if key in found and not wanted.extras:
        return found
    found[key] = distribution
    for text in distribution.requires or ():
        requirement = Requirement(text)
        extras = wanted.extras or {""}
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras):
            _needed(requirement, found)
    return found


def _copy_distribution(distribution: metadata.Distribution, packages: Path) -> None:
    """What pip recorded of it, but for commands, bytecode and what says where it came from."""
    for file in distribution.files or ():
        place = Path(str(file))
        if place.parts[0] == ".." or place.suffix in {".pyc", ".pth"}:
            continue
        if place.name in {"direct_url.json", "RECORD", "REQUESTED", "INSTALLER"}:
            continue
        target = packages / place
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(str(file.locate()), target)


def _commands() -> Iterator[metadata.EntryPoint]:
    yield from sorted(
        metadata.distribution(NAME).entry_points.select(group="console_scripts"),
        key=lambda command: command.name,
    )


def _units(tree: Path) -> None:
    """The units, users, directories, and what operators copy from."""
    systemd = ROOT / "systemd"
    units = tree / "lib/systemd/system"
    for source in sorted(systemd.glob("sales-order*")):
        if source.suffix in {".service", ".target", ".timer"}:
            _put(source, units / source.name)
    drop_in = Path("sales-order-.service.d/10-hardening.conf")
    _put(systemd / drop_in, units / drop_in)
    for kind in ("sysusers", "tmpfiles"):
        _put(systemd / f"{NAME}.{kind}.conf", tree / f"usr/lib/{kind}.d/{NAME}.conf")
        _put(systemd / f"partner.{kind}.conf", tree / SHARE / f"partner.{kind}.conf")
    for ready in ("remote-database.conf", "fraud-service.conf"):
        _put(systemd / ready, tree / SHARE / ready)
    for source in sorted((ROOT / "etc" / "monitoring").iterdir()):
        _put(source, tree / SHARE / "monitoring" / source.name)
        if source.read_bytes().startswith(b"#!"):
            (tree / SHARE / "monitoring" / source.name).chmod(0o755)
    _put(ROOT / "etc" / f"{NAME}.properties", tree / "etc" / NAME / f"{NAME}.properties")
    for command in _commands():
        link = tree / "usr/bin" / command.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(f"../lib/{NAME}/bin/{command.name}")


def _documents(tree: Path, version: str) -> None:
    for page in sorted((ROOT / "docs").rglob("*.md")):
        _put(page, tree / DOC / page.relative_to(ROOT / "docs"))
    _put(ROOT / "debian" / "copyright", tree / DOC / "copyright")
    entry = (
        f"{NAME} ({version}) stable; urgency=medium\n\n  * See CHANGELOG.md.gz.\n\n"
        " -- CMP operations <cmp-operations@example.org>  Thu, 01 Jan 2026 00:00:00 +0000\n"
    )
    _put_zipped(tree / DOC / "changelog.gz", entry)
    _put_zipped(tree / DOC / "CHANGELOG.md.gz", (ROOT / "CHANGELOG.md").read_text("utf-8"))
    for command in _commands():
        section = 1 if command.name == "cmp-orders" else 8
        text = manual.page(command.name, section, command.value.partition(":")[0])
        _put_zipped(tree / f"usr/share/man/man{section}/{command.name}.{section}.gz", text)


def _put(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _put_zipped(target: Path, text: str) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(gzip.compress(text.encode(), mtime=0))


def _normalise(tree: Path) -> None:
    """Modes that do not depend on who builds: what starts with #! runs, all is readable."""
    for path in tree.rglob("*"):
        if path.is_symlink():
            continue
        if path.is_dir():
            path.chmod(0o755)
        else:
            path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)


def _control(tree: Path, version: str, architecture: str) -> None:
    """The package's own papers: control, sums, the file that is the operator's, the scripts."""
    files = sorted(path for path in tree.rglob("*") if path.is_file() and not path.is_symlink())
    size = sum(path.stat().st_size for path in files) // 1024
    sums = [
        # The format of md5sums(5): against accidents, no protection.
        f"{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}"
        f"  {path.relative_to(tree)}\n"
        for path in files
        if not path.is_relative_to(tree / "etc")
    ]
    control = tree / "DEBIAN"
    control.mkdir()
    (control / "control").write_text(
        CONTROL.format(version=version, architecture=architecture, size=size)
    )
    (control / "md5sums").write_text("".join(sums))
    (control / "conffiles").write_text(f"/etc/{NAME}/{NAME}.properties\n")
    for script in ("preinst", "postinst", "prerm", "postrm"):
        source = ROOT / "debian" / script
        if source.exists():
            _put(source, control / script)
            (control / script).chmod(0o755)


def _run(*command: str) -> str:
    environ = {**os.environ, "SOURCE_DATE_EPOCH": EPOCH, "LC_ALL": "C"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environ)
    return done.stdout.strip()


def main() -> None:
    """Build into a folder and print what was made."""
    parser = argparse.ArgumentParser(prog="python -m debian.build", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "dist")
    parser.add_argument("--version", default=metadata.version(NAME), help="default: %(default)s")
    arguments = parser.parse_args()
    print(build(arguments.folder, arguments.version))  # noqa: T201  # its purpose


if __name__ == "__main__":
    main()
