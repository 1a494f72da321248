"""`keys rotate`: a new pair beside the old, both valid, until nothing needs the old one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from core import envelope
from core.envelope import Profile
from core.envelope.keyfiles import read_private_key
from tests.console.conftest import Counter, Ended
from tests.core.envelope import openssl
from tests.daemons.depot import GOOD, PARTNER, US, document, make_keys, partner_acknowledgement


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    """Everybody's keys, of the test's own: they change."""
    return make_keys(tmp_path / "keys")


@pytest.fixture
def own(counter: Counter) -> Counter:
    """An installation whose store and trust directory are those of its daemons."""
    assert counter.keyring.certificates()
    return counter


def store(counter: Counter) -> Path:
    """Where our private keys are."""
    return counter.keys / US / "credentials"


def rotate(counter: Counter, use: str, *arguments: object) -> Ended:
    """The verb, over this installation."""
    given = ("keys", "rotate", "--use", use, "--credentials", store(counter), *arguments)
    return counter.call(*given)


def told(counter: Counter, use: str, *arguments: object) -> dict[str, Any]:
    """The same, which succeeds and says where the rotation stands."""
    ended = rotate(counter, use, "--json", *arguments)
    assert ended.code == 0, ended.err
    answer: dict[str, Any] = ended.json
    return answer


def files(counter: Counter) -> dict[str, bytes]:
    """Our keys and certificates, by name."""
    places = (store(counter), counter.keys / US / "trust" / "own")
    return {path.name: path.read_bytes() for place in places for path in place.iterdir()}


def give(counter: Counter, certificate: str) -> None:
    """The partner gets a certificate of ours beside those that it has."""
    shutil.copy(certificate, counter.keys / PARTNER / "trust" / "CMP")


def test_the_key_that_signs(own: Counter) -> None:
    """The new pair is made and sent before it is used; after the switch we sign with it, and what
    the old one signed is still verified; the old goes when no warehouse refuses our files.
    """
    before = files(own)
    made = told(own, "signing")
    assert made["step"] == "prepared"
    certificate = Path(made["certificate"])
    assert set(files(own)) - set(before) == {"signing.next.key", certificate.name}
    assert certificate.name.startswith("signing-2")
    assert files(own).items() >= before.items()
    assert store(own).joinpath("signing.next.key").stat().st_mode & 0o777 == 0o600
    assert any(made["sha256"] in sentence for sentence in made["next"])
    # Nothing else is changed by asking again, and the daemons sign as before.
    assert told(own, "signing") == made
    give(own, made["certificate"])
    own.batched()
    own.extract()
    switched = told(own, "signing", "--switch")
    assert switched["step"] == "switched"
    assert switched["next"][0] == "sudo systemctl restart sales-order-extract-to-generic"
    assert told(own, "signing", "--switch") == switched
    new = envelope.fingerprint(own.keyring.signing.certificate)
    assert new == made["sha256"]
    own.batched()
    own.extract()
    assert len(own.sent("LONDON")) == 2
    # A warehouse that refuses what the new key signed keeps the old one here.
    newest = own.value("select max(id) from outbound_file")
    say = (
        "update outbound_file set acknowledged_at = now(), reason = 'X', verdict = %s where id = %s"
    )
    own.owner.execute(say, ("REJECTED", newest))
    refused = rotate(own, "signing", "--finish")
    assert refused.code == 1
    assert "LONDON: has refused the latest file" in refused.err
    assert store(own).joinpath("signing.previous.key").exists()
    own.owner.execute(say, ("ACCEPTED", newest))
    done = told(own, "signing", "--finish")
    assert {Path(path).name for path in done["removed"]} == {"signing.previous.key", "signing.pem"}
    assert (done["step"], done["next"]) == ("none", [])
    assert told(own, "signing", "--finish")["removed"] == []
    assert envelope.fingerprint(own.keyring.signing.certificate) == new


def test_the_key_that_opens(own: Counter) -> None:
    """Ourselves first: both keys open; the old goes when every warehouse encrypts to the new."""
    assert told(own, "encryption")["next"][-1].endswith("--use encryption --switch")
    own.drop("LONDON", own.sealed(document()), "before.p7m")
    own.take_up()
    switched = told(own, "encryption", "--switch")
    assert "sudo systemctl restart sales-order-load-from-generic" in switched["next"]
    states = {one["warehouse"]: one["state"] for one in switched["warehouses"]}
    assert set(states.values()) == {"has sent nothing since the switch"}
    own.drop("LONDON", own.sealed(document(externalFileName="old")), "old.p7m")
    own.take_up()
    assert [status for _, status, _ in own.files()] == ["ARCHIVED", "ARCHIVED"]
    assert _state(own)["LONDON"] == "encrypts to the old key"
    assert rotate(own, "encryption", "--finish").code == 1
    # As the partners' page has them do it, with the new certificate.
    (own.keys / PARTNER / "trust" / "CMP" / "encryption.pem").unlink()
    give(own, switched["certificate"])
    own.drop("LONDON", own.sealed(b"no json"), "bad.p7m")
    own.drop("LONDON", own.sealed(document(externalFileName="new")), "new.p7m")
    own.take_up()
    assert _state(own)["LONDON"] == "encrypts to the new key"
    assert "LEEDS: has sent nothing" in rotate(own, "encryption", "--finish").err
    for warehouse in ("LEEDS", "BELFAST"):
        own.drop(warehouse, own.sealed(document(warehouse=warehouse)))
    own.take_up()
    done = told(own, "encryption", "--finish")
    assert {Path(one).name for one in done["removed"]} == {
        "decryption.previous.key",
        "encryption.pem",
    }
    own.drop("LONDON", own.sealed(GOOD), "last.p7m")
    own.take_up()
    assert own.files()[-1] == ("last.p7m", "ARCHIVED", None)


def _state(own: Counter) -> dict[str, str]:
    return {one["warehouse"]: one["state"] for one in told(own, "encryption")["warehouses"]}


def test_what_waits_for_the_old_key_keeps_it(own: Counter) -> None:
    """A file in quarantine that only the old key opens may be requeued: the key stays for it, until
    it is requeued or discarded, or --force says that it is not needed.
    """
    openssl.require()
    told(own, "encryption")
    names = {name: own.root / name for name in ("document", "signed", "file")}
    names["document"].write_bytes(partner_acknowledgement({"name": "unknown.p7m"}))
    partner = own.keys / PARTNER
    openssl.run(openssl.SIGN, signer=partner / "trust" / "own" / "signing.pem",
                signer_key=partner / "credentials" / "signing.key", **names)  # fmt: skip
    openssl.run(openssl.ENCRYPT[Profile.CMS_GCM],
                recipient=partner / "trust" / "CMP" / "encryption.pem", **names)  # fmt: skip
    own.drop("LONDON", names["file"].read_bytes())
    own.take_up()
    assert own.files()[-1][1] == "QUARANTINED"
    told(own, "encryption", "--switch")
    assert _state(own)["LONDON"] == "1 files need the old key"
    assert "LONDON: 1 files need the old key" in rotate(own, "encryption", "--finish").err
    assert told(own, "encryption", "--finish", "--force")["step"] == "none"


def test_a_step_that_was_cut_short_is_finished(own: Counter) -> None:
    """Between any two of its renames the daemon starts with a key, and the verb goes on."""
    made = told(own, "signing")
    Path(made["certificate"]).unlink()
    again = told(own, "signing")
    assert again["sha256"] != made["sha256"]
    key = read_private_key(store(own) / "signing.next.key")
    (store(own) / "signing.key").rename(store(own) / "signing.previous.key")
    assert envelope.fingerprint(own.keyring.signing.certificate)
    halfway = told(own, "signing")
    assert halfway["step"] == "switching"
    assert halfway["next"][-1].endswith("--switch")
    assert rotate(own, "signing", "--finish").code == 1
    assert told(own, "signing", "--switch")["step"] == "switched"
    new = read_private_key(store(own) / "signing.key")
    assert new.private_numbers() == key.private_numbers()


def test_without_the_database_the_keys_are_rotated(own: Counter) -> None:
    """A rotation asks the database for what was answered alone: without it nobody vouches."""
    told(own, "signing")
    own.settings["sales.order.database.port"] = "1"
    answer = told(own, "signing", "--switch")
    assert [one["proven"] for one in answer["warehouses"]] == [False]
    assert rotate(own, "signing", "--finish").code == 1


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("--switch",), 1, "there is no new key to switch to"),
        (("--switch", "--finish"), 2, "exclude each other"),
        (("--force",), 2, "--force goes with --finish"),
        (("--name", "x" * 65), 78, "the name has 65 characters"),
    ],
    ids=range(4),
)
def test_what_is_refused(
    own: Counter, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    """What cannot be done is refused with what can, and leaves the keys as they were."""
    before = files(own)
    ended = rotate(own, "signing", *arguments)
    assert (ended.code, sentence in ended.err) == (code, True), ended.err
    assert files(own) == before


def test_a_key_that_others_can_read_is_not_rotated(own: Counter) -> None:
    """A private key whose mode lets others read it is told, and nothing is made of it."""
    path = store(own) / "signing.key"
    path.chmod(0o644)
    ended = rotate(own, "signing")
    assert ended.code == 78
    assert "others may use the private key (mode 0644)" in ended.err
    path.unlink()
    ended = rotate(own, "signing")
    assert ended.code == 1
    assert "`cmp-orders keys generate` makes the first key" in ended.err


def test_people_are_told(own: Counter) -> None:
    """In words: where it stands, and each command that comes next, ready to be copied."""
    out = rotate(own, "signing")
    said = (out.out + out.err).splitlines()
    assert said[0] == "signing: the new key is made, the old one is in use"
    assert said[-1] == "sudo cmp-orders keys rotate --use signing --switch"
