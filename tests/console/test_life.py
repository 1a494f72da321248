"""Orders through random commands, legal and not, against the real database.

After each command the tables are what a model in plain arithmetic says: where every order stands,
what of each request line was dispatched, cancelled and rejected, what is on hand and reserved, what
was billed, and which units are out. The model knows the rules from the pages, not from the code.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from contextlib import ExitStack
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from console import order_moves, stock_import
from console.exits import Refusal
from console.order_file import Entry
from console.reconcile.looking import OF_ORDERS
from console.submit import Submission
from core.db import reconciling_stock, reserving
from core.db.stocktaking import Count
from tests import postgres
from tests.console.life import (
    ALLOWED,
    ENDED,
    OUTCOMES,
    PRODUCTS,
    TAKES_BACK_ORDERS,
    WAREHOUSES,
    WHOLE,
    Cancellation,
    Claims,
    Line,
    Order,
    Sent,
)
from tests.console.orders import item
from tests.console.orders import order as document
from tests.daemons.desk import Desk, line, phones, record, units

ITEMS = st.lists(
    st.tuples(st.sampled_from(sorted(PRODUCTS)), st.integers(1, 4)), min_size=1, max_size=4
)
_numbers = count(1)


class Life(RuleBasedStateMachine):
    """The commands of the seller, the operator, the daemons and the warehouses."""

    host = ""

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        database = self.stack.enter_context(postgres.clone(self.host))
        root = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.desk = Desk(root, database)
        self.conn = self.desk.conn("console")
        self.orders: dict[int, Order] = {}
        self.on_hand: Counter[str] = Counter()
        self.unrecorded: Counter[str] = Counter()
        self.reserved: dict[tuple[int, str], int] = {}
        self.applied: dict[tuple[str, str], Sent] = {}
        self.sent: list[Sent] = []
        self.active: set[str] = set()
        self.out: Counter[int] = Counter()
        """Units with a number, by line."""
        for one in PRODUCTS.values():
            names = ["serialNumber"] if one.serialised else []
            self.desk.product(
                one.code,
                one.warehouse,
                serialised=one.serialised,
                attributes=names,
                billable=one.billable,
            )
            if one.kept:
                self.desk.stock(one.warehouse, one.code, 4)
                self.on_hand[one.code] = 4
        for warehouse in WAREHOUSES:
            self.desk.owner.execute(
                "update warehouse set over_dispatch_percent = %s, back_order = %s where id = %s",
                (ALLOWED[warehouse], warehouse in TAKES_BACK_ORDERS, warehouse),
            )

    @initialize(given=st.lists(ITEMS, min_size=3, max_size=5))
    def begin(self, given: list[list[tuple[str, int]]]) -> None:
        """A few orders are with their warehouses before anything else happens."""
        for items in given:
            self.enter(items, draft=False)
        self.generate()
        self.batch_and_seal()

    # The seller.

    @rule(items=ITEMS, draft=st.sampled_from([False, False, True]))
    def enter(self, items: list[tuple[str, int]], draft: bool) -> None:  # noqa: FBT001  # drawn
        """An order is entered, its stock checked and reserved."""
        reference = f"WEB-{next(_numbers)}"
        given = [item(product, n, PRODUCTS[product].price) for product, n in items]
        entry = Entry(1, document(reference, *given))
        summary = Submission(self.conn, draft=draft).run([entry])
        assert summary.entered == 1
        order = Order(
            self.desk.value("select id from sales_order where reference = %s", reference), items
        )
        self.orders[order.id] = order
        served = self._reserve(order, order.wanted)
        assert summary.short == (not served)
        order.short = not served and not draft
        if served and not draft:
            order.status = "AWAITING_GENERATION"

    @rule(data=st.data(), everything=st.booleans())
    def reserve(self, data: st.DataObject, everything: bool) -> None:  # noqa: FBT001  # drawn
        """The stock is checked anew for all that are short, the oldest first; or for one, which is
        left alone if it is not New.
        """
        if not everything:
            self._reserve_anew([self._any(data).id])
            return
        found = [one.id for one in reserving.all_short(self.conn, None, 1000)]
        assert found == sorted(order.id for order in self.orders.values() if order.short)
        self._reserve_anew(found)

    def _reserve_anew(self, ids: list[int]) -> None:
        with self.conn.transaction():
            decided = reserving.reserve(self.conn, ids, split=True, submit=True)
        new = [self.orders[id_] for id_ in ids if self.orders[id_].status == "NEW"]
        assert [one.order for one in decided] == [order.id for order in new]
        # What they had is given back before the first is decided on.
        for order in new:
            self._release(order)
        for order, one in zip(new, decided, strict=True):
            served = self._reserve(order, order.wanted)
            assert bool(one.short) != served
            order.short = not served
            if served:
                order.status = "AWAITING_GENERATION"

    @rule(
        product=st.sampled_from([one.code for one in PRODUCTS.values() if one.kept]),
        on_hand=st.integers(0, 12),
    )
    def count(self, product: str, on_hand: int) -> None:
        """A product is counted; below what is reserved is refused."""
        place = PRODUCTS[product].warehouse
        *_, wrong = stock_import.write(self.conn, [Count(place, product, on_hand)])
        below = on_hand < self._reserved_of(product)
        assert [reason for _, reason, _ in wrong] == ["BELOW_RESERVED"] * below
        if not below:
            self.on_hand[product] = on_hand
            self.unrecorded[product] = 0

    # The operator.

    @rule(data=st.data())
    def hold_or_release(self, data: st.DataObject) -> None:
        """An order is held, unless it has ended, is held, or all that is open is sealed; a hold
        ends.
        """
        order = self._any(data)
        if order.held and data.draw(st.booleans()):
            self._tried(order_moves.release, order, None, None, refused=False)
            order.held = False
            return
        sealed = any(each.open and each.sealed for each in order.lines)
        unsealed = any(each.open and not each.sealed for each in order.lines)
        refused = order.status in ENDED or order.held or (sealed and not unsealed)
        if self._tried(order_moves.hold, order, "in doubt", refused=refused):
            order.held = True

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """An order is cancelled: at once what is not sealed, and each warehouse that was asked for
        the rest is asked to cancel it; unless the order has ended, or all that is left has been
        asked already.
        """
        order = self._any(data)
        self._cancel(order)

    def _cancel(self, order: Order) -> None:
        sealed = {each.warehouse for each in order.lines if each.open and each.sealed}
        unsealed = any(each.open and not each.sealed for each in order.lines)
        asked = {one.warehouse for one in order.cancellations if one.is_open}
        refused = order.status in ENDED or (bool(sealed) and sealed <= asked and not unsealed)
        if not self._tried(order_moves.cancel, order, "changed mind", refused=refused):
            return
        awaited = order.status == "AWAITING_DISPATCH"
        for each in order.lines:
            if not each.sealed:
                each.counters["CANCELLED"] += each.open
        if unsealed or not sealed:
            order.held = False
        if not sealed:
            self._end(order, self._outcome(order) if awaited else "CANCELLED")
            order.short = False
            return
        for key in [key for key in self.reserved if key[0] == order.id]:
            self.reserved[key] = min(self.reserved[key], order.open_of(key[1]))
        self.reserved = {key: units_ for key, units_ in self.reserved.items() if units_}
        order.cancellations += [Cancellation(one) for one in sorted(sealed - asked)]

    @precondition(lambda self: any(o.status == "ERROR" for o in self.orders.values()))
    @rule(data=st.data())
    def regenerate(self, data: st.DataObject) -> None:
        """What is owed of an order in Error is requested anew, if there is stock for it."""
        failed = [order.id for order in self.orders.values() if order.status == "ERROR"]
        order = self.orders[data.draw(st.sampled_from(failed))]
        served = bool(order.owed) and self._reserve(order, order.owed)
        if self._tried(order_moves.regenerate, order, refused=not served):
            for each in order.lines:
                each.superseded = each.superseded or each.counters["REJECTED"] > 0
            order.status = "AWAITING_GENERATION"

    # The daemons.

    @rule(generate=st.sampled_from([True, True, True, False]), seal=st.booleans())
    def work(self, generate: bool, seal: bool) -> None:  # noqa: FBT001  # drawn
        """The daemons run, some of them or all."""
        if generate:
            self.generate()
        if seal:
            self.batch_and_seal()

    def generate(self) -> None:
        """Whatever awaits it gets request lines for exactly what is owed."""
        self.desk.generate()
        for order in self.orders.values():
            if order.status != "AWAITING_GENERATION":
                continue
            owed, known = order.owed, {each.id for each in order.lines}
            made = [
                Line(id_, product, warehouse, quantity)
                for id_, product, warehouse, quantity in self.desk.rows(
                    "select id, product_code, warehouse_id, quantity from request_line"
                    " where order_id = %s order by id",
                    order.id,
                )
                if id_ not in known
            ]
            asked: Counter[str] = Counter()
            for each in made:
                asked[each.product] += each.quantity
                assert each.warehouse == PRODUCTS[each.product].warehouse
                assert each.warehouse != "LEEDS" or each.quantity == 1
            assert asked == owed
            order.lines += made
            order.status = "AWAITING_DISPATCH"

    def batch_and_seal(self) -> None:
        """What is not held is batched and sealed."""
        self.desk.seal(*self.desk.batch())
        for order in self.orders.values():
            for each in order.lines:
                each.sealed = each.sealed or (not order.held and each.open > 0)
            for one in order.cancellations:
                if one.status == "REQUESTED":
                    one.status, one.sent = "SENT", True

    # The warehouses.

    @precondition(lambda self: self._waiting())
    @rule(
        data=st.data(),
        answers=st.lists(
            st.tuples(st.sampled_from(OUTCOMES), st.sampled_from(["part", "whole", "more"])),
            min_size=1,
            max_size=4,
        ),
    )
    def answer_as_asked(self, data: st.DataObject, answers: list[tuple[str, str]]) -> None:
        """A warehouse answers in one file for the open lines of some orders, in part or whole, or
        with as much more as it may dispatch; of one order perhaps more than once.
        """
        warehouse = data.draw(st.sampled_from(sorted({at for _, at in self._waiting()})))
        ids = [order for order, at in self._waiting() if at == warehouse]
        sent = []
        for outcome, how_much in answers:
            claims = [
                (each, outcome, self._quantity(each, outcome, how_much))
                for each in self.orders[data.draw(st.sampled_from(ids))].lines
                if each.warehouse == warehouse and each.open and each.sealed
            ]
            sent.append(self._record(data, claims))
        self._send(*sent)

    @staticmethod
    def _quantity(of: Line, outcome: str, how_much: str) -> int:
        if how_much == "part":
            return -(-of.open // 2)
        more = of.allowance if (outcome, how_much) == ("DISPATCHED", "more") else 0
        return of.open + more

    def _waiting(self) -> list[tuple[int, str]]:
        """(order, warehouse) where something sealed is open."""
        found = {
            (order.id, each.warehouse)
            for order in self.orders.values()
            for each in order.lines
            if each.open and each.sealed
        }
        return sorted(found)

    @rule(data=st.data())
    def answer(self, data: st.DataObject) -> None:
        """A warehouse answers for some lines of an order: what is open, too much, or the closed."""
        order = self._any(data, requested=True)
        lines = {each.id: each for each in order.lines}
        pool = sorted(lines)
        if data.draw(st.integers(0, 3)):
            pool = [id_ for id_ in pool if lines[id_].open] or pool
        first = lines[data.draw(st.sampled_from(pool))]
        mine = [id_ for id_ in pool if lines[id_].warehouse == first.warehouse]
        chosen = data.draw(st.lists(st.sampled_from(mine), min_size=1, max_size=3, unique=True))
        claims = []
        for id_ in chosen:
            status = data.draw(st.sampled_from(OUTCOMES))
            most = max(1, lines[id_].open) + data.draw(st.integers(0, 2))
            claims.append((lines[id_], status, data.draw(st.integers(most // 2 or 1, most))))
        self._send(self._record(data, claims))

    def _record(self, data: st.DataObject, claims: list[tuple[Line, str, int]]) -> Sent:
        of = claims[0][0]
        (order,) = (one.id for one in self.orders.values() if of in one.lines)
        numbers: set[str] = set()
        entries = []
        for each, status, quantity in claims:
            carried = self._numbers(data, each, status, quantity, numbers)
            more = {"units": units(*carried)} if carried else {}
            entries.append(line(each.id, quantity, status, **more))
        return Sent(
            of.warehouse,
            order,
            record(order, self._dispatch_id(), *entries, status="PART_DISPATCHED"),
            tuple((each.id, status, quantity) for each, status, quantity in claims),
            frozenset(numbers),
        )

    def _numbers(
        self, data: st.DataObject, of: Line, status: str, quantity: int, numbers: set[str]
    ) -> list[str]:
        """A serial number a unit; now and then one that somebody has already."""
        if status != "DISPATCHED" or not PRODUCTS[of.product].serialised:
            return []
        carried = [one["serialNumber"].upper() for one in phones(quantity)]
        taken = sorted(name.split(" ")[1] for name in self.active if name.startswith(of.product))
        if taken and data.draw(st.integers(0, 9)) == 0:
            carried[0] = data.draw(st.sampled_from(taken))
        numbers.update(f"{of.product} {number}" for number in carried)
        return carried

    @rule(
        data=st.data(), status=st.sampled_from(sorted(WHOLE)), warehouse=st.sampled_from(WAREHOUSES)
    )
    def answer_whole(self, data: st.DataObject, status: str, warehouse: str) -> None:
        """A warehouse, the one that was asked or another, settles all that is open of an order."""
        order = self._any(data, requested=True)
        told = record(order.id, self._dispatch_id(), status=status)
        self._send(Sent(warehouse, order.id, told, ()))

    @precondition(lambda self: self._waiting())
    @rule(
        data=st.data(),
        answer=st.sampled_from(["CANCELLED", "CANCEL_REFUSED", "DISPATCHED", None]),
        seal=st.sampled_from([True, True, False]),
    )
    def change_of_mind(self, data: st.DataObject, answer: str | None, seal: bool) -> None:  # noqa: FBT001  # drawn
        """Something sealed is asked back; the warehouse agrees, refuses, or has dispatched it."""
        order_id, warehouse = data.draw(st.sampled_from(self._waiting()))
        order = self.orders[order_id]
        self._cancel(order)
        if seal:
            self.batch_and_seal()
        if answer in ("CANCELLED", "CANCEL_REFUSED"):
            told = record(order_id, self._dispatch_id(), status=answer)
            self._send(Sent(warehouse, order_id, told, ()))
        elif answer:
            open_ = [each for each in order.lines if each.warehouse == warehouse and each.open]
            claims = [(each, answer, each.open) for each in open_ if each.sealed]
            self._send(self._record(data, claims))

    @rule(data=st.data(), warehouse=st.sampled_from(WAREHOUSES))
    def refuse_to_cancel(self, data: st.DataObject, warehouse: str) -> None:
        """A warehouse refuses a cancellation, whether or not it was asked for it."""
        order = self._any(data, requested=True)
        told = record(order.id, self._dispatch_id(), status="CANCEL_REFUSED")
        self._send(Sent(warehouse, order.id, told, ()))

    @precondition(lambda self: self._away())
    @rule(
        data=st.data(),
        back=st.lists(
            st.tuples(st.sampled_from(["RETURNED", "RETURNED_DAMAGED"]), st.integers(0, 3)),
            min_size=1,
            max_size=2,
        ),
    )
    def come_back(self, data: st.DataObject, back: list[tuple[str, int]]) -> None:
        """Units come back: some of what is out, or more, or such as never were."""
        first = data.draw(st.sampled_from(self._away()))
        (order,) = (one for one in self.orders.values() if first in one.lines)
        mine = [each for each in order.lines if each.warehouse == first.warehouse]
        claims: list[tuple[int, str, int]] = []
        entries, numbers = [], set[str]()
        for status, more in back:
            each = data.draw(st.sampled_from(mine)) if numbers or claims else first
            quantity = data.draw(st.integers(1, max(1, each.away))) + (more == 3)
            carried = self._numbers_back(data, each, quantity, numbers)
            named = {"units": units(*(one.split(" ")[1] for one in carried))} if carried else {}
            entries.append(line(each.id, quantity, status, **named))
            claims.append((each.id, status, quantity))
            numbers.update(carried)
        told = record(order.id, self._dispatch_id(), *entries, status="RETURNED")
        self._send(Sent(first.warehouse, order.id, told, tuple(claims), frozenset(numbers)))

    def _numbers_back(
        self, data: st.DataObject, of: Line, quantity: int, but: set[str]
    ) -> list[str]:
        """Numbers that are out on the line, but now and then one that is not."""
        if not PRODUCTS[of.product].serialised:
            return []
        carried = sorted(of.numbers - but)[:quantity]
        strange = [one["serialNumber"].upper() for one in phones(quantity - len(carried))]
        carried += [f"{of.product} {number}" for number in strange]
        if data.draw(st.integers(0, 9)) == 0:
            carried[0] = f"{of.product} {phones(1)[0]['serialNumber'].upper()}"
        return carried

    def _away(self) -> list[Line]:
        found = [each for o in self.orders.values() for each in o.lines if each.away]
        return sorted(found, key=lambda each: each.id)

    @precondition(lambda self: self.sent)
    @rule(data=st.data(), changed=st.booleans())
    def repeat(self, data: st.DataObject, changed: bool) -> None:  # noqa: FBT001  # drawn
        """A record comes again, the same or under its number with other content."""
        sent = data.draw(st.sampled_from(self.sent))
        if changed:
            other = sent.document | {"carrier": f"Van {next(_numbers)}"}
            sent = Sent(sent.warehouse, sent.order, other, sent.claims, sent.numbers)
        self._send(sent)

    def _send(self, *records: Sent) -> None:
        """Records in one file: each is judged by what those before it have left."""
        expected = []
        good, applied = [], list[Sent]()
        for sent in records:
            before = self.applied.get((sent.warehouse, sent.document["dispatchId"]))
            reason: str | None = None
            if before is None:
                reason = self._judge(sent)
            elif before.document != sent.document:
                reason = "DISPATCH_ID_REUSED"
            expected.append(reason)
            self.sent.append(sent)
            if before is None and reason is None:
                self.applied[sent.warehouse, sent.document["dispatchId"]] = sent
                applied.append(sent)
                good.append((self.orders[sent.order], self._apply(sent)))
        self._answer_cancellations(applied)
        self._take(good)
        for order, _ in good:
            if order.status == "AWAITING_DISPATCH" and not any(each.open for each in order.lines):
                self._end(order, self._outcome(order))
        answered = self.desk.answer(records[0].warehouse, *(one.document for one in records))
        assert answered == expected, records

    def _judge(self, sent: Sent) -> str | None:
        """The reason for which a record has to be refused, None if it has to be applied."""
        order = self.orders[sent.order]
        lines = {each.id: each for each in order.lines if each.warehouse == sent.warehouse}
        if not lines:
            return "LINE_NOT_YOURS"
        if sent.document["status"] == "CANCEL_REFUSED":
            asked = any(o.sent and o.warehouse == sent.warehouse for o in order.cancellations)
            return None if asked else "NOT_TO_CANCEL"
        if sent.document["status"] == "RETURNED":
            return self._not_back(lines, sent)
        claims = sent.claims or self._implied(sent)
        if not claims:
            return "LINE_CLOSED"
        if not sent.claims and not all(lines[id_].sealed for id_, *_ in claims):
            return "NOT_REQUESTED"
        return self._closed(lines, claims) or self._beyond(sent, lines, claims)

    @staticmethod
    def _closed(lines: dict[int, Line], claims: Claims) -> str | None:
        for id_, _, _ in claims:
            if not lines[id_].sealed:
                return "NOT_REQUESTED"
            if not lines[id_].open:
                return "LINE_CLOSED"
        return None

    def _beyond(self, sent: Sent, lines: dict[int, Line], claims: Claims) -> str | None:
        for id_, status, quantity in claims:
            beyond = quantity - lines[id_].open
            if beyond > (lines[id_].allowance if status == "DISPATCHED" else 0):
                return "OVER_DISPATCHED"
        return "SERIAL_ACTIVE" if sent.numbers & self.active else None

    @staticmethod
    def _not_back(lines: dict[int, Line], sent: Sent) -> str | None:
        """Why what a record brings back cannot have come back."""
        coming: Counter[int] = Counter()
        named_before: set[tuple[int, str]] = set()
        for (id_, status, quantity), entry in zip(sent.claims, sent.document["lines"], strict=True):
            each = lines[id_]
            if not each.sealed:
                return "NOT_REQUESTED"
            if (id_, status) in named_before:
                return "DUPLICATE_LINE"
            named_before.add((id_, status))
            coming[id_] += quantity
            if coming[id_] > each.away:
                return "OVER_RETURNED"
            named = {f"{each.product} {u['serialNumber']}" for u in entry.get("units", ())}
            if not named <= each.numbers:
                return "NOT_OUT"
        return None

    def _implied(self, sent: Sent) -> Claims:
        status = WHOLE[sent.document["status"]]
        return tuple(
            (each.id, status, each.open)
            for each in self.orders[sent.order].lines
            if each.warehouse == sent.warehouse and each.open
        )

    def _apply(self, sent: Sent) -> Counter[str]:
        """Count on the lines; the units by product that went out of what was asked, 0 of others."""
        lines = {each.id: each for each in self.orders[sent.order].lines}
        if sent.document["status"] == "RETURNED":
            self._take_back(sent, lines)
        if sent.document["status"] in ("RETURNED", "CANCEL_REFUSED"):
            return Counter()
        went: Counter[str] = Counter()
        for id_, status, quantity in sent.claims or self._implied(sent):
            if status == "BACK_ORDERED":
                continue
            each = lines[id_]
            asked = min(quantity, each.open)
            each.counters[status] += asked
            each.counters["EXCESS"] += quantity - asked
            went[each.product] += asked if status == "DISPATCHED" else 0
            if status == "DISPATCHED" and PRODUCTS[each.product].serialised:
                each.numbers |= self._carried(sent, each)
                self.out[id_] += quantity
        self.active |= sent.numbers
        return went

    @staticmethod
    def _carried(sent: Sent, of: Line) -> set[str]:
        """The numbers that a record has for a line."""
        return {
            f"{of.product} {unit['serialNumber']}"
            for entry in sent.document.get("lines", ())
            if entry["id"] == str(of.id)
            for unit in entry.get("units", ())
        }

    def _take_back(self, sent: Sent, lines: dict[int, Line]) -> None:
        """What was never asked for comes back first; what is whole goes to the stock."""
        for id_, status, quantity in sent.claims:
            each = lines[id_]
            beyond = min(quantity, each.excess_away)
            each.counters["BACK"] += quantity - beyond
            each.counters["EXCESS_BACK"] += beyond
            if status == "RETURNED" and PRODUCTS[each.product].kept:
                self.on_hand[each.product] += quantity - beyond
        for each in lines.values():
            each.numbers -= sent.numbers
        self.active -= sent.numbers

    def _answer_cancellations(self, good: list[Sent]) -> None:
        """What the good records of a file, all together, say to what was asked back."""
        for sent in good:
            order = self.orders[sent.order]
            mine = [one for one in good if one.order == sent.order]
            said = {one.document["status"] for one in mine}
            done = said | {claim[1] for one in mine for claim in one.claims}
            still = any(each.open for each in order.lines if each.warehouse == sent.warehouse)
            for one in order.cancellations:
                if one.warehouse != sent.warehouse or not one.is_open:
                    continue
                if "CANCEL_REFUSED" in said and one.status == "SENT":
                    one.status = "REFUSED"
                elif not still:
                    given_up = done & {"CANCELLED", "REJECTED", "FRAUD_REJECTED"}
                    one.status = "AGREED" if given_up else "TOO_LATE"

    def _take(self, good: list[tuple[Order, Counter[str]]]) -> None:
        """Take from the reservations of all, and then from on hand, what went out together."""
        total: Counter[str] = Counter()
        for order, went in good:
            for product in filter(lambda code: PRODUCTS[code].kept, went):
                had = self.reserved.pop((order.id, product), 0)
                if keeps := min(max(0, had - went[product]), order.open_of(product)):
                    self.reserved[order.id, product] = keeps
                total[product] += went[product]
        for product, gone in total.items():
            others = self._reserved_of(product)
            self.unrecorded[product] += max(0, others + gone - self.on_hand[product])
            self.on_hand[product] = max(others, self.on_hand[product] - gone)

    # What the rules say.

    @staticmethod
    def _outcome(order: Order) -> str:
        if any(each.counters["REJECTED"] and not each.superseded for each in order.lines):
            return "ERROR"
        return (
            "COMPLETE" if any(each.counters["DISPATCHED"] for each in order.lines) else "CANCELLED"
        )

    def _end(self, order: Order, status: str) -> None:
        order.status = status
        self._release(order)

    def _release(self, order: Order) -> None:
        for key in [key for key in self.reserved if key[0] == order.id]:
            del self.reserved[key]

    def _reserve(self, order: Order, wanted: Counter[str]) -> bool:
        """Reserve all of it or, but for what may come later, nothing; whether it is served."""
        takes = {}
        for product, quantity in wanted.items():
            one = PRODUCTS[product]
            if not one.kept:
                continue
            available = self.on_hand[product] - self._reserved_of(product)
            if available < quantity and one.warehouse not in TAKES_BACK_ORDERS:
                return False
            takes[order.id, product] = min(available, quantity)
        self.reserved |= {key: quantity for key, quantity in takes.items() if quantity}
        return True

    def _reserved_of(self, product: str) -> int:
        return sum(quantity for (_, of), quantity in self.reserved.items() if of == product)

    def _any(self, data: st.DataObject, *, requested: bool = False) -> Order:
        ids = [one.id for one in self.orders.values() if one.lines or not requested]
        return self.orders[data.draw(st.sampled_from(ids))]

    @staticmethod
    def _dispatch_id() -> str:
        return f"D{next(_numbers)}"

    def _tried(self, verb: Any, order: Order, *arguments: Any, refused: bool) -> bool:
        if refused:
            with pytest.raises(Refusal):
                verb(self.conn, f"id:{order.id}", *arguments)
            return False
        verb(self.conn, f"id:{order.id}", *arguments)
        return True

    # What has to be so after each command.

    @invariant()
    def orders_stand_where_they_have_to(self) -> None:
        """Status and hold of every order, and the last of its history."""
        rows = self.desk.rows(
            """
            select o.id, o.status, exists (select from order_hold h
                                            where h.order_id = o.id and h.released_at is null),
                   (select to_status from order_history h where h.order_id = o.id
                     order by h.id desc limit 1)
              from sales_order o order by o.id
            """
        )
        assert rows == [(o.id, o.status, o.held, o.status) for o in self.orders.values()]

    @invariant()
    def lines_add_up(self) -> None:
        """Every counter of every line."""
        names = ("DISPATCHED", "CANCELLED", "REJECTED", "EXCESS", "BACK", "EXCESS_BACK")
        expected = [
            (each.id, *(each.counters[name] for name in names), each.superseded)
            for order in self.orders.values()
            for each in order.lines
        ]
        assert sorted(expected) == self.desk.rows(
            "select id, dispatched, cancelled, rejected, excess, returned, excess_returned,"
            "       superseded"
            "  from request_line order by id"
        )

    @invariant()
    def cancellations_end_as_the_warehouse_says(self) -> None:
        """What was asked of each warehouse, and its answer."""
        expected = [
            (order.id, one.warehouse, one.status)
            for order in self.orders.values()
            for one in order.cancellations
        ]
        assert sorted(expected) == sorted(
            self.desk.rows("select order_id, warehouse_id, status from cancellation")
        )

    @invariant()
    def stock_is_what_was_not_taken(self) -> None:
        """On hand, reserved and unrecorded of each product, and who has reserved it."""
        expected = [
            (code, self.on_hand[code], self._reserved_of(code), self.unrecorded[code])
            for code, one in sorted(PRODUCTS.items())
            if one.kept
        ]
        assert expected == self.desk.rows(
            "select product_code, on_hand, reserved, unrecorded from stock order by 1"
        )
        rows = self.desk.rows("select order_id, product_code, quantity from reservation")
        assert self.reserved == {(order, product): quantity for order, product, quantity in rows}

    @invariant()
    def what_was_dispatched_is_billed(self) -> None:
        """Each order's sum is what was asked of it, and dispatched, and has not come back, at its
        price, to the digit.
        """
        expected: dict[int, Decimal] = {}
        for order in self.orders.values():
            for each in order.lines:
                one = PRODUCTS[each.product]
                if one.billable and each.counters["DISPATCHED"]:
                    kept = each.counters["DISPATCHED"] - each.counters["BACK"]
                    amount = kept * Decimal(one.price)
                    expected[order.id] = expected.get(order.id, Decimal(0)) + amount
        rows = self.desk.rows("select order_id, sum(amount) from charge group by order_id")
        assert expected == dict(rows)

    @invariant()
    def every_unit_is_out_once(self) -> None:
        """Every unit of a serialised product that is out has a number, and none has another's."""
        rows = self.desk.rows(
            "select product_code || ' ' || serial_number from dispatched_unit where active"
        )
        assert Counter(row[0] for row in rows) == Counter(self.active)
        counted = self.desk.rows("select line_id, count(*) from dispatched_unit group by line_id")
        assert +self.out == dict(counted)

    def teardown(self) -> None:
        """At the end `reconcile` finds no order that contradicts itself; the database goes."""
        with self.stack:
            self._check_agreement()

    def _check_agreement(self) -> None:
        for kind, check in OF_ORDERS.items():
            assert check(self.conn, None) == [], kind
        assert reconciling_stock.reserved_unlike_orders(self.conn) == []


def test_a_life(postgres_host: str) -> None:
    """Whatever is done to orders in whatever order: the arithmetic holds after each step."""
    Life.host = postgres_host
    run_state_machine_as_test(
        Life,
        settings=settings(
            max_examples=8,
            stateful_step_count=40,
            deadline=None,
            # To shrink takes minutes: each step has a database to do. The steps are printed whole.
            phases=[phase for phase in Phase if phase is not Phase.shrink],
            suppress_health_check=list(HealthCheck),
        ),
    )
