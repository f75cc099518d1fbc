# SPDX-FileCopyrightText: 2026 The Tillguard authors
# SPDX-License-Identifier: Apache-2.0
"""Events as the difference of two tables: whatever happened in between, what they say adds up to what is there."""

from hypothesis import given
from hypothesis import strategies as st

from terminal_agent.card.pcsc_events import Event, What, between
from terminal_agent.card.pcsc_watch import Slot, Table

ATR = bytes.fromhex("3B00")
CARD = Slot(True, False, (1, 1), ATR)


def test_the_first_table_is_told_from_the_beginning() -> None:
    assert between(None, Table(None, {"A": CARD, "B": Slot()})) == (
        Event(What.READER_CAME, "A"),
        Event(What.CARD_CAME, "A", "3B00"),
        Event(What.READER_CAME, "B"),
    )


def test_a_service_that_was_lost_and_came_back() -> None:
    there = Table(None, {"A": CARD})
    away = Table(0x8010001D)
    assert [event.what for event in between(there, away)] == [What.CARD_WENT, What.READER_WENT, What.SERVICE_LOST]
    assert [event.what for event in between(away, there)] == [What.SERVICE_BACK, What.READER_CAME, What.CARD_CAME]
    assert between(there, away)[2].detail == "the PC/SC service does not run"


def test_a_card_that_went_and_came_back_unseen() -> None:
    again = Slot(True, False, (1, 3), ATR)
    assert [event.what for event in between(Table(None, {"A": CARD}), Table(None, {"A": again}))] == [
        What.CARD_WENT,
        What.CARD_CAME,
    ]


def test_a_mute_card() -> None:
    mute = Slot(True, True, (1, 1))
    assert [event.what for event in between(Table(None, {"A": Slot()}), Table(None, {"A": mute}))] == [What.CARD_MUTE]
    assert [event.what for event in between(Table(None, {"A": mute}), Table(None, {"A": Slot()}))] == [What.CARD_WENT]


SLOTS = st.builds(Slot, st.booleans(), st.booleans(), st.tuples(st.integers(1, 3), st.integers(0, 5)), st.just(ATR))
TABLES = st.one_of(
    st.builds(Table, st.sampled_from((0x8010001D, 0x8010001E))),
    st.builds(Table, st.none(), st.dictionaries(st.sampled_from("ABC"), SLOTS)),
)


@given(st.lists(TABLES, min_size=1, max_size=10))
def test_the_events_add_up(tables: list[Table]) -> None:
    """Whoever hears the events knows what the last table says."""
    before: Table | None = None
    readers: dict[str, bool] = {}
    there = True
    for table in tables:
        for event in between(before, table):
            match event.what:
                case What.SERVICE_LOST | What.SERVICE_BACK:
                    there = event.what is What.SERVICE_BACK
                case What.READER_CAME:
                    assert event.reader not in readers
                    readers[event.reader] = False
                case What.READER_WENT:
                    assert readers.pop(event.reader) is False
                case What.CARD_CAME | What.CARD_MUTE:
                    readers[event.reader] = True
                case What.CARD_WENT:
                    assert readers[event.reader]
                    readers[event.reader] = False
        before = table
        assert readers == {name: slot.present for name, slot in table.slots.items()}
        assert there == (table.fault is None)
