"""A brake on guessing: after some failures each further one doubles the wait, and time heals."""

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Lock

from muster.model.durations import has_passed

FORGOTTEN_AFTER = timedelta(minutes=15)
_KEYS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Pressure:
    """How hard a key is braked: so many failures are free, then one second, two, four, up to `longest`."""

    free: int
    longest: timedelta


class Brake:
    """Counts failures a key in this process. Nothing sleeps: who comes too early is told how long to wait."""

    def __init__(self) -> None:
        self._failures: dict[str, tuple[int, datetime]] = {}
        self._lock = Lock()

    def wait(self, key: str, pressure: Pressure, now: datetime) -> timedelta | None:
        """Returns how long the key still has to wait, None if it may try."""
        with self._lock:
            count, last = self._failures.get(key, (0, now))
        if count < pressure.free or has_passed(FORGOTTEN_AFTER, last, now):
            return None
        pause = min(pressure.longest, timedelta(seconds=2.0 ** min(count - pressure.free, 20)))
        left = last + pause - now
        return left if left > timedelta(0) else None

    def fail(self, key: str, now: datetime) -> None:
        """Notes a failure."""
        with self._lock:
            if len(self._failures) >= _KEYS:
                self._forget(now)
            count, last = self._failures.get(key, (0, now))
            if has_passed(FORGOTTEN_AFTER, last, now):
                count, last = 0, now
            # Of failures side by side the earlier may be counted last.
            self._failures[key] = (count + 1, max(last, now))

    def succeed(self, key: str) -> None:
        """Forgets the key's failures."""
        with self._lock:
            self._failures.pop(key, None)

    def _forget(self, now: datetime) -> None:
        kept = {key: each for key, each in self._failures.items() if not has_passed(FORGOTTEN_AFTER, each[1], now)}
        # Many made-up names at once: the oldest half goes.
        ordered = sorted(kept.items(), key=lambda item: item[1][1])
        self._failures = dict(ordered[len(ordered) // 2 :])


# One person at one machine; one name from anywhere (short, so that nobody is locked out by others); one machine.
_PAIR = Pressure(free=4, longest=timedelta(minutes=5))
_NAME = Pressure(free=40, longest=timedelta(seconds=30))
_MACHINE = Pressure(free=60, longest=timedelta(minutes=1))


class Attempts:
    """The brake on signing in with a name and a password or a code."""

    def __init__(self) -> None:
        self._brake = Brake()

    def wait(self, machine: str, name: str, now: datetime) -> int | None:
        """Returns how many seconds still have to pass, None if another attempt may be made."""
        waits = (self._brake.wait(key, pressure, now) for key, pressure in _keys(machine, name))
        longest = max((wait for wait in waits if wait is not None), default=None)
        return None if longest is None else max(1, round(longest.total_seconds()))

    def fail(self, machine: str, name: str, now: datetime) -> None:
        """Notes a failure."""
        for key, _ in _keys(machine, name):
            self._brake.fail(key, now)

    def succeed(self, machine: str, name: str) -> None:
        """Forgets the failures of this name at this machine."""
        self._brake.succeed(_keys(machine, name)[0][0])


def network_of(machine: str) -> str:
    """Returns what counts as one machine: an IPv4 address, or the /64 that whoever has one IPv6 address has whole."""
    try:
        address = ipaddress.ip_address(machine)
    except ValueError:
        return machine
    if isinstance(address, ipaddress.IPv4Address):
        return machine
    mapped = address.ipv4_mapped
    return str(mapped) if mapped is not None else str(ipaddress.ip_network((int(address), 64), strict=False))


def _keys(machine: str, name: str) -> tuple[tuple[str, Pressure], ...]:
    folded, machine = name.casefold()[:200], network_of(machine)
    return ((f"{machine} {folded}", _PAIR), (f"name {folded}", _NAME), (f"machine {machine}", _MACHINE))
