"""The envelope of generic files: seal and open bytes (CMS), and the keyring.

A file is signed by its sender, then encrypted to its receiver; both are required. The signer is
pinned per warehouse. Until the signature has been verified there is one reason and one sentence
for everything, `ENVELOPE_REFUSED`.

What is refused although CMS (RFC 5652) has it, because no partner needs it and an attacker might:
BER (`openssl cms -stream`), several signers, unsigned attributes, authenticated attributes of
AuthEnvelopedData (RFC 5083), originator information, revocation lists, detached signatures, and
everything but the one profile that the warehouse's property names.
"""

from core.envelope.cms import Opened, open_, seal
from core.envelope.generate import generate, pin
from core.envelope.identity import (
    DecryptionIdentity,
    Profile,
    SigningIdentity,
    State,
    Use,
    fingerprint,
)
from core.envelope.keyfiles import KeyringError
from core.envelope.keyring import Keyring, Listed, load

__all__ = [
    "DecryptionIdentity",
    "Keyring",
    "KeyringError",
    "Listed",
    "Opened",
    "Profile",
    "SigningIdentity",
    "State",
    "Use",
    "fingerprint",
    "generate",
    "load",
    "open_",
    "pin",
    "seal",
]
