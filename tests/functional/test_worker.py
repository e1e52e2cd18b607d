"""The worker's rounds, as an operator sees them."""

from datetime import timedelta

from idp.worker import Worker
from tests.instance import Clock
from tests.instance import Instance


def test_audit_events_are_forgotten_after_a_year_and_not_a_day_before(
    instance: Instance, clock: Clock
) -> None:
    person = instance.add_person()
    instance.visitor().sign_in(person)

    clock.advance(timedelta(days=364))
    kept = Worker(instance.parts).run_once()
    clock.advance(timedelta(days=2))
    forgotten = Worker(instance.parts).run_once()

    assert (kept, forgotten) == (0, 1)
    assert instance.audit() == []
