"""How objects are cut, for all sizes, modes and limits."""

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from migrator.core.geometry import DEFAULT_PART_UNITS, Geometry, cut
from migrator.core.modes import Mode
from migrator.envelope.arithmetic import (
    CIPHER_SEGMENT,
    PADDED_HEADER,
    SEGMENT,
    body_length,
    header_length,
    plain_length,
)
from migrator.errors import CapabilityMissing
from providers.capabilities import GIB, MIB, Capabilities

_MODES = st.sampled_from(Mode)
_NEAR = st.builds(
    lambda units, of, off: max(0, units * of + off),
    st.sampled_from((0, 1, 2, 126, 127, 128, 129, 255, 256, 257, 1_280_000, 12_800_000)),
    st.sampled_from((SEGMENT, CIPHER_SEGMENT, MIB)),
    st.integers(-30, 30),
)
_PLAIN = st.one_of(_NEAR, st.integers(0, 64 * MIB), st.integers(0, 200 * 1024 * GIB))
_LIMITS = st.builds(
    lambda low, span, parts, put, equal: Capabilities(
        min_part=low, max_part=low + span, max_parts=parts, max_put=put, equal_parts=equal, max_object=2**60
    ),
    st.one_of(st.just(0), st.just(5 * MIB), st.integers(0, 200 * MIB)),
    st.one_of(st.integers(0, 10 * MIB), st.integers(0, 5 * GIB)),
    st.one_of(st.integers(1, 20), st.just(1000), st.just(10_000), st.just(50_000)),
    st.one_of(st.integers(0, 20 * MIB), st.just(5 * GIB)),
    st.booleans(),
)
_RECIPIENTS = st.integers(1, 100)


def _cut(mode: Mode, plain: int, recipients: int, limits: Capabilities, units: int) -> Geometry:
    header = header_length(recipients) if mode.opens else 0
    source = header + body_length(plain) if mode.opens else plain
    return cut(
        mode,
        source_size=source,
        source_header=header,
        short_header=header_length(recipients) if mode.seals else 0,
        limits=limits,
        part_units=units,
    )


def _looked_at(geometry: Geometry) -> list[int]:
    parts = geometry.parts
    if parts <= 600:
        return list(range(1, parts + 1))
    return [1, 2, 3, parts // 2, parts // 2 + 1, parts - 2, parts - 1, parts]


@given(_MODES, _PLAIN, _RECIPIENTS, _LIMITS, st.sampled_from((1, 16, DEFAULT_PART_UNITS)))
@example(Mode.ENCRYPT, 6 * MIB, 1, Capabilities(max_put=5 * MIB), DEFAULT_PART_UNITS)
@example(Mode.COPY, 9 * MIB, 1, Capabilities(min_part=5 * MIB, max_part=5 * MIB), DEFAULT_PART_UNITS)
@example(Mode.COPY, 9 * MIB, 1, Capabilities(max_part=1000, min_part=0, max_put=1000), DEFAULT_PART_UNITS)
@example(Mode.ENCRYPT, 5 * 1024 * GIB, 1, Capabilities(max_object=2**60), DEFAULT_PART_UNITS)
def test_a_cut_covers_the_object_within_the_limits(
    mode: Mode, plain: int, recipients: int, limits: Capabilities, units: int
) -> None:
    """Parts lie end to end over source and target, and none breaks a limit of the target."""
    try:
        geometry = _cut(mode, plain, recipients, limits, units)
    except CapabilityMissing:
        return
    assert geometry.plain_size == plain
    header = 0
    if mode.seals:
        header = PADDED_HEADER if geometry.multipart else header_length(recipients)
    sealed = body_length(plain) if mode.seals else plain
    assert geometry.target_size == header + sealed <= limits.max_object
    if not geometry.multipart:
        part = geometry.part(1)
        assert (part.target_start, part.target_length, part.last) == (0, geometry.target_size, True)
        assert (part.source_start, part.source_length) == (geometry.source_header, geometry.payload)
        assert geometry.target_size <= limits.max_put
        return
    assert geometry.parts <= limits.max_parts
    assert geometry.part_size <= limits.max_part
    numbers = _looked_at(geometry)
    before = None
    for number in numbers:
        part = geometry.part(number)
        assert part.number == number
        assert part.last == (number == geometry.parts)
        assert 0 < part.target_length <= geometry.part_size
        if before is not None and before.number == number - 1:
            assert part.source_start == before.source_start + before.source_length
            assert part.target_start == before.target_start + before.target_length
            assert part.first_unit == before.first_unit + before.units
        if not part.last:
            assert part.target_length == geometry.part_size >= limits.min_part
        before = part
    first, last = geometry.part(1), geometry.part(geometry.parts)
    assert (first.source_start, first.first_unit, first.target_start) == (geometry.source_header, 0, 0)
    assert last.source_start + last.source_length == geometry.source_header + geometry.payload
    assert last.target_start + last.target_length == geometry.target_size
    assert last.first_unit + last.units == geometry.units


@given(_MODES, _PLAIN, _RECIPIENTS, _LIMITS)
def test_a_cut_is_the_same_on_every_resume(
    mode: Mode, plain: int, recipients: int, limits: Capabilities
) -> None:
    """Cutting again, also with the part units that the first cut chose, gives the same parts."""
    try:
        geometry = _cut(mode, plain, recipients, limits, DEFAULT_PART_UNITS)
    except CapabilityMissing:
        assume(False)
    assert _cut(mode, plain, recipients, limits, DEFAULT_PART_UNITS) == geometry
    if geometry.multipart:
        assert _cut(mode, plain, recipients, limits, geometry.part_units) == geometry


@given(_PLAIN)
def test_what_encrypt_makes_decrypt_takes_back(plain: int) -> None:
    """The target size of ``encrypt`` is a source size of ``decrypt`` with the same plain size."""
    limits = Capabilities(max_object=2**60, max_parts=100_000)
    sealed = _cut(Mode.ENCRYPT, plain, 2, limits, DEFAULT_PART_UNITS)
    opened = cut(
        Mode.DECRYPT,
        source_size=sealed.target_size,
        source_header=sealed.target_header,
        short_header=0,
        limits=limits,
    )
    assert opened.target_size == plain == plain_length(sealed.target_size - sealed.target_header)


@pytest.mark.parametrize("mode", list(Mode))
def test_an_empty_object_is_put_at_once(mode: Mode) -> None:
    """Nothing is nothing, or a header alone."""
    geometry = _cut(mode, 0, 1, Capabilities(), DEFAULT_PART_UNITS)
    assert not geometry.multipart
    assert geometry.target_size == (header_length(1) if mode.seals else 0)
    assert geometry.part(1).units == 0
