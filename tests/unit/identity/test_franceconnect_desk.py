"""The help desk ends a link to FranceConnect: under a name, with a reason, where one is."""

from contextlib import contextmanager

import pytest

from idp.audit import Actor
from idp.audit import Event
from idp.identity.dossier import Qualite
from idp.identity.franceconnect import Unlinked
from idp.identity.franceconnect_desk import FranceConnectDesk
from idp.identity.help_desk import NoSuchAccount
from idp.identity.help_desk import UnfitReason
from tests.franceconnect_scene import FranceConnectScene
from tests.sign_in_scene import NUMERO
from tests.sign_in_scene import UNKNOWN

JEANNE = Actor(operator="jeanne")


class DeskScene(FranceConnectScene):
    """A member whom FranceConnect knows, and the help desk."""

    def __init__(self):
        super().__init__()
        self.inside = False
        self.desk = FranceConnectDesk(self.contacts, self.linking, self.transaction)

    @contextmanager
    def transaction(self):
        self.inside = True
        yield
        self.inside = False

    def end(self, numero=NUMERO, reason="appel du matin"):
        return self.desk.unlink(Qualite.AFFILIE, numero, reason=reason, actor=JEANNE)


@pytest.fixture
def scene():
    return DeskScene()


def test_a_link_is_ended_under_a_name_and_with_a_reason(scene):
    scene.arrive()

    assert scene.end(reason="  appel   du matin ")

    event = scene.audit.events[-1]
    assert (event.event, event.account_id) == (Event.FRANCECONNECT_UNLINKED, "account")
    assert event.actor == JEANNE
    assert event.detail == {"why": "help_desk", "rule": "pivot", "reason": "appel du matin"}
    assert not scene.inside
    assert scene.arrive() == Unlinked()


def test_where_there_is_none_nothing_is_done(scene):
    assert not scene.end()
    assert scene.happened() == []


def test_a_number_of_nobody_and_an_unfit_reason_are_refused(scene):
    scene.arrive()

    with pytest.raises(NoSuchAccount):
        scene.end(UNKNOWN)
    with pytest.raises(UnfitReason):
        scene.end(reason="dossier 1234567")
    assert scene.link_of() is not None
