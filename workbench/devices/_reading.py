"""Profiles from TOML, with a sentence for whatever is wrong in the file."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from workbench.devices.profile import ASSUMPTION, DERIVED, DEVICE_KINDS, MEASURED, TYPES, Efficiency, Figure, Profile
from workbench.errors import Refused, reason
from workbench.loads import KINDS

T = TypeVar("T")
_REQUIRED = object()


def read_profile(path: Path) -> Profile:
    """Return the device that a TOML file describes. Raises `Refused`, naming the file and the field."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise Refused(f"the device file {path} cannot be read: {reason(error)}") from None
    except tomllib.TOMLDecodeError as error:
        raise Refused(f"the device file {path} is no TOML: {error}") from None
    return _Reader(path, content).profile()


class _Reader:
    """The tables of one file; knows the file for its sentences, and which fields nobody has asked for."""

    def __init__(self, path: Path, content: Mapping[str, Any]) -> None:
        self._path, self._content = path, content
        self._asked: set[str] = set()
        self._sources = self._table("sources")

    def profile(self) -> Profile:
        rates = self._types("rates", "")
        found = Profile(
            name=self._text("name"),
            title=self._text("title"),
            kind=self._choice("kind", DEVICE_KINDS),
            summary=self._text("summary"),
            runs=self._kinds(),
            weights=self._choice("weights", ("flash", "ram")),
            rates=rates,
            efficiency=Efficiency(
                low=self._fraction("efficiency.low"),
                typical=self._fraction("efficiency.typical"),
                high=self._fraction("efficiency.high"),
            ),
            bandwidth_bytes_s=self._figure("bandwidth_bytes_s", positive=True),
            ram_bytes=self._figure("ram_bytes", positive=True),
            flash_bytes=self._optional("flash_bytes"),
            overhead_s=self._figure("overhead_s"),
            start_s=self._figure("start_s"),
            energy_pj={kind: self._figure(f"energy.{kind}_pj") for kind in rates},
            byte_pj=self._figure("energy.byte_pj"),
            idle_w=self._figure("energy.idle_w"),
            two_four=self._optional("two_four"),
            usd_per_hour=self._optional("usd_per_hour"),
            fitted=self._fitted(),
            origin=str(self._path),
        )
        self._check_order(found.efficiency)
        self._check_unknown()
        return found

    def _at(self, field: str, default: Any = _REQUIRED) -> Any:
        self._asked.add(field)
        place: Any = self._content
        for part in field.split("."):
            if not isinstance(place, Mapping) or part not in place:
                if default is _REQUIRED:
                    raise self._wrong(field, "is missing")
                return default
            place = place[part]
        return place

    def _wrong(self, field: str, what: str) -> Refused:
        return Refused(f"the device file {self._path}: {field} {what}")

    def _table(self, field: str) -> Mapping[str, Any]:
        table = self._at(field, {})
        if not isinstance(table, Mapping):
            raise self._wrong(field, f"must be a table, got {table!r}")
        return table

    def _text(self, field: str) -> str:
        text = self._at(field)
        if not isinstance(text, str) or not text.strip():
            raise self._wrong(field, f"must be a text, got {text!r}")
        return text

    def _choice(self, field: str, options: tuple[T, ...]) -> T:
        found = self._at(field)
        if found not in options:
            raise self._wrong(field, f"must be one of {', '.join(map(str, options))}, got {found!r}")
        return options[options.index(found)]

    def _kinds(self) -> frozenset[str]:
        kinds = self._at("runs")
        if not isinstance(kinds, list) or not kinds or not {*map(str, kinds)} <= {*KINDS}:
            raise self._wrong("runs", f"must list some of {', '.join(KINDS)}, got {kinds!r}")
        return frozenset(kinds)

    def _types(self, table: str, suffix: str) -> dict[Any, Figure]:
        found = {
            kind: self._figure(f"{table}.{kind}{suffix}", positive=True) for kind in TYPES if kind in self._table(table)
        }
        if not found:
            raise self._wrong(table, f"must have at least one of {', '.join(TYPES)}")
        return found

    def _optional(self, field: str) -> Figure | None:
        return None if self._at(field, None) is None else self._figure(field, positive=True)

    def _figure(self, field: str, *, positive: bool = False) -> Figure:
        given = self._at(field)
        if not isinstance(given, Mapping) or not {"value", "source"} <= {*given} <= {"value", "source", "note"}:
            raise self._wrong(
                field, f"must be {{ value = NUMBER, source = NAME }} with a note if need be, got {given!r}"
            )
        value, note = given["value"], given.get("note", "")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
            raise self._wrong(field, f"must have a number as its value, got {value!r}")
        if value < 0 or (positive and value == 0):
            raise self._wrong(field, f"must be {'more than 0' if positive else '0 or more'}, got {value!r}")
        return Figure(value=float(value), source=self._source(field, given["source"], note), note=str(note))

    def _source(self, field: str, name: Any, note: Any) -> str:
        if name in (ASSUMPTION, DERIVED, MEASURED):
            if not note:
                raise self._wrong(field, f"has the source {name!r}, so it needs a note that says on what grounds")
            return str(name)
        address = self._sources.get(name) if isinstance(name, str) else None
        if not isinstance(address, str) or not address.startswith(("https://", "http://")):
            raise self._wrong(field, f"needs a source that [sources] gives a web address for, got {name!r}")
        return address

    def _fraction(self, field: str) -> Figure:
        figure = self._figure(field, positive=True)
        if figure.value > 1:
            raise self._wrong(field, f"must be a fraction in (0, 1], got {figure.value!r}")
        return figure

    def _check_order(self, efficiency: Efficiency) -> None:
        if not efficiency.low.value <= efficiency.typical.value <= efficiency.high.value:
            raise self._wrong("efficiency", "must have low <= typical <= high")

    def _fitted(self) -> dict[str, dict[str, float]]:
        found: dict[str, dict[str, float]] = {}
        for kind, costs in self._table("fitted").items():
            self._asked.add(f"fitted.{kind}")
            if not isinstance(costs, Mapping):
                raise self._wrong(f"fitted.{kind}", f"must be a table, got {costs!r}")
            for name, cost in costs.items():
                self._asked.add(f"fitted.{kind}.{name}")
                if isinstance(cost, bool) or not isinstance(cost, (int, float)) or not 0 <= cost < math.inf:
                    raise self._wrong(f"fitted.{kind}.{name}", f"must be a number of seconds, 0 or more, got {cost!r}")
            found[kind] = {name: float(cost) for name, cost in costs.items()}
        return found

    def _check_unknown(self) -> None:
        """Raise where a field is there that no device has: a slip of the pen would pass for a missing figure."""
        for name, value in self._content.items():
            if name in self._asked and name not in ("rates", "sources", "fitted"):
                continue
            parts = value if isinstance(value, Mapping) and name != "sources" else {}
            for part in parts:
                if f"{name}.{part}" not in self._asked:
                    raise self._wrong(f"{name}.{part}", "is no field of a device")
            if name not in self._asked and not any(asked.startswith(f"{name}.") for asked in self._asked):
                raise self._wrong(name, "is no field of a device")
