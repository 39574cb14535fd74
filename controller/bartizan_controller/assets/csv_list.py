"""Asset lists as spreadsheets write them."""

import csv
import io
from collections.abc import Iterable, Mapping

from bartizan.policy.fields import suggestion
from bartizan_controller.assets.model import AssetList, Builder, Faults, Places

ALIASES: Mapping[str, tuple[str, ...]] = {
    "site": ("site", "siteid", "sitename", "location"),
    "name": ("name", "devicename", "hostname", "assetname", "asset"),
    "serial": ("serial", "serialnumber", "serialno", "sn"),
    "mac": ("mac", "macaddress", "ethernetaddress"),
    "address": ("address", "ip", "ipaddress", "ipv4", "ipv4address", "primaryip"),
    "maker": ("maker", "make", "manufacturer", "vendor"),
    "model": ("model", "modelnumber", "modelno", "devicetype"),
}
"""Column headings by field, without regard to case, spaces and signs."""
DELIMITERS = ",;\t"


def read_csv(octets: bytes, columns: Mapping[str, str], places: Places) -> AssetList:
    """Return the assets of a CSV list, whose first line names its columns.

    Args:
        octets: UTF-8; separated by commas, semicolons or tabs.
        columns: The column of a field, where its heading is none of `ALIASES`.
        places: Where assets may be.

    Raises:
        ValueError: With what is wrong in which line.
    """
    text = _decoded(octets)
    first = text.partition("\n")[0]
    delimiter = max(DELIMITERS, key=first.count)
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    faults = Faults()
    builder = Builder(places, faults)
    try:
        where = _places_of(next(lines, []), columns)
        for row in lines:
            if not any(cell.strip() for cell in row):
                continue
            place = f"line {lines.line_num}"
            if len(row) <= max(where.values()):
                faults.add(place, "it has fewer columns than the first line")
                continue
            builder.add(place, lines.line_num, {field: row[index] for field, index in where.items()})
    except csv.Error as error:
        faults.add(f"line {lines.line_num}", f"this is no CSV: {error}")
    faults.finish()
    if not builder.assets:
        raise ValueError("the list has no entries")
    return AssetList(builder.assets, {})


def _decoded(octets: bytes) -> str:
    try:
        return octets.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = octets.count(b"\n", 0, error.start) + 1
        raise ValueError(f"line {line}: this is no UTF-8: save the list as 'CSV UTF-8'") from error


def _places_of(headings: list[str], columns: Mapping[str, str]) -> dict[str, int]:
    """Return which field is in which column."""
    for field in columns:
        if field not in ALIASES:
            raise ValueError(f"there is no field {field!r} to map{suggestion(field, ALIASES)}")
    found = {
        field: _column(headings, field, [columns[field]] if field in columns else aliases)
        for field, aliases in ALIASES.items()
    }
    known = {field: index for field, index in found.items() if index is not None}
    for field in columns:
        if field not in known:
            raise ValueError(f"line 1: there is no column {columns[field]!r}; there are: {', '.join(headings)}")
    if not known.keys() & {"serial", "mac", "address"}:
        raise ValueError(
            f"line 1: no column is a serial number, MAC or address; name one as in --map 'serial=HEADING'. "
            f"There are: {', '.join(headings)}"
        )
    return known


def _column(headings: list[str], field: str, names: Iterable[str]) -> int | None:
    wanted = {_plain(name) for name in names}
    fitting = [index for index, heading in enumerate(headings) if _plain(heading) in wanted]
    if len(fitting) > 1:
        which = ", ".join(repr(headings[index]) for index in fitting)
        raise ValueError(f"line 1: {which} could all be the {field}: say which, as in --map '{field}=HEADING'")
    return fitting[0] if fitting else None


def _plain(heading: str) -> str:
    return "".join(each for each in heading.casefold() if each.isalnum())
