"""`cmp-orders stock`, the check at `order submit`, and `order reserve`."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from console.order_file import Entry
from console.submit import Submission
from core.errors import Reason
from tests.console.conftest import Console
from tests.console.orders import item, order
from tests.daemons.desk import line, record

SHORT = "It stays New: item 1: CASE, wanted 3, available 2."


def orders_of(*quantities: int, product: str = "CASE") -> list[dict[str, Any]]:
    """Orders WEB-1, WEB-2, ... of so many units each."""
    return [
        order(f"WEB-{number}", item(product, quantity))
        for number, quantity in enumerate(quantities, 1)
    ]


def statuses(console: Console) -> dict[str, str]:
    """Where each order stands, by reference."""
    return dict(console.rows("select reference, status from sales_order"))


def split(console: Console, allowed: str) -> Path:
    """The properties, with the one that allows or forbids several warehouses for one order."""
    path = console.properties_file
    changed = path.with_name("split.properties")
    changed.write_text(path.read_text() + f"sales.order.stock.split = {allowed}\n")
    return changed


def test_what_is_short_stays_new(console: Console) -> None:
    """Orders are served in the file's order; one that is short is entered, stays New and says why,
    in the summary, in the file of the refused and in its story; exit 1.
    """
    console.stock("LONDON", "CASE", 5)
    told = console.root / "refused.jsonl"
    ended = console.submit(orders_of(3, 3, 2), "--json", "--refused", told)
    assert (ended.code, ended.json["entered"], ended.json["short"]) == (1, 3, 1)
    assert ended.json["refused"] == 0
    one = {"line": 2, "reference": "WEB-2", "reason": Reason.OUT_OF_STOCK.value, "sentence": SHORT}
    assert ended.json["first_short"] == [one]
    assert [json.loads(each) for each in told.read_text().splitlines()] == [one]
    assert statuses(console) == {
        "WEB-1": "AWAITING_GENERATION", "WEB-2": "NEW", "WEB-3": "AWAITING_GENERATION",
    }  # fmt: skip
    assert console.stock_of("LONDON", "CASE") == (5, 5, 0)
    story = console.call("order", "show", "WEB-2", "--json").json
    assert story["status_reason"] == "OUT_OF_STOCK: item 1: CASE, wanted 3, available 2"
    assert console.call("order", "show", "WEB-1", "--json").json["reserved"] == [
        {"warehouse": "LONDON", "product_code": "CASE", "quantity": 3}
    ]
    assert "Reserved in stock" in console.call("order", "show", "WEB-1").out
    shown = console.call("status", "--json").json["orders"]
    assert [step["count"] for step in shown if step["step"] == "short"] == [1]


def test_the_summary_for_people(console: Console) -> None:
    """What is short is counted and listed, with what to do about it."""
    console.stock("LONDON", "CASE", 2)
    ended = console.submit([*orders_of(3), order("BAD", item(quantity=0))])
    assert ended.code == 1
    for words in ("that stay New", "wanted 3, available 2", "SCHEMA_INVALID"):
        assert words in ended.out


def test_submitted_again(console: Console) -> None:
    """The same file once more takes up what is short, as soon as there is stock, and nothing else;
    an order twice in a file is served once.
    """
    console.stock("LONDON", "CASE", 4)
    given = [*orders_of(3, 3), *orders_of(3)]
    first = console.submit(given, "--json").json
    assert (first["entered"], first["already_there"], first["short"]) == (2, 1, 1)
    again = console.submit(given, "--json").json
    assert (again["already_there"], again["drafts_submitted"], again["short"]) == (3, 0, 1)
    assert console.call("stock", "set", "LONDON", "CASE", 6).code == 0
    ended = console.submit(given, "--json")
    assert (ended.code, ended.json["drafts_submitted"], ended.json["short"]) == (0, 1, 0)
    assert console.stock_of("LONDON", "CASE") == (6, 6, 0)
    assert set(statuses(console).values()) == {"AWAITING_GENERATION"}


def test_drafts_reserve_and_wait(console: Console) -> None:
    """A draft reserves when it is entered, and stays New; a short one is not taken up by `order
    reserve` without a name, which submits.
    """
    console.stock("LONDON", "CASE", 4)
    ended = console.submit(orders_of(3, 2), "--draft", "--json")
    assert (ended.code, ended.json["short"]) == (1, 1)
    assert set(statuses(console).values()) == {"NEW"}
    assert console.stock_of("LONDON", "CASE") == (4, 3, 0)
    assert console.call("stock", "set", "LONDON", "CASE", 9).code == 0
    assert console.call("order", "reserve", "--json").json["submitted"] == 0
    again = console.submit(orders_of(3, 2), "--draft", "--json").json
    assert (again["already_there"], again["short"]) == (2, 0)
    assert console.stock_of("LONDON", "CASE") == (9, 3, 0)
    assert set(statuses(console).values()) == {"NEW"}
    # The one that is named is meant; the other keeps what it has.
    assert console.call("order", "reserve", "WEB-2", "--json").json["submitted"] == 1
    assert statuses(console) == {"WEB-1": "NEW", "WEB-2": "AWAITING_GENERATION"}
    assert console.stock_of("LONDON", "CASE") == (9, 5, 0)
    assert console.submit(orders_of(3, 2), "--json").json["drafts_submitted"] == 1
    assert console.stock_of("LONDON", "CASE") == (9, 5, 0)


def test_a_draft_is_allotted_anew(console: Console) -> None:
    """What was chosen for a draft binds nobody: submitted, it goes where it is preferred now. What
    the seller names does.
    """
    for warehouse in ("LEEDS", "LONDON"):
        console.stock(warehouse, "CASE", 5)
    drafts = [order("WEB-1"), order("WEB-2", item(warehouse="LEEDS"))]
    assert console.submit(drafts, "--draft").code == 0
    places = "select warehouse_id from order_item order by order_id"
    assert console.rows(places) == [("LEEDS",), ("LEEDS",)]
    assert console.call("warehouse", "set", "LONDON", "--priority", 1).code == 0
    assert console.submit(drafts).code == 0
    assert console.rows(places) == [("LONDON",), ("LEEDS",)]
    assert console.stock_of("LEEDS", "CASE") == (5, 1, 0)


def test_order_reserve(console: Console) -> None:
    """Without a name all that are short are looked at, the oldest first; others are refused."""
    console.stock("LONDON", "CASE", 0)
    given = orders_of(3, 3, 1)
    given[2]["enteredAt"] = "2026-01-01T00:00:00Z"
    assert console.submit(given, "--json").json["short"] == 3
    assert console.call("order", "reserve", "--json").json["submitted"] == 0
    console.owner.execute("update stock set on_hand = 4")
    ended = console.call("order", "reserve", "--json")
    assert (ended.code, ended.json["submitted"]) == (1, 2)
    [short] = ended.json["short"]
    assert short["why"] == "item 1: CASE, wanted 3, available 0"
    assert statuses(console)["WEB-2"] == "NEW"
    refused = console.call("order", "reserve", "WEB-1", "WEB-2")
    assert (refused.code, "is not New" in refused.err) == (1, True)
    assert "stay New" in console.call("order", "reserve").out
    assert console.call("order", "reserve", "WEB-9").code == 1


def test_split_and_priority(console: Console) -> None:
    """The preferred warehouse that has all of it serves an order; none has: it is split, unless the
    property forbids it.
    """
    for warehouse, product, units in (
        ("LONDON", "CASE", 9), ("LONDON", "WELCOME", 1), ("LEEDS", "CASE", 9),
        ("LEEDS", "WELCOME", 9), ("BELFAST", "CASE", 0),
    ):  # fmt: skip
        assert console.call("stock", "set", warehouse, product, units).code == 0
    assert console.call("warehouse", "set", "LONDON", "--priority", 1).code == 0
    both = [order(f"WEB-{n}", item("CASE", 1), item("WELCOME", n)) for n in (1, 2)]
    assert console.submit(both).code == 0
    places = (
        "select o.reference, i.warehouse_id from order_item i"
        " join sales_order o on o.id = i.order_id order by 1, i.item_no"
    )
    assert console.rows(places) == [
        ("WEB-1", "LONDON"), ("WEB-1", "LONDON"), ("WEB-2", "LEEDS"), ("WEB-2", "LEEDS"),
    ]  # fmt: skip
    assert console.call("stock", "set", "LEEDS", "CASE", 3).code == 0
    apart = [order("WEB-3", item("CASE", 8), item("WELCOME", 7))]
    path = console.root / "apart.jsonl"
    path.write_text(json.dumps(apart[0]))
    forbidden = console.call("order", "submit", path, config=split(console, "false"))
    assert (forbidden.code, "no one warehouse has all of it" in forbidden.out) == (1, True)
    assert console.call("order", "reserve", config=split(console, "false")).code == 1
    assert console.call("order", "reserve").code == 0
    assert console.rows(places)[-2:] == [("WEB-3", "LONDON"), ("WEB-3", "LEEDS")]


def test_back_order(console: Console) -> None:
    """Where a warehouse takes back-orders an order goes on with what there is, and is told so."""
    console.stock("LONDON", "CASE", 2)
    assert console.submit(orders_of(3)).code == 1
    assert console.call("warehouse", "set", "LONDON", "--back-order").code == 0
    ended = console.call("order", "reserve", "--json")
    assert (ended.code, ended.json["units_back_ordered"]) == (0, 1)
    assert console.stock_of("LONDON", "CASE") == (2, 2, 0)
    assert console.submit([order("WEB-2")], "--json").json["units_back_ordered"] == 1
    shown = console.submit([order("WEB-3")])
    assert (shown.code, "units on back-order" in shown.out) == (0, True)
    assert console.call("warehouse", "set", "LONDON", "--no-back-order").code == 0
    assert console.submit([order("WEB-4")]).code == 1
    [london] = [w for w in console.call("warehouse", "list", "--json").json if w["id"] == "LONDON"]
    assert london["back_order"] is False


def test_what_is_not_kept_goes_unchecked(console: Console) -> None:
    """A product without stock is submitted as ever beside those that have some; after `stock
    forget` so is any other, and what is reserved cannot be forgotten.
    """
    console.stock("LONDON", "CASE", 1)
    assert console.submit([order("WEB-1", item("PHONE", 9), item("CASE", 1))]).code == 0
    assert console.rows("select product_code, warehouse_id from order_item order by 1") == [
        ("CASE", "LONDON"), ("PHONE", None),
    ]  # fmt: skip
    assert console.submit([order("WEB-2", item("CASE", 1))]).code == 1
    reserved = console.call("stock", "forget", "LONDON", "CASE")
    assert (reserved.code, "or some of it is reserved" in reserved.err) == (1, True)
    assert console.call("order", "cancel", "WEB-1", "--reason", "x").code == 0
    assert console.call("stock", "forget", "LONDON", "CASE").code == 0
    assert console.call("stock", "forget", "LONDON", "CASE").code == 1
    assert console.submit([order("WEB-3", item("CASE", 99))]).code == 0
    assert console.call("order", "reserve").code == 0
    assert set(statuses(console).values()) == {"CANCELLED", "AWAITING_GENERATION"}


def test_two_files_for_the_last_units(console: Console) -> None:
    """Files submitted at once get no more than there is, whichever comes first, and lose none."""
    console.stock("LONDON", "CASE", 10)
    files = 4
    entries = [
        [
            Entry(number, order(f"WEB-{at}-{number}", item("CASE", 1), item("PHONE", 1)))
            for number in range(1, 6)
        ]
        for at in range(files)
    ]
    together = threading.Barrier(files)

    def run(at: int) -> tuple[int, int]:
        with console.database.connect("sales_order_console") as conn:
            together.wait()
            summary = Submission(conn, orders_a_transaction=1).run(entries[at])
        return summary.entered, summary.short

    with ThreadPoolExecutor(files) as pool:
        ended = list(pool.map(run, range(files)))
    assert [entered for entered, _ in ended] == [5] * files
    assert sum(short for _, short in ended) == 10
    assert console.stock_of("LONDON", "CASE") == (10, 10, 0)
    assert sorted(statuses(console).values()) == ["AWAITING_GENERATION"] * 10 + ["NEW"] * 10


def test_set_and_show(console: Console) -> None:
    """A count is written and shown; below what is reserved, or of what is not there, it is refused
    with the reason.
    """
    assert console.call("stock", "set", "LONDON", "CASE", 5).code == 0
    assert console.submit(orders_of(3)).code == 0
    below = console.call("stock", "set", "LONDON", "CASE", 2)
    assert (below.code, "BELOW_RESERVED: 3 are reserved" in below.err) == (1, True)
    assert console.call("stock", "set", "LONDON", "CASE", -1).code == 2
    for warehouse, product, reason in (
        ("PARIS", "CASE", "UNKNOWN_WAREHOUSE"), ("LONDON", "NONE", "UNKNOWN_PRODUCT"),
    ):  # fmt: skip
        unknown = console.call("stock", "set", warehouse, product, 1)
        assert (unknown.code, reason in unknown.err) == (1, True)
    assert console.call("stock", "set", "LONDON", "CASE", 4).code == 0
    assert console.call("stock", "set", "LEEDS", "CASE", 7).code == 0
    [london] = console.call("stock", "show", "CASE", "--warehouse", "LONDON", "--json").json
    assert [london[name] for name in ("on_hand", "reserved", "available")] == [4, 3, 1]
    assert len(console.call("stock", "show", "CASE", "--json").json) == 2
    assert "Product CASE" in console.call("stock", "show", "--limit", 1).out
    [held] = console.call("stock", "show", "--orders", "--json").json
    assert (held["reference"], held["quantity"], held["warehouse_id"]) == ("WEB-1", 3, "LONDON")
    assert "WEB-1" in console.call("stock", "show", "--orders").out


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_import(console: Console, kind: str) -> None:
    """A file's good counts are written, each of the others is told with its line and why."""
    rows = [
        ("LONDON", "CASE", 5), ("LEEDS", "CASE", 0), ("PARIS", "CASE", 1), ("LONDON", "NONE", 1),
        ("LONDON", "CASE", 6), ("LONDON", "PHONE", -1), ("LONDON", "PHONE", "1.5"),
    ]  # fmt: skip
    path = console.root / f"counts.{kind}"
    if kind == "csv":
        cells = "".join(f"{w},{p},{n}\n" for w, p, n in rows)
        path.write_text("warehouse,product,onHand\n" + cells)
    else:
        documents = [{"warehouse": w, "product": p, "onHand": n} for w, p, n in rows]
        path.write_text("".join(json.dumps(one) + "\n" for one in documents))
    ended = console.call("stock", "import", path, "--json")
    assert (ended.code, ended.json["new"], ended.json["changed"]) == (1, 2, 0)
    first = 2 if kind == "csv" else 1
    assert sorted((one["line"] - first, one["reason"]) for one in ended.json["refused"]) == [
        (2, "UNKNOWN_WAREHOUSE"), (3, "UNKNOWN_PRODUCT"), (4, "SCHEMA_INVALID"),
        (5, "SCHEMA_INVALID"), (6, "SCHEMA_INVALID"),
    ]  # fmt: skip
    assert console.stock_of("LONDON", "CASE") == (5, 0, 0)
    again = console.call("stock", "import", path, "--json").json
    assert (again["new"], again["changed"], again["unchanged"]) == (0, 0, 2)
    assert "UNKNOWN_PRODUCT" in console.call("stock", "import", path).out
    console.owner.execute(
        "insert into reservation values (%s, 'LONDON', 'CASE', 3)",
        (console.order(("CASE", 3, "1"), submit=False),),
    )
    path.write_text('{"warehouse": "LONDON", "product": "CASE", "onHand": 2}\n')
    below = console.call("stock", "import", path, "--format", "json", "--json").json
    assert [one["reason"] for one in below["refused"]] == ["BELOW_RESERVED"]


def test_columns(console: Console) -> None:
    """A CSV file without the columns, or with others, is refused whole."""
    path = console.root / "counts.csv"
    for head in ("warehouse,product", "warehouse,product,onHand,shelf"):
        path.write_text(f"{head}\nLONDON,CASE,1,1\n")
        ended = console.call("stock", "import", path)
        assert (ended.code, "line 1 has to name the columns" in ended.err) == (1, True)


def test_withdrawn_orders_keep_their_stock(console: Console) -> None:
    """Orders of a batch that is withdrawn are still to be sent: what is reserved stays so."""
    console.call("tree", "init")
    console.stock("LONDON", "CASE", 5)
    assert console.submit(orders_of(3)).code == 0
    console.generate()
    [batch] = console.batch()
    ended = console.call("batch", "withdraw", batch, "--reason", "x")
    assert (ended.code, console.stock_of("LONDON", "CASE")) == (0, (5, 3, 0))
    assert console.call("order", "cancel", "WEB-1", "--reason", "x").code == 0
    assert console.stock_of("LONDON", "CASE") == (5, 0, 0)


def test_the_whole_way(console: Console) -> None:
    """From entry to dispatch: what was reserved leaves on hand and reserved together, and tables
    agree at every step.
    """
    console.stock("LONDON", "CASE", 5)
    assert console.submit(orders_of(3, 2)).code == 0
    assert kinds(console) == []
    console.request_all()
    assert kinds(console) == []
    first, second = (row[0] for row in console.rows("select id from sales_order order by id"))
    whole = record(first, "D1", line(console.lines(first)[0], 3))
    rejected = record(second, "D2", status="REJECTED")
    assert console.answer("LONDON", whole, rejected) == [None, None]
    assert console.stock_of("LONDON", "CASE") == (2, 0, 0)
    assert kinds(console) == []
    assert console.call("order", "regenerate", second).code == 0
    assert console.stock_of("LONDON", "CASE") == (2, 2, 0)
    assert kinds(console) == []


def kinds(console: Console) -> list[str]:
    """What `reconcile` finds of the stock."""
    console.call("tree", "init")
    found = console.call("reconcile", "--json").json
    return [one["kind"] for one in found if "RESERVED" in one["kind"]]


def test_reconcile(console: Console) -> None:
    """What is reserved for an order that does not ask for it, and a wrong sum, are told."""
    console.stock("LONDON", "CASE", 9)
    assert console.submit(orders_of(3, 2)).code == 0
    console.owner.execute("update reservation set quantity = quantity + 1 where quantity = 2")
    assert kinds(console) == ["RESERVED_UNOWED"]
    console.owner.execute("update reservation set quantity = quantity - 1")
    console.owner.execute("alter table reservation disable trigger user")
    console.owner.execute("update reservation set quantity = quantity - 1")
    console.owner.execute("alter table reservation enable trigger user")
    assert kinds(console) == ["STOCK_RESERVED"]
    console.owner.execute("update sales_order set status = 'CANCELLED' where reference = 'WEB-1'")
    console.owner.execute(
        "insert into reservation select id, 'LONDON', 'CASE', 1 from sales_order"
        " where reference = 'WEB-1'"
    )
    assert sorted(kinds(console)) == ["RESERVED_UNOWED", "STOCK_RESERVED"]


def test_reconcile_of_what_is_open(console: Console) -> None:
    """Of an order in Awaiting Dispatch no more is reserved than is open."""
    console.stock("LONDON", "CASE", 9)
    assert console.submit(orders_of(5)).code == 0
    console.request_all()
    [order_id] = (row[0] for row in console.rows("select id from sales_order"))
    part = record(order_id, "D1", line(console.lines(order_id)[0], 2), status="PART_DISPATCHED")
    assert console.answer("LONDON", part) == [None]
    assert kinds(console) == []
    console.owner.execute("update reservation set quantity = 4")
    assert kinds(console) == ["RESERVED_UNOWED"]


def test_a_long_list_of_refusals_is_cut(console: Console) -> None:
    """A terminal shows the first of them and how many more there are; --json shows all."""
    path = console.root / "counts.csv"
    rows = [f"LONDON,NOT-THERE-{number},1" for number in range(60)]
    path.write_text("\n".join(["warehouse,product,onHand", *rows, ""]))
    shown = console.call("stock", "import", path)
    assert shown.code == 1
    assert shown.out.count("NOT-THERE-") == 50
    assert "... and 10 more: --json shows all." in shown.out
    assert len(console.call("stock", "import", path, "--json").json["refused"]) == 60
