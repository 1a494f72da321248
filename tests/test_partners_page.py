"""The openssl lines of docs/partners.md, run as they stand there."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from core import envelope
from core.documents import (
    PartnerAcknowledgement,
    read_dispatch,
    read_received,
    validate_acknowledgement,
)
from core.envelope import Profile
from tests.core.documents.samples import example_bytes

PAGE = Path(__file__).parent.parent / "docs" / "partners.md"
KEYS, FINGERPRINT, OPEN, SEND, ENCRYPT_CBC, OPEN_ACKNOWLEDGEMENT, SEND_ACKNOWLEDGEMENT = range(7)


def blocks(language: str) -> list[str]:
    """The page's blocks of code, in their order."""
    found = re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    return list(found)


def run(block: int, folder: Path) -> str:
    """Run a block as a partner would paste it; what it printed."""
    script = f"set -eu\n{blocks('sh')[block]}"
    done = subprocess.run(
        ["bash", "-c", script], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def partner(tmp_path: Path) -> Path:
    """A partner's folder, with keys made by the page's lines and our certificates."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed: a partner's side cannot be tried")
    envelope.generate("us", tmp_path / "trust", tmp_path / "credentials")
    folder = tmp_path / "partner"
    folder.mkdir()
    run(KEYS, folder)
    theirs = tmp_path / "trust" / "LONDON"
    theirs.mkdir()
    for use in ("signing", "encryption"):
        shutil.copy(tmp_path / "trust" / "own" / f"{use}.pem", folder / f"cmp-{use}.pem")
        shutil.copy(folder / f"london-{use}.pem", theirs / f"{use}.pem")
    return folder


def ours(partner: Path) -> envelope.Keyring:
    """Our keyring, with the partner pinned."""
    return envelope.load(partner.parent / "trust", partner.parent / "credentials")


@pytest.mark.parametrize("profile", list(Profile))
def test_a_partner_opens_our_file(partner: Path, profile: Profile) -> None:
    """What we seal, in either envelope, comes out of the page's lines as it went in."""
    keys = ours(partner)
    recipients = keys.encryption_for("LONDON")
    sealed = envelope.seal(b'{"a":1}', signer=keys.signing, recipients=recipients, profile=profile)
    (partner / "order-request.p7m").write_bytes(sealed)
    run(OPEN, partner)
    assert (partner / "order-request.json").read_bytes() == b'{"a":1}'


@pytest.mark.parametrize("profile", list(Profile))
def test_we_open_a_partners_file(partner: Path, profile: Profile) -> None:
    """The page's example of an answer, sent by the page's lines, is opened and accepted."""
    (partner / "order-dispatch.json").write_text(blocks("json")[0], encoding="utf-8")
    run(SEND, partner)
    if profile is Profile.CMS_CBC:
        run(ENCRYPT_CBC, partner)
        (partner / ".order-dispatch.unfinished").rename(partner / "order-dispatch.p7m")
    keys = ours(partner)
    opened = envelope.open_(
        (partner / "order-dispatch.p7m").read_bytes(),
        decryption=keys.decryption,
        signers=keys.signers_of("LONDON"),
        profiles={profile},
    )
    document = read_dispatch(opened.payload, "LONDON")
    assert (len(document.detail_rows), len(document.line_rows)) == (1, 2)


def test_fingerprints_can_be_compared(partner: Path) -> None:
    """The page's line prints the fingerprint that `cmp-orders keys list` shows."""
    printed = run(FINGERPRINT, partner).partition("=")[2].strip().replace(":", "").lower()
    assert printed in {one.fingerprint for one in ours(partner).certificates()}


def test_a_partner_opens_our_acknowledgement(partner: Path) -> None:
    """An acknowledgement of ours comes out of the page's lines, and matches its schema."""
    keys = ours(partner)
    sealed = envelope.seal(
        example_bytes("acknowledgement.example.json"),
        signer=keys.signing,
        recipients=keys.encryption_for("LONDON"),
        profile=Profile.CMS_GCM,
    )
    (partner / "acknowledgement.p7m").write_bytes(sealed)
    run(OPEN_ACKNOWLEDGEMENT, partner)
    validate_acknowledgement(json.loads((partner / "acknowledgement.json").read_bytes()))


def test_we_open_a_partners_acknowledgement(partner: Path) -> None:
    """The page's example of a partner's acknowledgement, sent by its lines, is taken in."""
    (partner / "our-acknowledgement.json").write_text(blocks("json")[1], encoding="utf-8")
    run(SEND_ACKNOWLEDGEMENT, partner)
    keys = ours(partner)
    opened = envelope.open_(
        (partner / "our-acknowledgement.p7m").read_bytes(),
        decryption=keys.decryption,
        signers=keys.signers_of("LONDON"),
        profiles={Profile.CMS_GCM},
    )
    said = read_received(opened.payload, "LONDON")
    assert isinstance(said, PartnerAcknowledgement)
    assert (said.verdict, said.identifier) == ("ACCEPTED", 900017)
