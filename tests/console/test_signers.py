"""A partner's certificate ends, is renewed, or is revoked: what becomes of its files."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from core.envelope import Profile, Use
from core.envelope.generate import self_signed
from core.envelope.keyfiles import PrivateKey, read_private_key
from tests.console.conftest import Counter
from tests.core.envelope import openssl
from tests.daemons.depot import GOOD, PARTNER, partner_acknowledgement

OUTWARD = "ENVELOPE_REFUSED"


def key_of(counter: Counter) -> Path:
    """The file of the partner's signing key."""
    return counter.keys / PARTNER / "credentials" / "signing.key"


def certificate(key: PrivateKey, path: Path, *, ended: bool) -> Path:
    """A certificate of the key, written as a file: one that ended an hour ago, or a new one."""
    start = datetime.now(UTC) - timedelta(days=30, hours=1)
    made = self_signed("LONDON", Use.SIGNING, key, days=30 if ended else 60, start=start)
    path.write_bytes(made.public_bytes(Encoding.PEM))
    return path


def sealed_by_openssl(counter: Counter, signer: Path, document: bytes) -> bytes:
    """A file as the partners' page has them make it, signed under the certificate given."""
    openssl.require()
    names = {name: counter.root / name for name in ("document", "signed", "file")}
    names["document"].write_bytes(document)
    openssl.run(openssl.SIGN, signer=signer, signer_key=key_of(counter), **names)
    ours = counter.keys / PARTNER / "trust" / "CMP" / "encryption.pem"
    openssl.run(openssl.ENCRYPT[Profile.CMS_GCM], recipient=ours, **names)
    return names["file"].read_bytes()


@pytest.fixture
def ended(counter: Counter) -> Path:
    """The only pinned signer of LONDON has ended, its key unchanged."""
    trust = counter.trust / "LONDON"
    for path in trust.glob("signing*.pem"):
        path.unlink()
    return certificate(read_private_key(key_of(counter)), trust / "signing.pem", ended=True)


def requeue(counter: Counter) -> int:
    """Have the newest file taken up again, as the operators' page says; the exit code."""
    number = counter.value("select max(id) from inbound_file")
    return counter.call("file", "requeue", number).code


def test_a_file_of_an_ended_certificate_waits_for_its_renewal(
    counter: Counter, ended: Path
) -> None:
    """It lies in quarantine with its own reason; a requeue before the renewal brings it back there,
    one after the renewal for the same key takes it in, and a new key does not.
    """
    counter.set(warehouse_LONDON_acknowledgements="ours")
    counter.drop("LONDON", sealed_by_openssl(counter, ended, GOOD))
    counter.take_up()
    assert [status[1:] for status in counter.files()] == [("QUARANTINED", "SIGNER_EXPIRED")]
    assert counter.quarantined()["answer.p7m"].startswith("SIGNER_EXPIRED\n")
    # Outwardly like any file that is refused: it is the operators who talk to the partner.
    assert counter.rows("select verdict, reason from acknowledgement") == [("REJECTED", OUTWARD)]
    assert requeue(counter) == 0
    counter.take_up()
    assert counter.files()[-1][1:] == ("QUARANTINED", "SIGNER_EXPIRED")
    certificate(read_private_key(key_of(counter)), ended.with_name("signing-2.pem"), ended=False)
    assert requeue(counter) == 0
    counter.take_up()
    assert counter.files()[-1][1:] == ("ARCHIVED", None)
    assert counter.value("select count(*) from batch") == 1


def test_a_revoked_certificate_is_refused(counter: Counter, ended: Path) -> None:
    """Once its certificate is `revoked.pem` a signer's files are refused, though it is renewed; the
    warehouse's other signer is not touched, and `keys list` says what is revoked.
    """
    data = sealed_by_openssl(counter, ended, GOOD)
    key = read_private_key(key_of(counter))
    certificate(key, ended.with_name("signing-2.pem"), ended=False)
    ended.rename(ended.with_name("revoked.pem"))
    # Read again on SIGHUP, as the certificates are.
    counter.drop("LONDON", data)
    counter.take_up()
    assert [status[1:] for status in counter.files()] == [("QUARANTINED", "SIGNER_REVOKED")]
    ended.with_name("signing-2.pem").unlink()
    counter.drop("LONDON", partner_acknowledgement({"name": "x"}), "noise.p7m")
    counter.drop("LONDON", data, "again.p7m")
    counter.take_up()
    assert {name: reason for name, _, reason in counter.files()} == {
        "answer.p7m": "SIGNER_REVOKED",
        "noise.p7m": OUTWARD,
        "again.p7m": "SIGNER_REVOKED",
    }
    listed = counter.call("keys", "list", "--json")
    states = {(one["owner"], one["use"]): one["state"] for one in listed.json}
    assert states["LONDON", "signing"] == "revoked"
    assert listed.code == 0
    for other in ("LEEDS", "BELFAST"):
        assert states[other, "signing"] == "valid"
