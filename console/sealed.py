"""Looking into one sealed file: its structure without keys, its content with them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cryptography.hazmat import asn1

from console import show
from console.exits import Refusal
from core import envelope
from core.envelope import KeyringError, Profile, encrypted, structures
from core.envelope.identity import Use
from core.envelope.keyring import Keyring
from core.envelope.naming import names
from core.envelope.structures import IssuerAndSerialNumber, KeyTransRecipientInfo

ALGORITHMS = {
    structures.RSA_ENCRYPTION.dotted_string: "RSA PKCS#1 v1.5",
    structures.RSAES_OAEP.dotted_string: "RSA-OAEP",
}
CONTENT = {
    Profile.CMS_GCM: ("AuthEnvelopedData (RFC 5083)", "AES-256-GCM"),
    Profile.CMS_CBC: ("EnvelopedData (RFC 5652)", "AES-256-CBC"),
}


def inspect(data: bytes, trust: Path) -> dict[str, Any]:
    """Structure, algorithms and recipients; Refusal if it is no file of ours or a partner's."""
    try:
        sealed = encrypted.read(data, list(Profile))
        infos = structures.members(sealed.recipient_infos)
    except ValueError as error:
        raise Refusal(
            "this is no CMS file of a profile that is used here: DER, AuthEnvelopedData with "
            "AES-256-GCM or EnvelopedData with AES-256-CBC"
        ) from error
    structure, content = CONTENT[sealed.profile]
    try:
        keyring = envelope.load(trust, None)
    except KeyringError:
        keyring = None  # Without the trust directory a recipient is a number.
    return {
        "bytes": len(data),
        "profile": sealed.profile,
        "structure": structure,
        "content_encryption": content,
        "content_bytes": len(sealed.content),
        "recipients": [_recipient(info, keyring) for info in infos],
        "signature": "inside, readable for a recipient only",
    }


def _recipient(info: asn1.TLV, keyring: Keyring | None) -> dict[str, Any]:
    if info.tag_bytes != structures.SEQUENCE:
        return {"kind": "no key transport: not used here"}
    entry = info.parse(KeyTransRecipientInfo)
    identifier = entry.identifier
    known = _known(identifier, keyring) if keyring else None
    if isinstance(identifier, bytes):
        told: dict[str, Any] = {"key_identifier": identifier.hex()}
    else:
        told = {"serial_number": f"{identifier.serial_number:x}"}
    algorithm = _algorithm(entry.key_encryption_algorithm)
    return {**told, "key_encryption": ALGORITHMS.get(algorithm, algorithm), "known_as": known}


def _algorithm(encoded: asn1.TLV) -> str:
    try:
        return str(encoded.parse(structures.KeyEncryptionAlgorithm).algorithm.dotted_string)
    except ValueError:
        return "not used here"


def _known(identifier: IssuerAndSerialNumber | bytes, keyring: Keyring) -> str | None:
    """The file of the trust directory whose certificate it is."""
    from core.envelope.keyfiles import read_certificates  # noqa: PLC0415

    for listed in keyring.certificates():
        if listed.use is Use.ENCRYPTION and any(
            names(identifier, certificate) for certificate in read_certificates(listed.path)
        ):
            return f"{listed.owner}/{listed.path.name}"
    return None


def tell(told: dict[str, Any]) -> None:
    """The same for people."""
    console = show.terminal()
    table = show.table(
        ("", ""),
        [(name.replace("_", " "), value) for name, value in told.items() if name != "recipients"],
    )
    table.show_header = False
    console.print(table)
    columns = ("recipient", "known as", "key encryption")
    rows = [
        (
            one.get("serial_number") or one.get("key_identifier") or one.get("kind"),
            one.get("known_as"),
            one.get("key_encryption"),
        )
        for one in told["recipients"]
    ]
    console.print()
    console.print(show.table(columns, rows))


def open_file(data: bytes, trust: Path, keys: Path | None, signer: str) -> bytes:
    """The payload, decrypted and verified; Reject(ENVELOPE_REFUSED) whatever is wrong with it."""
    if keys is None:
        raise Refusal("--keys names the directory with decryption.key; without it nothing opens")
    keyring = envelope.load(trust, keys)
    opened = envelope.open_(
        data,
        decryption=keyring.decryption,
        signers=keyring.signers_of(signer),
        revoked=keyring.revoked_of(signer),
        profiles=list(Profile),
    )
    return opened.payload
