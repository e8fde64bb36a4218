"""One time axis for all streams of a file: it starts at 0 and never jumps back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import av

_BACKWARD: Final = 0.1
"""Seconds by which a decoding time may run backwards before it counts as a jump."""
_FORWARD: Final = 10.0
"""Pause in seconds from which a transport stream counts as spliced; the value FFmpeg uses."""
_OVERLAP: Final = 1.0
"""Seconds by which the streams of a spliced part may start apart."""


@dataclass(slots=True)
class _Position:
    """Position of one stream: its current part, and the last and next expected time in seconds on the shared axis."""

    part: int
    last: float
    end: float


class SharedClock:
    """Moves the timestamps of all packets of a file to one time axis.

    The axis starts at the earlier of the first video frame and the first sound. A file spliced from several parts, each
    with a clock of its own (two transport streams joined with ``cat``), continues without a gap: each part gets one
    offset, which is the same for all streams.

    Args:
        origin: timestamp in seconds that becomes 0.
        spliced: whether the container may be spliced, so that a long forward jump is a splice too.
    """

    def __init__(self, origin: float, *, spliced: bool = False) -> None:
        self._offsets = [-origin]  # of each part, in seconds
        self._forward = _FORWARD if spliced else float("inf")
        self._positions: dict[int, _Position] = {}

    @property
    def jumps(self) -> int:
        """Number of splices found so far."""
        return len(self._offsets) - 1

    def apply(self, packet: av.Packet[Any]) -> None:
        """Shift the timestamps of a packet in place; a packet without timestamps does not change."""
        unit = packet.time_base
        if unit is None:
            return
        if packet.dts is not None:
            offset = self.offset(packet.stream.index, float(packet.dts * unit), float((packet.duration or 0) * unit))
        else:  # presentation times alone may run backwards without a jump
            position = self._positions.get(packet.stream.index)
            offset = self._offsets[-1 if position is None else position.part]
        ticks = round(offset / unit)
        if packet.dts is not None:
            packet.dts += ticks
        if packet.pts is not None:
            packet.pts += ticks

    def offset(self, stream: int, stamp: float, duration: float) -> float:
        """Seconds to add to the timestamps of a packet.

        Args:
            stream: index of the stream.
            stamp: decoding time of the packet in seconds.
            duration: duration of the packet in seconds; 0 if unknown.
        """
        position = self._positions.get(stream)
        if position is None:
            # A stream that starts late belongs to the newest part another stream has reached.
            part = max((p.part for p in self._positions.values()), default=0)
            time = stamp + self._offsets[part]
            self._positions[stream] = _Position(part, time, time + duration)
            return self._offsets[part]
        time = stamp + self._offsets[position.part]
        if time < position.last - _BACKWARD or time > position.end + self._forward:
            position.part = self._next_part(position, stamp)
            time = stamp + self._offsets[position.part]
        position.last = max(position.last, time)
        position.end = max(position.end, time + duration)
        return self._offsets[position.part]

    def _next_part(self, position: _Position, stamp: float) -> int:
        """Index of the part that starts at ``stamp``: one another stream has already reached, or a new one."""
        for part in range(position.part + 1, len(self._offsets)):
            if position.last - _OVERLAP <= stamp + self._offsets[part] <= position.end + min(self._forward, _FORWARD):
                return part
        end = max(p.end for p in self._positions.values())
        self._offsets.append(end - stamp)
        return len(self._offsets) - 1
