"""How a rewrapped object is laid out: every byte once, parts legal, copies only of what is on record."""

from hypothesis import given
from hypothesis import strategies as st

from migrator.core.geometry import cut
from migrator.core.layout import Recorded, lay_out
from migrator.core.modes import Mode
from migrator.envelope.arithmetic import CIPHER_SEGMENT, PADDED_HEADER, body_length, header_length
from providers.capabilities import MIB, Capabilities

_S3 = Capabilities(max_put=5 * 1024 * MIB)


def _sent(plain: int, readers: int, units: int) -> tuple[int, int, list[Recorded], int]:
    """What a migration stored: size, header, parts on record, units per part (0 for an object put at once)."""
    cuts = cut(
        Mode.ENCRYPT, source_size=plain, source_header=0, short_header=header_length(readers), limits=_S3,
        part_units=units,
    )  # fmt: skip
    parts = [
        Recorded(size=cuts.part(number).target_length, sha256=bytes([number % 256]) * 32)
        for number in range(1, cuts.parts + 1)
    ]
    return cuts.target_size, cuts.target_header, parts, cuts.part_units


@given(
    plain=st.integers(0, 64 * MIB),
    before=st.integers(1, 100),
    after=st.integers(1, 100),
    units=st.sampled_from([80, 81, 128, 600]),
    now=st.sampled_from([80, 128, 600]),
    can_copy=st.booleans(),
)
def test_every_byte_once_in_legal_parts(
    plain: int, before: int, after: int, units: int, now: int, can_copy: bool
) -> None:
    """The body goes over whole and in order; all parts but the last are 5 MiB or more; copies are parts on record."""
    size, header, parts, part_units = _sent(plain, before, units)
    assert sum(part.size for part in parts) == size
    geometry = cut(
        Mode.REWRAP, source_size=size, source_header=header, short_header=header_length(after), limits=_S3,
        part_units=part_units or now,
    )  # fmt: skip
    pieces = lay_out(geometry, parts, can_copy=can_copy)
    source, target = header, 0
    for piece in pieces:
        span = piece.span
        assert span.source_start == source
        assert span.target_start == target
        source += span.source_length
        target += span.target_length
        assert geometry.multipart is False or span.last or span.target_length >= 5 * MIB
        if piece.recorded is not None:
            at = parts.index(piece.recorded)
            assert sum(part.size for part in parts[:at]) == span.source_start
            assert piece.recorded.size == span.source_length == span.target_length
    assert source == size
    assert target == geometry.target_size
    assert not pieces[0].copied
    assert any(piece.copied for piece in pieces) <= can_copy
    assert size - header == geometry.target_size - geometry.target_header == body_length(plain)


@given(plain=st.integers(20 * MIB, 200 * MIB), before=st.integers(1, 100), after=st.integers(1, 100))
def test_an_object_in_parts_keeps_all_but_its_first(plain: int, before: int, after: int) -> None:
    """Whoever the readers are, of an object in parts the store copies every part but the first."""
    size, header, parts, part_units = _sent(plain, before, 128)
    assert header == PADDED_HEADER == CIPHER_SEGMENT
    geometry = cut(
        Mode.REWRAP, source_size=size, source_header=header, short_header=header_length(after), limits=_S3,
        part_units=part_units,
    )  # fmt: skip
    pieces = lay_out(geometry, parts, can_copy=True)
    assert [piece.copied for piece in pieces] == [False] + [True] * (len(parts) - 1)
    assert [piece.span.target_length for piece in pieces] == [part.size for part in parts]


@given(plain=st.integers(0, 8 * MIB - 2 * 65_536))
def test_small_objects_are_sent_whole(plain: int) -> None:
    """An object that fits into one part is sent whole, and so is everything under 5 MiB."""
    size, header, parts, _ = _sent(plain, 1, 128)
    geometry = cut(
        Mode.REWRAP, source_size=size, source_header=header, short_header=header_length(2), limits=_S3
    )
    (piece,) = lay_out(geometry, parts, can_copy=True)
    assert not geometry.multipart
    assert not piece.copied
