"""A clean Debian 12 to install on, made by mmdebstrap with the mirror that this machine uses."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

RELEASE = "bookworm"
THERE = "systemd,systemd-sysv,dbus"
"""What a server of it has at least."""
WITHIN_REACH = "python3 postgresql openssh-server sudo"
"""What apt finds in its cache, for a box has no network: what the operator's page installs."""
SOURCES = (Path("/etc/apt/sources.list.d/debian.sources"), Path("/etc/apt/sources.list"))


class Debian:
    """The root of a Debian, made in the background from `with` on and removed at its end."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = folder / "log"
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        if shutil.which("mmdebstrap") is not None:
            sources = [str(one) for one in SOURCES if one.exists() and RELEASE in one.read_text()]
            download = "apt-get install -q -y --no-install-recommends --download-only"
            with self._log.open("wb") as log:
                self._process = subprocess.Popen(
                    ["nice", "mmdebstrap", "--variant=minbase", f"--include={THERE}"]
                    # Lists and cache stay: with them apt needs no network.
                    + ["--skip=cleanup/apt", "--dpkgopt=force-unsafe-io"]
                    + [f'--customize-hook=chroot "$1" {download} {WITHIN_REACH}']
                    + [RELEASE, str(self._folder / "root"), *sources[:1]],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
        return self

    def __exit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        if self._process is not None:
            # It cleans up after itself when it is asked to end.
            self._process.terminate()
            self._process.wait()
        shutil.rmtree(self._folder)

    def root(self) -> Path:
        """Wait until it is made; skips, saying why, where that is not possible."""
        if self._process is None:
            pytest.skip("mmdebstrap is not installed: on Debian, apt install mmdebstrap")
        if self._process.wait() != 0:
            lines = self._log.read_text("utf-8", "replace").splitlines()
            pytest.skip(f"no clean Debian could be made: {' | '.join(lines[-3:])}")
        return self._folder / "root"
