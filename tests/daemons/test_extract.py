"""Sealing and publishing: what drops out, what a file says, numbers without a gap."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.directory import published_name
from core.domain.batch import BATCHED
from tests.daemons.depot import Depot

PERSON: dict[str, Any] = {
    "account_id": 8_999_999_999_999_999_999,
    "entered_at": "2026-02-03T04:05:06.789012+00:00",
    "delivery_method": "NEXT_DAY",
    "delivery_instructions": 'Leave "it"\nat the door \\ ☃',
    "contact_name": "Zoë Q. Contact",
    "contact_email": "zoe@example.com",
    "contact_phone": "+44 20 7946 0000",
    "delivery_name": "Zoë Delivery",
    "delivery_lines": ["Flat 1", "2 High Street"],
    "town": "Exampleton",
    "county": "Kent",
    "post_code": "TN1 1AA",
    "country": "GB",
}


def test_a_file_says_what_the_rows_say(depot: Depot) -> None:
    """The document has the order's columns and lines as entered, and the header of its batch."""
    order, batch = depot.batched(("PHONE", 2, "499.9900000000"), ("CASE", 80995, "0.001"), **PERSON)
    depot.extract()
    (file,) = depot.sent("LONDON")
    phone, case = depot.lines(order)
    assert file["orders"] == [
        {
            "id": str(order),
            "action": "REQUEST",
            "accountId": 8_999_999_999_999_999_999,
            "orderDateTime": "2026-02-03T04:05:06.789012Z",
            "fraudCheckRequired": False,
            "deliveryMethod": {"id": "NEXT_DAY"},
            "deliveryInstructions": 'Leave "it"\nat the door \\ ☃',
            "deliveryAddress": {
                "name": "Zoë Delivery",
                "lines": ["Flat 1", "2 High Street"],
                "town": "Exampleton",
                "county": "Kent",
                "postCode": "TN1 1AA",
                "country": "GB",
            },
            "lines": [
                {"id": str(phone), "productCode": "PHONE", "description": "Product PHONE",
                 "quantity": 2, "unitPrice": "499.9900000000", "currency": "GBP",
                 "serialised": True, "attributes": ["serialNumber", "imei"]},
                {"id": str(case), "productCode": "CASE", "description": "Product CASE",
                 "quantity": 80995, "unitPrice": "0.001", "currency": "GBP",
                 "serialised": False},
            ],
        }
    ]  # fmt: skip
    assert file["wareHouse"] == {"id": "LONDON", "name": "Warehouse London", "fileSequence": 1}
    assert (file["version"], file["recordCount"]) == ("1.1", 1)
    row = depot.rows("select id, name, batch_id from outbound_file")[0]
    assert row == (file["identifier"], "order-request-LONDON-00000001.p7m", batch)
    assert depot.stage(batch) == "Extract/Load, Complete"


@pytest.mark.parametrize("required", ["true", "false"])
def test_contact_details_belong_to_the_fraud_check(depot: Depot, required: str) -> None:
    """With the property true every order is marked and says whom to contact; else neither."""
    depot.set(request_extract_fraudcheckrequired=required)
    depot.batched(**PERSON)
    depot.extract()
    (file,) = depot.sent("LONDON")
    (entry,) = file["orders"]
    assert entry["fraudCheckRequired"] is (required == "true")
    assert entry.get("contactDetails") == (
        {"name": "Zoë Q. Contact", "email": "zoe@example.com", "phone": "+44 20 7946 0000"}
        if required == "true"
        else None
    )


def test_the_property_counts_as_it_was_at_batching(depot: Depot) -> None:
    """A batch keeps the fraud check that it was made with."""
    depot.batched(**PERSON)
    depot.set(request_extract_fraudcheckrequired="true")
    depot.extract()
    assert depot.sent("LONDON")[0]["orders"][0]["fraudCheckRequired"] is False


def test_cancelled_orders_drop_out(depot: Depot) -> None:
    """An order that was cancelled after batching is not in the file, nor counted in its header."""
    gone, kept = depot.order(("CASE", 1, "1")), depot.order(("CASE", 2, "1"))
    depot.generate()
    (batch,) = depot.batch()
    depot.owner.execute("update sales_order set status = 'CANCELLED' where id = %s", (gone,))
    depot.extract()
    (file,) = depot.sent("LONDON")
    assert [entry["id"] for entry in file["orders"]] == [str(kept)]
    assert depot.rows("select record_count from batch where id = %s", batch) == [(1,)]
    assert depot.rows("select order_id from request_detail") == [(kept,)]


def test_held_orders_come_with_a_later_batch(depot: Depot) -> None:
    """An order held after batching goes back to the queue, and comes once it is released."""
    held, kept = depot.order(("CASE", 1, "1")), depot.order(("CASE", 2, "1"))
    depot.generate()
    size = depot.rows("select line_count, byte_count from request_queue where order_id = %s", held)
    depot.batch()
    hold(depot, held)
    depot.extract()
    assert [entry["id"] for entry in depot.sent("LONDON")[0]["orders"]] == [str(kept)]
    assert size == depot.rows("select line_count, byte_count from request_queue")
    assert depot.batch() == []
    depot.owner.execute("update order_hold set released_at = now(), released_by = 'me'")
    assert len(depot.batch()) == 1
    depot.extract()
    assert [entry["id"] for entry in depot.sent("LONDON")[1]["orders"]] == [str(held)]


def test_a_changed_address_is_checked_before_it_is_sealed(depot: Depot) -> None:
    """An order whose address was changed after batching is not in the file: it goes back to the
    queue, is checked anew, and comes with a later batch.
    """
    depot.require_check("rules")
    changed, kept = depot.order(("CASE", 1, "1"), **PERSON), depot.order(("CASE", 2, "1"), **PERSON)
    depot.generate()
    depot.check()
    depot.batch()
    depot.owner.execute(
        "update sales_order set delivery_lines = array['Test Street'] where id = %s", (changed,)
    )
    depot.extract()
    assert [entry["id"] for entry in depot.sent("LONDON")[0]["orders"]] == [str(kept)]
    assert depot.batch() == []
    depot.check()
    assert depot.value("select kind from order_hold where order_id = %s", changed) == "FRAUD"
    assert depot.batch() == []
    depot.owner.execute("update order_hold set released_at = now(), released_by = 'me'")
    depot.batch()
    depot.extract()
    assert [entry["id"] for entry in depot.sent("LONDON")[1]["orders"]] == [str(changed)]


def hold(depot: Depot, order: int) -> None:
    """An operator's hold."""
    depot.owner.execute(
        "insert into order_hold (order_id, kind, reason, placed_by)"
        " values (%s, 'OPERATOR', 'x', 'me')",
        (order,),
    )


def test_an_order_goes_back_to_its_own_warehouse_alone(depot: Depot) -> None:
    """Of an order of two warehouses the held half returns to the queue it came from."""
    order = depot.order(("CASE", 1, "1"), ("SIM", 2, "1"))
    depot.generate()
    depot.batch()
    hold(depot, order)
    depot.extract()
    assert depot.rows("select warehouse_id, line_count from request_queue order by 1") == [
        ("LEEDS", 2),
        ("LONDON", 1),
    ]


def test_an_empty_batch_has_no_number(depot: Depot) -> None:
    """A batch with nothing left ends Complete without a file, and takes no file number."""
    order, batch = depot.batched()
    depot.owner.execute("update sales_order set status = 'CANCELLED' where id = %s", (order,))
    depot.extract()
    assert depot.stage(batch) == "Extract/Load, Complete"
    assert depot.sent("LONDON") == []
    assert depot.rows("select 1 from outbound_file") == []
    depot.batched()
    depot.extract()
    assert [file["wareHouse"]["fileSequence"] for file in depot.sent("LONDON")] == [1]


def test_numbers_have_no_gap_after_failures(depot: Depot) -> None:
    """A seal that failed, by the disk's fault or by ours, uses up no number."""
    _, first = depot.batched()
    work = depot.outbound.root / "work" / "LONDON"
    work.rmdir()
    work.touch()
    depot.extract()
    assert depot.stage(first) == "Batch, Complete"
    work.unlink()
    depot.owner.execute("update product set code = 'GONE' where code = 'CASE'")
    depot.extract()
    assert depot.stage(first) == "Extract/Load, Error"
    assert depot.rows("select reason from batch") == [("INTERNAL_ERROR",)]
    depot.owner.execute("update product set code = 'CASE' where code = 'GONE'")
    _, second = depot.batched()
    depot.extract()
    reprocess(depot, first)
    depot.extract()
    assert [(f["wareHouse"]["fileSequence"], f["recordCount"]) for f in depot.sent("LONDON")] == [
        (1, 1),
        (2, 1),
    ]
    assert depot.rows("select batch_id from outbound_file order by file_sequence") == [
        (second,),
        (first,),
    ]


def reprocess(depot: Depot, batch: int) -> None:
    """Back to Batch, Complete, as the console's verb does."""
    depot.owner.execute(
        "update batch set stage = %s, stage_status = %s where id = %s",
        (BATCHED.stage, BATCHED.status, batch),
    )


def test_copy_and_manifest_stay(depot: Depot) -> None:
    """The archive keeps the file as it was sent, and a manifest that names no person."""
    order, batch = depot.batched(("ROUTER", 2, "80"), ("ROUTER", 1, "80.0"), **PERSON)
    depot.extract()
    name = published_name("BELFAST", 1)
    archived = depot.outbound.archived("BELFAST", name)
    assert archived.read_bytes() == (depot.outbound.outbox("BELFAST") / name).read_bytes()
    text = archived.with_name(f"{name}.json").read_text()
    manifest = json.loads(text)
    (line,) = depot.lines(order)
    assert manifest["orders"] == [
        {"id": order, "generation": 1, "lines": [
            [line, None, "ROUTER", 3, "80", True, True, ["serialNumber"], [[1, 2], [2, 1]]]]}
    ]  # fmt: skip
    assert manifest["lineColumns"] == [
        "id", "item", "product", "quantity", "unit_price", "serialised", "billable", "attributes",
        "shares",
    ]  # fmt: skip
    assert (manifest["batch"], manifest["fileSequence"]) == (batch, 1)
    assert manifest["tree"] == str(depot.outbound.tree_id())
    assert not [word for word in ("Zo", "Example", "High Street", "7946", "TN1") if word in text]
    assert list((depot.outbound.root / "work" / "BELFAST").iterdir()) == []


def test_a_warehouse_without_key_rests(depot: Depot) -> None:
    """Without a key for one warehouse the others are served; with it the batch goes on."""
    depot.order(("CASE", 1, "1"), ("SIM", 1, "1"), ("ROUTER", 1, "1"))
    depot.generate()
    depot.batch()
    certificate = depot.trust / "LONDON" / "encryption.pem"
    kept = certificate.rename(depot.root / "kept.pem")
    depot.extract()
    assert [len(depot.sent(one)) for one in ("LONDON", "LEEDS", "BELFAST")] == [0, 1, 1]
    assert depot.rows("select stage from batch where warehouse_id = 'LONDON'") == [("Batch",)]
    kept.rename(certificate)
    depot.extract()
    assert len(depot.sent("LONDON")) == 1
