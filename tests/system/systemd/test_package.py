"""The Debian package as a file: the same each time, clean, with manual pages."""

from __future__ import annotations

import filecmp
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from debian import manual
from debian.build import build
from tests.system.systemd.conftest import VERSION


def test_same_content_same_package(package: Path, tmp_path: Path) -> None:
    """Built twice, the package is the same, byte for byte."""
    again = build(tmp_path, VERSION, compression="none")
    assert filecmp.cmp(package, again, shallow=False)


def test_nothing_of_the_builder(package: Path, tmp_path: Path) -> None:
    """The package names no path of the machine that built it, holds no bytecode, and all in it
    belongs to root and can be read by everybody.
    """
    listed = subprocess.run(
        ["dpkg-deb", "--contents", package], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    assert not [line for line in listed if ".pyc" in line]
    assert all(line.split()[1] == "root/root" for line in listed)
    assert all(re.match(r"[-d]rw.r-.r-.|l", line) for line in listed)
    subprocess.run(["dpkg-deb", "--raw-extract", package, tmp_path / "x"], check=True)
    checkout = str(Path(__file__).parents[3])
    found = subprocess.run(
        ["grep", "-rIlF", checkout, tmp_path / "x"], check=False, capture_output=True, text=True
    )
    assert found.stdout == ""


@pytest.mark.full
def test_lintian(package: Path) -> None:
    """Debian's own critic finds no error but those that an environment of one's own brings."""
    if shutil.which("lintian") is None:
        pytest.skip("lintian is not installed")
    ours = [
        # The tests do not pack it, which takes longest.
        "uses-no-compression-for-control-tarball",
        "uses-no-compression-for-data-tarball",
        # Wheels bring their libraries, licences and byte-for-byte files of their own.
        "embedded-library",
        "unstripped-binary-or-object",
        "shared-library-lacks-prerequisites",
        "custom-library-search-path",
        "library-not-linked-against-libc",
        "python3-script-but-no-python3-dep",
        "wrong-path-for-interpreter",
    ]
    told = subprocess.run(
        ["lintian", "--fail-on", "error", "--suppress-tags", ",".join(ours), package],
        check=False,
        capture_output=True,
        text=True,
    )
    assert told.returncode == 0, told.stdout + told.stderr


@pytest.mark.parametrize("module", ["daemons.dispatch", "daemons.load_from_generic", "console"])
def test_manual_pages(module: str) -> None:
    """Every heading of a daemon's docstring is one of its manual page; groff has no complaint."""
    section = 1 if module == "console" else 8
    page = manual.page(f"cmp-{module}", section, module)
    assert ".SH NAME" in page
    assert '.SH "EXIT STATUS"' in page
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed")
    done = subprocess.run(
        ["groff", "-man", "-ww", "-z", "-Kutf8"],
        input=page,
        check=False,
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
