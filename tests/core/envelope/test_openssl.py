"""Files exchanged with openssl, by the lines of the partners' page."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from core.envelope import DecryptionIdentity, Profile, SigningIdentity, open_, seal
from core.envelope.keyfiles import read_certificates, read_private_key

from . import openssl
from .opening import PAYLOAD, US, WAREHOUSE, opened, refused
from .parties import decryption, write

PROFILES = pytest.mark.parametrize("profile", list(Profile))
SIGNER = pytest.mark.parametrize(
    "signer", [WAREHOUSE.signing, WAREHOUSE.rsa_signing], ids=["EC", "RSA"]
)
# More than one block, with what a text mode would change.
DOCUMENT = b'{"a":\r\n "b\n\x00\x1a"}\n' * 5000


@pytest.fixture(autouse=True)
def _openssl() -> None:
    openssl.require()


def _make(
    folder: Path,
    profile: Profile,
    signer: SigningIdentity,
    *,
    document: bytes = DOCUMENT,
    sign: str = openssl.SIGN,
    encrypt: str = "",
    second: Path = Path(),
) -> bytes:
    """A file for us, made by openssl alone."""
    certificate, key = write(folder / "signing", signer)
    recipient, _ = write(folder / "us", US.decryption)
    (folder / "document").write_bytes(document)
    signed, file = folder / "signed", folder / "file.p7m"
    openssl.run(
        sign, signer=certificate, signer_key=key, document=folder / "document", signed=signed
    )
    line = encrypt or openssl.ENCRYPT[profile]
    openssl.run(line, signed=signed, file=file, recipient=recipient, second=second)
    return file.read_bytes()


@PROFILES
@SIGNER
def test_we_open_what_openssl_made(
    tmp_path: Path, profile: Profile, signer: SigningIdentity
) -> None:
    """A partner needs nothing but openssl to send to us; the document arrives byte for byte."""
    result = opened(_make(tmp_path, profile, signer), profile)
    assert result.payload == DOCUMENT
    assert result.profile is profile


@PROFILES
@pytest.mark.parametrize("signer", [US.signing, US.rsa_signing], ids=["EC", "RSA"])
def test_openssl_opens_what_we_sealed(
    tmp_path: Path, profile: Profile, signer: SigningIdentity
) -> None:
    """A partner needs nothing but openssl and our pinned certificate to read us."""
    recipient, key = write(tmp_path / "own", WAREHOUSE.decryption)
    pinned, _ = write(tmp_path / "pinned", signer)
    file, signed, document = (tmp_path / name for name in ("file.p7m", "signed", "document"))
    recipients = [WAREHOUSE.decryption.certificate]
    file.write_bytes(seal(DOCUMENT, signer=signer, recipients=recipients, profile=profile))
    openssl.run(openssl.DECRYPT, file=file, recipient=recipient, recipient_key=key, signed=signed)
    openssl.run(openssl.VERIFY, signed=signed, pinned=pinned, document=document)
    assert document.read_bytes() == DOCUMENT


def test_the_verify_line_pins(tmp_path: Path) -> None:
    """The partners' verify line refuses what another key signed, with its certificate embedded."""
    certificate, key = write(tmp_path / "signing", US.signing)
    pinned, _ = write(tmp_path / "pinned", WAREHOUSE.signing)
    signed, document = tmp_path / "signed", tmp_path / "document"
    document.write_bytes(PAYLOAD)
    openssl.run(openssl.SIGN, signer=certificate, signer_key=key, document=document, signed=signed)
    openssl.run(openssl.VERIFY, signed=signed, pinned=certificate, document=tmp_path / "right")
    with pytest.raises(subprocess.CalledProcessError):
        openssl.run(openssl.VERIFY, signed=signed, pinned=pinned, document=tmp_path / "wrong")


@PROFILES
@pytest.mark.parametrize("ours", [0, 1])
def test_openssl_encrypts_to_two_of_our_certificates(
    tmp_path: Path, profile: Profile, ours: int
) -> None:
    """While our keys overlap a file for both opens with either, alone or beside another."""
    newer = decryption("CMP, newer")
    second, _ = write(tmp_path / "newer", newer)
    line = openssl.ENCRYPT[profile] + openssl.ENCRYPT_ALSO[profile]
    data = _make(tmp_path, profile, WAREHOUSE.signing, encrypt=line, second=second)
    mine = [US.decryption, newer][ours]
    assert opened(data, profile, decryption=[mine]).payload == DOCUMENT
    assert opened(data, profile, decryption=[newer, US.decryption]).payload == DOCUMENT
    refused(data, profile, "not encrypted to us", decryption=[decryption("somebody")])


@PROFILES
def test_either_of_two_recipients_opens_with_openssl(tmp_path: Path, profile: Profile) -> None:
    """While a warehouse's keys overlap it reads what we sealed with either."""
    newer = decryption("LONDON, newer")
    both = [newer, WAREHOUSE.decryption]
    certificates = [each.certificate for each in both]
    file = tmp_path / "file.p7m"
    file.write_bytes(seal(PAYLOAD, signer=US.signing, recipients=certificates, profile=profile))
    pinned, _ = write(tmp_path / "pinned", US.signing)
    for number, own in enumerate(both):
        recipient, key = write(tmp_path / f"own{number}", own)
        signed, document = tmp_path / f"signed{number}", tmp_path / f"document{number}"
        openssl.run(
            openssl.DECRYPT, file=file, recipient=recipient, recipient_key=key, signed=signed
        )
        openssl.run(openssl.VERIFY, signed=signed, pinned=pinned, document=document)
        assert document.read_bytes() == PAYLOAD


@PROFILES
@SIGNER
def test_key_identifiers_name_signer_and_recipient(
    tmp_path: Path, profile: Profile, signer: SigningIdentity
) -> None:
    """Subject key identifiers (-keyid of openssl) name a certificate as well."""
    encrypt = openssl.ENCRYPT[profile].replace("-encrypt", "-encrypt -keyid")
    sign = openssl.SIGN.replace("-sign", "-sign -keyid", 1)
    data = _make(tmp_path, profile, signer, sign=sign, encrypt=encrypt)
    assert opened(data, profile).payload == DOCUMENT


@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
@pytest.mark.parametrize("options", ["", "-keyopt rsa_padding_mode:pss"], ids=["v1.5", "PSS"])
def test_rsa_signatures_with_longer_digests_and_pss(
    tmp_path: Path, digest: str, options: str
) -> None:
    """SHA-256 or better, with either RSA padding."""
    sign = openssl.SIGN.replace("sha256", digest).replace(" -in ", f" {options} -in ")
    data = _make(tmp_path, Profile.CMS_GCM, WAREHOUSE.rsa_signing, sign=sign)
    assert opened(data, Profile.CMS_GCM).payload == DOCUMENT


def test_a_chain_of_certificates_may_come_along(tmp_path: Path) -> None:
    """Embedded certificates are carried and ignored, however many."""
    other, _ = write(tmp_path / "other", US.signing)
    sign = openssl.SIGN.replace(" -in ", f" -certfile {other} -in ")
    data = _make(tmp_path, Profile.CMS_GCM, WAREHOUSE.signing, sign=sign)
    assert opened(data, Profile.CMS_GCM).payload == DOCUMENT


@PROFILES
def test_an_empty_document_is_an_envelopes_business(tmp_path: Path, profile: Profile) -> None:
    """What is in the document is judged later: an empty one opens."""
    data = _make(tmp_path, profile, WAREHOUSE.signing, document=b"")
    assert opened(data, profile).payload == b""


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("-md sha256", "-md sha1"), "weak or unknown digest"),
        (("-md sha256", "-md md5"), "weak or unknown digest"),
        (("-nodetach ", ""), "parsing asn1"),
        (("-nodetach", "-nodetach -noattr"), "parsing asn1"),
        (("-nodetach", "-nodetach -stream"), "parsing asn1"),
        (("-nodetach", "-nodetach -econtent_type 1.2.840.113549.1.9.16.1.4"), "something else"),
        (("DER", "PEM"), "parsing asn1"),
    ],
    ids=["SHA-1", "MD5", "detached", "no attributes", "BER", "content type", "PEM"],
)
def test_signed_otherwise(tmp_path: Path, change: tuple[str, str], why: str) -> None:
    """What openssl can sign in another way than the partners' page says is refused."""
    line = openssl.SIGN.replace(*change)
    assert line != openssl.SIGN
    # ECDSA has no MD5.
    data = _make(tmp_path, Profile.CMS_GCM, WAREHOUSE.rsa_signing, sign=line)
    refused(data, Profile.CMS_GCM, why)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("-aes-256-gcm", "-aes-128-gcm"), "another version, type or algorithm"),
        (("-aes-256-gcm", "-aes-256-cbc"), "parsing asn1"),
        (("oaep_md:sha256", "oaep_md:sha1"), "parsing asn1"),
        (("oaep_md:sha256", "oaep_md:sha512"), "not encrypted with RSA-OAEP"),
        (("oaep_md:sha256", "oaep_md:sha256 -keyopt rsa_mgf1_md:sha512"), "not encrypted with RSA"),
        (
            ("-keyopt rsa_padding_mode:oaep -keyopt rsa_oaep_md:sha256", ""),
            "not encrypted with RSA",
        ),
        (("-binary", "-binary -stream"), "parsing asn1"),
        (("DER", "SMIME"), "parsing asn1"),
    ],
    ids=["AES-128", "CBC", "SHA-1", "SHA-512", "MGF1", "v1.5", "BER", "S/MIME"],
)
def test_encrypted_otherwise(tmp_path: Path, change: tuple[str, str], why: str) -> None:
    """What openssl can encrypt in another way than the profile says is refused."""
    line = openssl.ENCRYPT[Profile.CMS_GCM].replace(*change)
    assert line != openssl.ENCRYPT[Profile.CMS_GCM]
    data = _make(tmp_path, Profile.CMS_GCM, WAREHOUSE.signing, encrypt=line)
    refused(data, Profile.CMS_GCM, why)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("-aes-256-cbc", "-aes-128-cbc"), "another version, type or algorithm"),
        (("-aes-256-cbc", "-des3"), "another version, type or algorithm"),
        (("-aes-256-cbc", "-aes-256-gcm"), "parsing asn1"),
        (("{recipient}", "{recipient} -keyopt rsa_padding_mode:oaep"), "asn1"),
        (("-binary", "-binary -stream"), "parsing asn1"),
    ],
    ids=["AES-128", "3DES", "GCM", "OAEP", "BER"],
)
def test_encrypted_otherwise_in_the_older_profile(
    tmp_path: Path, change: tuple[str, str], why: str
) -> None:
    """The older profile is as narrow as the default one."""
    line = openssl.ENCRYPT[Profile.CMS_CBC].replace(*change)
    assert line != openssl.ENCRYPT[Profile.CMS_CBC]
    data = _make(tmp_path, Profile.CMS_CBC, WAREHOUSE.signing, encrypt=line)
    refused(data, Profile.CMS_CBC, why)


@PROFILES
def test_a_second_signature_added_with_openssl(tmp_path: Path, profile: Profile) -> None:
    """A file signed again by somebody else beside the right signer has two signers: refused."""
    certificate, key = write(tmp_path / "second", US.rsa_signing)
    sign = openssl.SIGN.replace(" -in ", f" -signer {certificate} -inkey {key} -in ")
    data = _make(tmp_path, profile, WAREHOUSE.signing, sign=sign)
    refused(data, profile, "2 signers")


def test_keys_made_with_openssl_serve(tmp_path: Path) -> None:
    """Keys and certificates made by the lines of the partners' page sign, encrypt and decrypt."""
    for line, name in (
        (openssl.MAKE_SIGNING, "ec"),
        (openssl.MAKE_RSA_SIGNING, "rsa"),
        (openssl.MAKE_ENCRYPTION, "encryption"),
    ):
        key, certificate = tmp_path / f"{name}.key", tmp_path / f"{name}.pem"
        openssl.run(line, key=key, certificate=certificate, name="LONDON")
    [recipient] = read_certificates(tmp_path / "encryption.pem")
    own = read_private_key(tmp_path / "encryption.key")
    assert isinstance(own, RSAPrivateKey)
    for name in ("ec", "rsa"):
        [pinned] = read_certificates(tmp_path / f"{name}.pem")
        signer = SigningIdentity(read_private_key(tmp_path / f"{name}.key"), pinned)
        for profile in Profile:
            data = seal(PAYLOAD, signer=signer, recipients=[recipient], profile=profile)
            result = open_(
                data,
                decryption=[DecryptionIdentity(own, recipient)],
                signers=[pinned],
                profiles=list(Profile),
            )
            assert result.payload == PAYLOAD
