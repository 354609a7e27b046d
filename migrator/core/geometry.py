"""How one object is cut: pure arithmetic on sizes, the same on every resume.

Every mode turns *units* of the source into units of the target: ``encrypt`` 65,536 plain bytes into a 65,564-byte
segment, ``decrypt`` the reverse, ``rewrap`` a segment into the same segment, ``copy`` 65,536 bytes into themselves.
Part boundaries are unit boundaries, so that part *p*'s source span is arithmetic and a resume needs no cursor. The
header of a multipart Crypt4GH object fills exactly one unit (object-format.md), so that all parts but the last are
equal.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from migrator.core.modes import Mode
from migrator.envelope.arithmetic import CIPHER_SEGMENT, PADDED_HEADER, SEGMENT
from migrator.errors import CapabilityMissing
from providers.capabilities import MIB, Capabilities

__all__ = ["DEFAULT_PART_UNITS", "Geometry", "PartSpan", "cut"]

DEFAULT_PART_UNITS: Final = 128
_UNITS: Final = {
    Mode.ENCRYPT: (SEGMENT, CIPHER_SEGMENT),
    Mode.DECRYPT: (CIPHER_SEGMENT, SEGMENT),
    Mode.REWRAP: (CIPHER_SEGMENT, CIPHER_SEGMENT),
    Mode.COPY: (SEGMENT, SEGMENT),
}
assert PADDED_HEADER == CIPHER_SEGMENT


@dataclass(frozen=True, slots=True, kw_only=True)
class PartSpan:
    """One part: where its source bytes lie, which units they are, where they go in the target."""

    number: int
    source_start: int
    source_length: int
    first_unit: int
    units: int
    target_start: int
    target_length: int
    last: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """The cut of one object. ``source_header`` and ``target_header`` are bytes before the first unit."""

    mode: Mode
    payload: int
    source_header: int
    target_header: int
    part_units: int

    @property
    def unit_in(self) -> int:
        """Source bytes of a whole unit."""
        return _UNITS[self.mode][0]

    @property
    def unit_out(self) -> int:
        """Target bytes of a whole unit."""
        return _UNITS[self.mode][1]

    @property
    def units(self) -> int:
        """Units of the object; 0 for an empty one."""
        return -(-self.payload // self.unit_in)

    @property
    def slot(self) -> int:
        """1 if a padded header takes the place of a unit, else 0."""
        return 1 if self.target_header == PADDED_HEADER else 0

    @property
    def multipart(self) -> bool:
        """Whether the object goes up in parts."""
        return self.part_units > 0

    @property
    def parts(self) -> int:
        """Number of parts; 1 for an object that is put at once."""
        if not self.multipart:
            return 1
        return max(1, -(-(self.units + self.slot) // self.part_units))

    @property
    def part_size(self) -> int:
        """Target bytes of every part but the last; 0 if the object is put at once."""
        return self.part_units * self.unit_out

    @property
    def target_size(self) -> int:
        """Bytes of the target object."""
        return self.target_header + self._out(self.payload, self.units)

    @property
    def plain_size(self) -> int:
        """Bytes that are hashed as the object's plaintext."""
        if self.mode is Mode.COPY:
            return self.source_header + self.payload
        if self.mode is Mode.ENCRYPT:
            return self.payload
        return self.payload - 28 * self.units

    def _out(self, source_bytes: int, units: int) -> int:
        return source_bytes + units * (self.unit_out - self.unit_in)

    def part(self, number: int) -> PartSpan:
        """Part ``number``, from 1.

        Raises:
            ValueError: The object has no such part.
        """
        if not 1 <= number <= self.parts:
            raise ValueError(f"part {number} of {self.parts}")
        units = self.units
        if not self.multipart:
            return PartSpan(
                number=1,
                source_start=self.source_header,
                source_length=self.payload,
                first_unit=0,
                units=units,
                target_start=0,
                target_length=self.target_size,
                last=True,
            )
        first = max(0, (number - 1) * self.part_units - self.slot)
        end = min(units, number * self.part_units - self.slot)
        start = first * self.unit_in
        length = min(end * self.unit_in, self.payload) - start
        header = self.target_header if number == 1 else 0
        return PartSpan(
            number=number,
            source_start=self.source_header + start,
            source_length=length,
            first_unit=first,
            units=end - first,
            target_start=(number - 1) * self.part_size,
            target_length=header + self._out(length, end - first),
            last=number == self.parts,
        )


def cut(
    mode: Mode,
    *,
    source_size: int,
    source_header: int,
    short_header: int,
    limits: Capabilities,
    part_units: int = DEFAULT_PART_UNITS,
) -> Geometry:
    """Cut one object for a target.

    Args:
        mode: What is done to the bytes.
        source_size: Bytes of the source object, header included.
        source_header: Bytes of the source's Crypt4GH header (0 for ``encrypt`` and ``copy``).
        short_header: Bytes of the target's header if the object is put at once (0 where it has none).
        limits: The target's capabilities.
        part_units: Wanted units per part; raised where the target allows too few parts.

    Raises:
        CapabilityMissing: The target cannot hold an object of that size.
        ValueError: The source is shorter than its header.
    """
    if not 0 <= source_header <= source_size:
        raise ValueError(f"a header of {source_header} bytes in an object of {source_size}")
    payload = source_size - source_header
    sealed = short_header > 0
    single = Geometry(
        mode=mode, payload=payload, source_header=source_header, target_header=short_header, part_units=0
    )
    unit = single.unit_out
    if single.target_size <= min(part_units * unit, limits.max_put):
        return _checked(single, limits)
    header = PADDED_HEADER if sealed else 0
    slots = single.units + (1 if sealed else 0)
    # A padded header takes a unit's place: a first part of the header alone would hold nothing of the object.
    least = 2 if sealed else 1
    wanted = max(part_units, least, -(-limits.min_part // unit), -(-slots // limits.max_parts))
    # Round large parts up to whole MiB-ish steps of 16 units, so that the figure in a plan reads well.
    if wanted > part_units:
        wanted = -(-wanted // 16) * 16
    whole = Geometry(
        mode=mode, payload=payload, source_header=source_header, target_header=header, part_units=wanted
    )
    if whole.part_size > limits.max_part:
        whole = replace(whole, part_units=limits.max_part // unit)
    if whole.multipart and whole.parts == 1 and single.target_size <= limits.max_put:
        return _checked(single, limits)
    if not whole.multipart or (whole.parts > 1 and whole.part_size < limits.min_part):
        raise CapabilityMissing(
            f"an object of {source_size} bytes must go up in parts, and no whole number of {unit} bytes lies "
            f"between the smallest ({limits.min_part} bytes) and the largest part ({limits.max_part} bytes) "
            "that the target allows"
        )
    if whole.parts > limits.max_parts:
        raise CapabilityMissing(
            f"an object of {source_size} bytes needs {whole.parts} parts of {limits.max_part // MIB} MiB; "
            f"the target allows {limits.max_parts}"
        )
    return _checked(whole, limits)


def _checked(geometry: Geometry, limits: Capabilities) -> Geometry:
    if geometry.target_size > limits.max_object:
        raise CapabilityMissing(
            f"the target holds objects of at most {limits.max_object} bytes; this one would have "
            f"{geometry.target_size}"
        )
    return geometry
