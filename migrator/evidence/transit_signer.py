"""A signing key whose private half a server keeps; its signatures are verified here before anything rests on them."""

from __future__ import annotations

from dataclasses import dataclass, field

from migrator.custody.transit import Transit
from migrator.errors import EvidenceInvalid
from migrator.evidence.signers import ED25519, PublicKey

__all__ = ["TransitSigner", "public_of", "transit_signer"]


@dataclass(frozen=True, slots=True)
class TransitSigner:
    """One version of an Ed25519 key of a transit engine.

    Attributes:
        public: Its public half; the name ends with the version.
        version: The version that signs, whatever newer ones there are by then.
    """

    public: PublicKey
    version: int
    _transit: Transit = field(repr=False)

    def sign(self, message: bytes) -> bytes:
        """A signature over the message.

        Raises:
            EvidenceInvalid: The signature that came back is not right.
            CustodyError: The server cannot or will not sign.
        """
        signature = self._transit.sign(message, self.version)
        if not self.public.verify(signature, message):
            raise EvidenceInvalid(
                f"the server returned a signature that is not by {self.public.name}",
                hint="do not use that server; nothing was written",
            )
        return signature


def public_of(
    transit: Transit, *, version: int | None = None, valid_until: int | None = None
) -> tuple[PublicKey, int]:
    """The public half of a version, by default the newest, and which version that is.

    Raises:
        CustodyError: The key cannot be read, or is no Ed25519 key.
    """
    found = transit.signing_version(version)
    # The name tells the version too, so that two versions of a key are two names in a bundle.
    name = f"{transit.place.name[:50]}.v{found.version}"
    public = PublicKey(
        name=name,
        algorithm=ED25519,
        public=found.public,
        valid_from=found.made_ms,
        valid_until=valid_until,
        held="transit",
    )
    return public, found.version


def transit_signer(transit: Transit) -> TransitSigner:
    """The newest version of a key, ready to sign.

    Raises:
        CustodyError: As ``public_of``.
    """
    public, version = public_of(transit)
    return TransitSigner(public, version, transit)
