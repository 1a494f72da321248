"""Reading JSON lines and CSV: what is read is what is written there, or is refused."""

from __future__ import annotations

import io
from typing import Any

import pytest

from console.exits import Refusal
from console.order_file import LINE_MOST, Entry, Refused, csv_rows, json_lines
from tests.console.orders import item, order

HEADER = "reference,accountId,currency,deliveryMethod,deliveryName,deliveryLine1,country"
HEADER += ",product,quantity,unitPrice"


def _csv(text: str | bytes) -> list[Entry | Refused]:
    data = text.encode() if isinstance(text, str) else text
    return list(csv_rows(io.BytesIO(data)))


def _documents(text: str) -> list[Any]:
    return [one.document for one in _csv(text) if isinstance(one, Entry)]


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("0.001", "0.001"),
        ("1.10", "1.10"),
        ("3", "3"),
        ("1E2", "100"),
        ("123456789012.0123456789", "123456789012.0123456789"),
        ("1e-400", "1E-400"),
        ("1E999999999", "1E+999999999"),
        ('"1.10"', "1.10"),
        ("true", True),
        ("-0.0", "-0.0"),
    ],
)
def test_a_price_is_never_a_float(written: str, read: object) -> None:
    """A JSON number is read digit for digit; one too large to be written out stays as it is."""
    [entry] = json_lines(io.BytesIO(b'{"items": [{"unitPrice": %s}]}\n' % written.encode()))
    assert isinstance(entry, Entry)
    price = entry.document["items"][0]["unitPrice"]
    assert price == read
    assert type(price) is type(read)


@pytest.mark.parametrize(("written", "read"), [("2.0", 2), ("2.5", "2.5"), ("2", 2), ("1e3", 1000)])
def test_whole_numbers(written: str, read: object) -> None:
    """2.0 is a whole number (JSON Schema 2020-12 validation, 6.1.1), 2.5 is none."""
    line = b'{"accountId": %s, "items": [{"quantity": %s}]}' % ((written.encode(),) * 2)
    [entry] = json_lines(io.BytesIO(line))
    assert isinstance(entry, Entry)
    assert (entry.document["accountId"], entry.document["items"][0]["quantity"]) == (read, read)


def test_what_follows_an_unreadable_line_is_read() -> None:
    """A line that is no JSON, no UTF-8 or too long is refused with its number, and no other."""
    long = b'"' + b"x" * LINE_MOST + b'"'
    lines = [b'\xef\xbb\xbf{"a": 1}', b'{"a": "\xff"}', long, b"", b'{"a": 2}', b'{"a": NaN}']
    found = list(json_lines(io.BytesIO(b"\n".join(lines))))
    assert [(one.line, isinstance(one, Entry)) for one in found] == [
        (1, True),
        (2, False),
        (3, False),
        (5, True),
        (6, False),
    ]


def test_csv_is_the_same_order() -> None:
    """Rows of one reference make the order that JSON would say; order columns count once."""
    text = (
        "reference,accountId,currency,deliveryMethod,deliveryInstructions,enteredAt,contactName,"
        "contactEmail,contactPhone,deliveryName,deliveryLine1,deliveryLine3,town,county,postCode,"
        "country,product,quantity,unitPrice,warehouse\r\n"
        'A,4711,GBP,STANDARD,"ring, twice\r\nplease",2026-01-01T00:00:00Z,N,E,P,"A ""B"" C",L1,L3,'
        "T,C,PC,GB,CASE,2,0.10,\r\n"
        "A,4711,,,,,,,,,,,,,,,PHONE,1,5,LEEDS\r\n"
    )
    assert _documents(text) == [
        order(
            "A",
            item("CASE", 2, "0.10"),
            item("PHONE", 1, "5", warehouse="LEEDS"),
            deliveryInstructions="ring, twice\r\nplease",
            enteredAt="2026-01-01T00:00:00Z",
            contact={"name": "N", "email": "E", "phone": "P"},
            delivery={
                "name": 'A "B" C',
                "lines": ["L1", "L3"],
                "town": "T",
                "county": "C",
                "postCode": "PC",
                "country": "GB",
            },
        )
    ]


@pytest.mark.parametrize("sign", ["\u2028", "\u0085", "\x0b", "\x1c", "\0", "\x1a"])
def test_csv_rows_end_where_csv_says(sign: str) -> None:
    """Only CR and LF end a row: other separators are part of a value."""
    [document] = _documents(f"{HEADER}\nA,1,GBP,S,N{sign}M,L,GB,CASE,1,1\n")
    assert document["delivery"]["name"] == f"N{sign}M"


def test_csv_order_with_a_bad_row_is_refused_whole() -> None:
    """Rows that contradict, lack cells or are no UTF-8 refuse their order, and no other."""
    good = "1,GBP,S,N,L,GB,CASE,1,1"
    rows = [
        f"A,{good}",
        "A,2,GBP,S,N,L,GB,CASE,1,1",
        f"B,{good}",
        "B,1,GBP",
        f"C,{good}",
        f"D,{good}".replace("CASE", "CAS\udcff"),
        f"E,{good}",
    ]
    text = "\n".join([HEADER, *rows]).encode("utf-8", "surrogateescape")
    found = _csv(text)
    assert [(one.line, one.sentence) for one in found if isinstance(one, Refused)] == [
        (2, "Row 2 of the order has another accountId than its first row."),
        (4, "Row 2 of the order has 3 cells, the first line 10."),
        (7, "Row 1 of the order is not UTF-8."),
    ]
    taken = [one.document["reference"] for one in found if isinstance(one, Entry)]
    assert taken == ["C", "E"]


def test_csv_with_broken_quotes_stops() -> None:
    """A broken quote may have cost an order a row: neither it nor what follows is taken."""
    row = ",1,GBP,S,N,L,GB,CASE,1,1"
    found = _csv(f'{HEADER}\nA{row}\nB{row}\nB,1,GBP,S,"N"x,L,GB,CASE,1,1\nC{row}\n')
    assert [isinstance(one, Entry) and one.document["reference"] for one in found] == ["A", False]
    assert found[1].line == 4


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("reference,product,quantity,unitprice", "unknown: column 4; missing: unitPrice"),
        ("reference,product,quantity", "missing: unitPrice"),
        ("reference,product,quantity,unitPrice,product", "a column stands twice"),
        ("", "missing: product, quantity, reference, unitPrice"),
    ],
)
def test_csv_header_is_checked(header: str, told: str) -> None:
    """A first row that does not name the columns stops the file with what is wrong in it."""
    with pytest.raises(Refusal, match=told):
        _csv(f"{header}\n")
