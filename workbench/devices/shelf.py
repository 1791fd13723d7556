"""The devices that there are: those that come with the workbench, and those of the user's own.

A user's device is a file of the same form in `devices/` of the folder `workbench.resources.cache_home`. It takes the
place of a shipped one of the same name.
"""

from __future__ import annotations

import functools
from pathlib import Path

from workbench.devices._reading import read_profile
from workbench.devices.profile import Profile
from workbench.errors import Refused
from workbench.resources import cache_home

_SHIPPED = Path(__file__).parent
_ORDER = ("microcontroller", "accelerator", "fpga", "computer", "phone", "gpu")


def folder() -> Path:
    """Return the folder of the user's own device files; it need not exist."""
    return cache_home() / "devices"


def devices() -> tuple[Profile, ...]:
    """Return all devices, small ones first. Raises `Refused` for a file of the user's that is wrong."""
    found = {profile.name: profile for profile in (*_shipped(), *_own())}
    return tuple(sorted(found.values(), key=lambda profile: (_ORDER.index(profile.kind), _fastest(profile))))


def device(name: str) -> Profile:
    """Return one device by name; raises `Refused` with the known names otherwise."""
    known = {profile.name: profile for profile in devices()}
    if name not in known:
        raise Refused(f"there is no device called {name!r}: known are {', '.join(known)}")
    return known[name]


@functools.cache
def _shipped() -> tuple[Profile, ...]:
    return tuple(read_profile(path) for path in sorted(_SHIPPED.glob("*.toml")))


def _own() -> tuple[Profile, ...]:
    paths = sorted(folder().glob("*.toml"))
    return tuple(_read(path, path.stat().st_mtime_ns) for path in paths)


@functools.lru_cache(maxsize=64)
def _read(path: Path, written: int) -> Profile:
    return read_profile(path)


def _fastest(profile: Profile) -> float:
    return max(rate.value for rate in profile.rates.values())
