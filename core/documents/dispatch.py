"""order-dispatch: the bytes of one inbound file to rows, ready for COPY.

The checks stand in the order in which their answers help the partner: is it JSON, is it this
interface at all, does it match the schema, is it of this warehouse, is it complete. Whatever
passes can be loaded: every text is free of NUL, every id fits a bigint, every time exists.
What the records mean, and whether they are right, is not looked at here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from operator import itemgetter
from typing import Any, Final, NamedTuple

import orjson

from core.documents.parsing import parse
from core.documents.validation import DISPATCH
from core.domain.attributes import are_imeis, is_imei, normalise
from core.errors import Reason, Reject

VERSION: Final = "1.2"
CATEGORY: Final = "Sales Order"
TYPE: Final = "Sales Order Dispatch"

_INTERFACE: Final = {"interfaceCategory": CATEGORY, "interfaceType": TYPE, "version": VERSION}
_SERIALS: Final = frozenset({"serialNumber", "imei", "iccid"})


class DetailRow(NamedTuple):
    """One record of the file. `errors` is the JSON text of the warehouse's own `errors[]`."""

    sequence: int  # the place in orders[], from 1
    order_ref: str  # decimal digits, fits a bigint
    dispatch_id: str
    status: str
    dispatched_at: datetime | None
    carrier: str | None
    tracking: list[str]
    content_digest: bytes
    errors: str | None


class DispatchLineRow(NamedTuple):
    """One entry of a record's `lines[]`.

    `serials`, `imeis` and `iccids` have one element a unit, normalised, None where the unit has no
    such attribute; the whole is None where no unit has it. `extras` is the JSON text of an array
    with one object a unit: its other attributes, as they came; None where no unit has any.
    """

    sequence: int
    line_no: int  # the place in lines[], from 1
    line_ref: str  # decimal digits, fits a bigint
    status: str
    quantity: int
    reason: str | None
    serials: Sequence[str | None] | None
    imeis: Sequence[str | None] | None
    iccids: Sequence[str | None] | None
    extras: str | None
    unit_count: int
    captured: list[str]  # the attributes that every unit carries
    fault: str | None  # the Reason of what is wrong in the units themselves


@dataclass(frozen=True, slots=True)
class DispatchDocument:
    """A dispatch file that may be loaded."""

    external_file_name: str
    file_sequence: int | None
    transform_at: datetime | None
    transmit_at: datetime | None
    detail_rows: list[DetailRow]
    line_rows: list[DispatchLineRow]

    def details(self) -> Iterator[tuple[object, ...]]:
        """The rows of dispatch_detail, in the columns of core.db.inbound.copy_details()."""
        for row in self.detail_rows:
            # The id stands twice: as the partner wrote it, and as the number that it is.
            yield (row[0], row[1], *row[1:])


def validate_dispatch(document: object) -> None:
    """Raise Reject(SCHEMA_INVALID), naming the place and what is allowed, never the value."""
    DISPATCH.validate(document)


def read_dispatch(payload: bytes, warehouse: str) -> DispatchDocument:
    """The file that `warehouse` (an id) sent, as rows.

    Raises Reject with, in this order: NOT_JSON, WRONG_INTERFACE, SCHEMA_INVALID (a date that does
    not exist too), WRONG_WAREHOUSE, COUNT_MISMATCH. No sentence holds a value of the file.
    """
    return dispatch_document(parse(payload), warehouse)


def dispatch_document(document: Any, warehouse: str) -> DispatchDocument:
    """As read_dispatch(), of what was parsed already; the document is used up."""
    _check_interface(document)
    validate_dispatch(document)
    house = document["wareHouse"]
    if house["id"] != warehouse:
        raise Reject(
            Reason.WRONG_WAREHOUSE,
            f"/wareHouse/id must be {warehouse}, whose directory the file was put in.",
        )
    records = document["orders"]
    if document["recordCount"] != len(records):
        raise Reject(
            Reason.COUNT_MISMATCH,
            f"/recordCount must be {len(records)}, the number of entries in /orders.",
        )
    sequence = house.get("fileSequence")
    details, lines = _rows(records)
    return DispatchDocument(
        external_file_name=document["externalFileName"],
        file_sequence=None if sequence is None else int(sequence),
        transform_at=_instant(document, "transformDateTime"),
        transmit_at=_instant(document, "transmitDateTime"),
        detail_rows=details,
        line_rows=lines,
    )


def _check_interface(document: object) -> None:
    """Before the schema, so that a file of another interface or version is told just that.

    A property that is absent or no text is left to the schema.
    """
    if not isinstance(document, dict):
        return
    for name, expected in _INTERFACE.items():
        found = document.get(name)
        if isinstance(found, str) and found != expected:
            raise Reject(Reason.WRONG_INTERFACE, f'/{name} must be "{expected}".')


def _rows(records: Iterable[dict[str, Any]]) -> tuple[list[DetailRow], list[DispatchLineRow]]:
    details: list[DetailRow] = []
    rows: list[DispatchLineRow] = []
    captured = _Captured()
    for sequence, record in enumerate(records, 1):
        dispatched_at = _instant(record, "dispatchDateTime", f"/orders/{sequence - 1}")
        for line_no, line in enumerate(record.get("lines", ()), 1):
            # JSON Schema takes 1.0 for an integer (2020-12 core, section 6.3); a column does not.
            quantity = line["quantity"] = int(line["quantity"])
            serials, imeis, iccids, extras, count, names = _units(line.get("units"))
            rows.append(
                DispatchLineRow(
                    sequence, line_no, line["id"], line["status"], quantity,
                    line.get("reason") or None, serials, imeis, iccids, extras, count,
                    captured[names], None,
                )
            )  # fmt: skip
        errors = record.get("errors")
        details.append(
            DetailRow(
                sequence,
                record["id"],
                record["dispatchId"],
                record["status"],
                dispatched_at,
                record.get("carrier"),
                record.get("trackingNumbers", []),
                _digest(record),
                orjson.dumps(errors).decode() if errors else None,
            )
        )
    return details, _with_faults(rows)


_id = itemgetter("id")
_sorted_dump = partial(orjson.dumps, option=orjson.OPT_SORT_KEYS)
_Numbers = Sequence[str | None] | None


_NO_UNITS: Final = (None, None, None, None, 0, ())


def _units(
    units: Sequence[dict[str, str]] | None,
) -> tuple[_Numbers, _Numbers, _Numbers, str | None, int, tuple[str, ...]]:
    """What a line's units make of its row: see DispatchLineRow, from serials to captured."""
    if not units:
        return _NO_UNITS
    columns = _columns(units)
    take = columns.get
    return (
        _numbers(take("serialNumber")),
        _numbers(take("imei")),
        _numbers(take("iccid")),
        None if columns.keys() <= _SERIALS else _extras(units),
        len(units),
        tuple([name for name, column in columns.items() if "" not in column]),
    )


def _columns(units: Sequence[dict[str, str]]) -> dict[str, list[str]]:
    """What the units carry by name, with one normalised value a unit, "" where it has none."""
    if len(units) == 1:
        return {name: [normalise(value)] for name, value in units[0].items()}
    names = {name for unit in units for name in unit}
    return {name: [normalise(unit.get(name, "")) for unit in units] for name in names}


def _numbers(column: list[str] | None) -> _Numbers:
    if column is None or "" not in column:
        return column
    return [value or None for value in column] if any(column) else None


def _with_faults(rows: list[DispatchLineRow]) -> list[DispatchLineRow]:
    """The rows, each with what is wrong in its units, looked for in all of the file at once."""
    if are_imeis([imei for row in rows for imei in row.imeis or () if imei is not None]):
        return rows
    invalid = Reason.IMEI_INVALID.value
    return [row if _all_imeis(row.imeis or ()) else row._replace(fault=invalid) for row in rows]


class _Captured(dict[tuple[str, ...], list[str]]):
    """The same sorted list for the same names: nearly all lines of a file have one."""

    def __missing__(self, names: tuple[str, ...]) -> list[str]:
        self[names] = sorted(names)
        return self[names]


def _all_imeis(values: Iterable[str | None]) -> bool:
    return all(value is None or is_imei(value) for value in values)


def _extras(units: Iterable[dict[str, str]]) -> str | None:
    extras = [
        {name: value for name, value in unit.items() if name not in _SERIALS} for unit in units
    ]
    return orjson.dumps(extras).decode() if any(extras) else None


def _digest(record: dict[str, Any]) -> bytes:
    """SHA-256 of the record's content: what makes a repeated dispatchId a repeat.

    Over the record as it came, dumped by orjson with sorted keys. The order of lines, of units and
    of tracking numbers says nothing, so they are sorted first: in place, the record is not used
    again. The rule must not change: stored digests are compared with new ones for ever.
    """
    lines = record.get("lines", ())
    for line in lines:
        if len(line.get("units", ())) > 1:
            line["units"].sort(key=_sorted_dump)
    if len(lines) > 1:
        # Nearly always the ids alone tell the lines apart, and a dump of each is spared.
        alike = len(set(map(_id, lines))) < len(lines)
        lines.sort(key=_sorted_dump if alike else _id)
    if "trackingNumbers" in record:
        record["trackingNumbers"] = sorted(record["trackingNumbers"])
    return hashlib.sha256(_sorted_dump(record)).digest()


def _instant(holder: dict[str, Any], name: str, where: str = "") -> datetime | None:
    text = holder.get(name)
    if text is None:
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        # The schema's pattern has let 30 February pass.
        raise Reject(Reason.SCHEMA_INVALID, f"{where}/{name} must be a day that exists.") from None
