"""The fraud check's decisions: rules and weights, verdicts, what follows, and what is the same."""

from __future__ import annotations

import pytest

from core.domain.fraud import (
    KEY_BYTES,
    NOBODY,
    NOWHERE,
    Consequence,
    Judgement,
    Rule,
    Thresholds,
    Verdict,
    address_key,
    consequence,
    explain,
    is_nowhere,
    name_key,
    of_name,
    weigh,
    words,
)

WEIGHTS = {rule: rule.weight for rule in Rule}
REFER = Judgement(Verdict.REFER, 50, ("NAME_MISSING",))
REJECT = Judgement(Verdict.REJECT, 90, ("NAME_MISSING",))


@pytest.mark.parametrize(
    ("score", "thresholds", "verdict"),
    [
        (49, Thresholds(50, 100), Verdict.PASS),
        (50, Thresholds(50, 100), Verdict.REFER),
        (99, Thresholds(50, 100), Verdict.REFER),
        (100, Thresholds(50, 100), Verdict.REJECT),
        (100, Thresholds(50, 0), Verdict.REFER),
        (100, Thresholds(0, 0), Verdict.PASS),
        (0, Thresholds(0, 0), Verdict.PASS),
        (60, Thresholds(0, 60), Verdict.REJECT),
    ],
)
def test_thresholds(score: int, thresholds: Thresholds, verdict: Verdict) -> None:
    """The score decides against the thresholds, and 0 is no threshold."""
    weights = dict.fromkeys(Rule, 0) | {Rule.NAME_MISSING: score}
    assert weigh({Rule.NAME_MISSING}, weights, thresholds).verdict is verdict


def test_a_rule_without_weight_is_off() -> None:
    """A rule of weight 0 is neither counted nor named; the others stand in the rules' order."""
    weights = WEIGHTS | {Rule.EMAIL_INVALID: 0}
    fired = {Rule.PHONE_INVALID, Rule.EMAIL_INVALID, Rule.NAME_MISSING}
    assert weigh(fired, weights, Thresholds(50, 0)) == Judgement(
        Verdict.REFER, 100, ("NAME_MISSING", "PHONE_INVALID")
    )


def test_each_rule_that_is_on_refers_but_the_country() -> None:
    """As delivered a single rule has an order looked at, but for a delivery abroad, which is
    often a gift; none rejects.
    """
    for rule in Rule:
        judged = weigh({rule}, WEIGHTS, Thresholds(50, 0)).verdict
        weak = rule.weight == 0 or rule is Rule.DELIVERY_ABROAD
        assert judged is (Verdict.PASS if weak else Verdict.REFER), rule


@pytest.mark.parametrize(
    ("judgement", "released", "reused", "follows"),
    [
        (Judgement(Verdict.PASS, 30, ("DELIVERY_ABROAD",)), None, False, Consequence.GO),
        (REFER, None, False, Consequence.HOLD),
        (REFER, None, True, Consequence.HOLD),
        (REFER, ["NAME_MISSING"], False, Consequence.GO),
        (REFER, ["NAME_MISSING", "X"], True, Consequence.GO),
        (REFER, ["X"], False, Consequence.HOLD),
        (REFER, [], False, Consequence.HOLD),
        (REJECT, None, False, Consequence.ERROR),
        (REJECT, None, True, Consequence.HOLD),
        (REJECT, ["NAME_MISSING"], False, Consequence.GO),
    ],
)
def test_consequences(
    judgement: Judgement, released: list[str] | None, *, reused: bool, follows: Consequence
) -> None:
    """A person's release counts for the reasons it was given for; a rejected order that a person
    has generated again is held and not thrown out once more.
    """
    assert consequence(judgement, released=released, reused=reused) is follows


def test_explained_without_data() -> None:
    """A hold's reason has the verdict, its score, each code with its sentence, and fits."""
    told = explain(Judgement(Verdict.REFER, 80, ("NAME_MISSING", "VELOCITY_7")))
    assert told == f"REFER at score 80; NAME_MISSING: {Rule.NAME_MISSING.sentence} VELOCITY_7"
    assert explain(Judgement(Verdict.REJECT, 0, ())) == "REJECT at score 0"
    assert len(explain(Judgement(Verdict.REFER, 80, ("X" * 40,) * 40))) == 1000


def test_sentences_stand_alone() -> None:
    """Each rule has a sentence of its own, one that holds no place for a value."""
    sentences = [rule.sentence for rule in Rule]
    assert len(set(sentences)) == len(sentences)
    assert all(one.endswith(".") and not set("{}%") & set(one) for one in sentences)


# Keys.


@pytest.mark.parametrize(
    "same",
    [
        (["17 Station Road"], "Leeds", "LS1 4AP", "GB"),
        (["17, STATION RD."], "leeds", "ls14ap", "GB"),
        (["17 Station Road"], None, "LS1 4AP", "GB"),
        (["17", "Station Road"], "Leeds, West Yorkshire", " LS1-4AP", "GB"),
    ],
)
def test_spellings_of_one_address(same: tuple[list[str], str | None, str, str]) -> None:
    """Case, punctuation, order and usual abbreviations make no other address of it."""
    assert address_key(*same) == address_key(["Station Road 17"], "Leeds", "LS1 4AP", "GB")


@pytest.mark.parametrize(
    "other",
    [
        (["18 Station Road"], "Leeds", "LS1 4AP", "GB"),
        (["17 Station Road"], "Leeds", "LS1 4AQ", "GB"),
        (["17 Station Road"], "Leeds", "LS1 4AP", "IE"),
        (["Flat 1", "17 Station Road"], "Leeds", "LS1 4AP", "GB"),
        (["17 Station Road"], "Leeds", None, "GB"),
        (["17 Station Road"], "York", None, "GB"),
    ],
)
def test_other_addresses(other: tuple[list[str], str, str | None, str]) -> None:
    """Another house, flat, postcode or country is another address; without code the town counts."""
    keys = {address_key(*one) for one in [other, (["17 Station Road"], "Leeds", "LS1 4AP", "GB")]}
    assert len(keys) == 2
    assert all(len(key) == KEY_BYTES for key in keys)


def test_spellings_of_one_name() -> None:
    """Title, case, accents and order of its parts make no other name of it."""
    assert name_key("Mrs. Zoë BRONTË") == name_key("Bronte, Zoe")
    assert name_key("Zoë Brontë") != name_key("Zoë Bronte-Lee")
    assert words("Straße 7, O'Neill") == ["strasse", "7", "o", "neill"]


# Names and placeholders.


@pytest.mark.parametrize("name", ["-", ".", "...", "1", "12345", "X", "?", " ", "07700 900123"])
def test_names_that_are_missing(name: str) -> None:
    """A single sign, or no letter at all, is no name."""
    assert of_name(name) is Rule.NAME_MISSING


@pytest.mark.parametrize(
    "name",
    ["Test", "TEST TEST", "asdf", "Asdf Asdf", "qwerty", "N/A", "n.a.", "none", "John Doe",
     "xxx", "XXXXXX", "aaa aaa", "asdasdasd", "first name", "Mickey Mouse", "abcabcabc"],
)  # fmt: skip
def test_names_that_nobody_has(name: str) -> None:
    """What people type to get past a form is found, however it is written."""
    assert of_name(name) is Rule.NAME_PLACEHOLDER


@pytest.mark.parametrize(
    "name",
    ["Ng", "O'Neill", "李小龍", "Li", "Ann Test-Harris", "T2", "3M Deutschland", "Mr A Person",
     "Nilsson", "Tester & Sons", "Barbara Barr", "Anna Nanna", "Foo Fighters Ltd", "Dr Nul"],
)  # fmt: skip
def test_genuine_names(name: str) -> None:
    """Short, foreign and odd names are names."""
    assert of_name(name) is None


@pytest.mark.parametrize(
    "line", ["test", "Test Street", "xxxx", "-", "...", "N/A", "asdf", "Same as above", "tbc"]
)
def test_lines_that_lead_nowhere(line: str) -> None:
    """A line of nothing, or of a placeholder, is found."""
    assert is_nowhere(line)


@pytest.mark.parametrize(
    "line",
    ["7", "777", "1111", "STREET", "Flat 3", "Rue de la Test", "東京", "Test Valley", "Home"],
)
def test_lines_that_lead_somewhere(line: str) -> None:
    """House numbers, and places with odd names, are lines of addresses."""
    assert not is_nowhere(line)


def test_placeholders_are_as_they_are_compared() -> None:
    """Each entry of the lists is written as words() leaves a text, or it would never be found."""
    for entry in NOBODY | NOWHERE:
        assert " ".join(words(entry)) == entry
