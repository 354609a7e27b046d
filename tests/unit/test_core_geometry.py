"""The cut at its edges, by number."""

import pytest

from migrator.core.geometry import cut
from migrator.core.modes import Mode
from migrator.envelope.arithmetic import CIPHER_SEGMENT, SEGMENT, header_length
from migrator.errors import CapabilityMissing
from providers.capabilities import GIB, MIB, Capabilities


def _encrypt(size, **limits):
    return cut(
        Mode.ENCRYPT,
        source_size=size,
        source_header=0,
        short_header=header_length(1),
        limits=Capabilities(**limits),
    )


def test_the_largest_object_that_is_put_at_once():
    """A sealed object goes at once while header and segments fit 128 segments, and in parts from the next byte."""
    largest = 128 * CIPHER_SEGMENT - header_length(1) - 28 * 128
    assert not _encrypt(largest).multipart
    assert _encrypt(largest).target_size == 128 * CIPHER_SEGMENT
    parts = _encrypt(largest + 1)
    assert parts.multipart
    assert parts.parts == 2


def test_the_padded_header_takes_the_place_of_a_segment():
    """Part 1 holds the header and 127 segments, part 2 the next 128."""
    geometry = _encrypt(300 * SEGMENT)
    assert [geometry.part(number).units for number in (1, 2, 3)] == [127, 128, 45]
    assert geometry.part(1).target_length == geometry.part(2).target_length == 128 * CIPHER_SEGMENT


def test_an_object_above_the_largest_put_goes_up_as_one_part():
    """Where a put takes less than a part, a small object is an upload of one part, not a put that is refused."""
    geometry = _encrypt(6 * MIB, max_put=5 * MIB)
    assert (geometry.multipart, geometry.parts) == (True, 1)


@pytest.mark.parametrize(
    "limits",
    [
        {"min_part": 5 * MIB, "max_part": 5 * MIB},
        {"min_part": 0, "max_part": 1000},
        {"max_parts": 2, "max_part": 8 * MIB},
        {"max_object": 10 * MIB},
    ],
)
def test_a_target_that_cannot_hold_it_is_named_beforehand(limits):
    """Limits that no cut can keep are a missing capability, not a cut that breaks them."""
    with pytest.raises(CapabilityMissing):
        _encrypt(64 * MIB, **limits)


def test_five_tebibytes_fit_ten_thousand_parts():
    """The largest object of S3 is cut into at most 10,000 parts below 5 GiB."""
    geometry = _encrypt(5 * 1024 * GIB - 10 * GIB)
    assert geometry.parts <= 10_000
    assert geometry.part_size <= 5 * GIB


@pytest.mark.parametrize("number", [0, -1, 4])
def test_a_part_that_is_not_there_is_refused(number):
    """Part numbers go from 1 to the number of parts."""
    with pytest.raises(ValueError, match="part"):
        _encrypt(300 * SEGMENT).part(number)


def test_a_source_shorter_than_its_header_is_refused():
    """A header longer than its object is no geometry."""
    with pytest.raises(ValueError, match="header"):
        cut(Mode.DECRYPT, source_size=10, source_header=124, short_header=0, limits=Capabilities())
