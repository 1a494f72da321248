"""The openssl command lines of the partners' page, as the tests run them.

OpenSSL 3.0 or newer. Each is one line with `{names}` for files; `run` fills them in.
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path
from typing import Final

import pytest

from core.envelope import Profile

_OAEP: Final = "-keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha256"

MAKE_SIGNING: Final = (
    "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc"
    " -keyout {key} -out {certificate} -days 730 -subj /CN={name}"
    " -addext keyUsage=critical,digitalSignature -addext basicConstraints=critical,CA:FALSE"
)
MAKE_RSA_SIGNING: Final = MAKE_SIGNING.replace("ec -pkeyopt ec_paramgen_curve:P-256", "rsa:3072")
MAKE_ENCRYPTION: Final = MAKE_RSA_SIGNING.replace("digitalSignature", "keyEncipherment")

SIGN: Final = (
    "openssl cms -sign -binary -nodetach -md sha256 -signer {signer} -inkey {signer_key}"
    " -in {document} -outform DER -out {signed}"
)
ENCRYPT: Final = {
    Profile.CMS_GCM: (
        "openssl cms -encrypt -binary -aes-256-gcm -in {signed} -outform DER -out {file}"
        f" -recip {{recipient}} {_OAEP}"
    ),
    Profile.CMS_CBC: (
        "openssl cms -encrypt -binary -aes-256-cbc -in {signed} -outform DER -out {file}"
        " -recip {recipient}"
    ),
}
# Appended for each further certificate while two of ours overlap.
ENCRYPT_ALSO: Final = {
    Profile.CMS_GCM: f" -recip {{second}} {_OAEP}",
    Profile.CMS_CBC: " -recip {second}",
}
DECRYPT: Final = (
    "openssl cms -decrypt -binary -inform DER -in {file} -recip {recipient}"
    " -inkey {recipient_key} -out {signed}"
)
VERIFY: Final = (
    "openssl cms -verify -binary -inform DER -in {signed} -nointern -certfile {pinned}"
    " -CAfile {pinned} -no-CApath -no-CAstore -purpose any -out {document}"
)


def run(line: str, **names: Path | str) -> None:
    """Run a line with the names filled in; CalledProcessError if openssl fails."""
    arguments = [part.format(**names) for part in shlex.split(line)]
    subprocess.run(arguments, check=True, capture_output=True, timeout=60)


def require() -> None:
    """Skip the test, with the reason, where there is no openssl of version 3 or newer."""
    program = shutil.which("openssl")
    if program is None:
        pytest.skip("no openssl program on the PATH")
    answer = subprocess.run([program, "version"], check=True, capture_output=True, text=True)
    version = answer.stdout.split()
    if version[0] != "OpenSSL" or int(version[1].split(".")[0]) < 3:
        pytest.skip(f"openssl 3 or newer is needed, this is {answer.stdout.strip()}")
