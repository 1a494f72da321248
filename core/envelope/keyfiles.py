"""Read certificates and private keys from PEM files, with errors that an operator can act on."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

# A chain of certificates or a key of 16,384 bits is far below it.
_LARGEST: Final = 256 * 1024
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_SYSTEMD: Final = 0o440


class KeyringError(Exception):
    """A key or certificate that the operator must mend: what, where, and what is allowed.

    `problems` has one sentence each; none quotes the content of a file.
    """

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def read_certificates(path: Path) -> list[x509.Certificate]:
    """The certificates of a PEM file, at least one; KeyringError otherwise."""
    data, _ = _read(path)
    try:
        return x509.load_pem_x509_certificates(data)
    except ValueError:
        raise KeyringError(f"{path}: no certificate in it; PEM is allowed") from None


def read_private_key(path: Path) -> PrivateKey:
    """The private key of a PEM file that nobody else can read; KeyringError otherwise."""
    data, status = _read(path)
    mode = stat.S_IMODE(status.st_mode)
    of_systemd = mode == _SYSTEMD and status.st_uid == 0 and status.st_gid == 0
    if mode & _OTHERS and not of_systemd:
        raise KeyringError(
            f"{path}: others may use the private key (mode {mode:04o});"
            " 0400 and 0600 are allowed, and 0440 of root:root"
        )
    if status.st_uid not in {0, os.geteuid()}:
        raise KeyringError(
            f"{path}: the private key belongs to user {status.st_uid}; root or oneself is allowed"
        )
    try:
        key = load_pem_private_key(data, password=None)
    except TypeError:
        raise KeyringError(
            f"{path}: the private key has a passphrase; PKCS#8 PEM without one is allowed"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        # The library's text could say something of the key.
        raise KeyringError(
            f"{path}: no private key in it; PKCS#8 PEM without a passphrase is allowed"
        ) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise KeyringError(f"{path}: the private key is neither EC nor RSA; these are allowed")
    return key


def _read(path: Path) -> tuple[bytes, os.stat_result]:
    # What is checked must be what is read, so both through one descriptor; a pipe must not block.
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise KeyringError(f"{path}: can't be read: {error.strerror}") from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_size > _LARGEST:
            raise KeyringError(f"{path}: a regular file of at most {_LARGEST} bytes is allowed")
        return os.read(descriptor, _LARGEST), status
    except OSError as error:
        raise KeyringError(f"{path}: can't be read: {error.strerror}") from None
    finally:
        os.close(descriptor)
