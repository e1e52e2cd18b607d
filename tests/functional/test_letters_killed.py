"""The print killed at every step, then run again: nobody without a letter, nobody with two."""

import os
import signal
from dataclasses import replace
from datetime import timedelta

import pytest

from idp.audit import Actor
from idp.cli.letters import print_letters
from idp.identity.outbox import Kind
from idp.infra.letter_spool import MANIFEST
from idp.infra.letter_spool import LetterSpool
from idp.promise import LEASE
from idp.promise import PromiseState
from tests.instance import Clock
from tests.instance import Instance
from tests.post import Post

pytestmark = pytest.mark.stores

JEANNE = Actor(operator="jeanne")
PEOPLE = 3


def die():
    """As a power cut: nothing is flushed, closed or rolled back by us."""
    os.kill(os.getpid(), signal.SIGKILL)


class DyingPort:
    """A port in whose nth call of one method the process dies, before or after the act."""

    def __init__(self, port, method, *, after, nth=1):
        self._port, self._method, self._after, self._left = port, method, after, nth

    def __getattr__(self, name):
        act = getattr(self._port, name)
        if name != self._method:
            return act

        def acting(*args, **kwargs):
            self._left -= 1
            if not self._left and not self._after:
                die()
            done = act(*args, **kwargs)
            if not self._left:
                die()
            return done

        return acting


class SpoolDyingBetweenRenames(LetterSpool):
    """The document has its name already, and the manifest is not written."""

    def _write(self, path, content):
        if path.name.endswith(MANIFEST) and "document" in content:
            die()
        super()._write(path, content)


class PressDyingOnThePage:
    """A page is drawn, its secret is in Redis, and the document has no end."""

    def __init__(self, press):
        self._press = press

    def lay_out(self, batch, letters, sheet):
        def until_the_second():
            yield next(letters)
            next(letters)
            sheet.write(b"%PDF-1.4 and no more")
            sheet.flush()
            die()

        self._press.lay_out(batch, until_the_second(), sheet)


def dying(port, method, **when):
    def joined(use_case):
        return replace(use_case, **{port: DyingPort(getattr(use_case, port), method, **when)})

    return joined


STEPS = {
    "before the claim": dying("outbox", "claim", after=False),
    "after the claim, not committed": dying("outbox", "claim", after=True),
    "after the claim, before the note": dying("spool", "note", after=False),
    "after the note, the claim not committed": dying("spool", "note", after=True),
    "after the claim was committed": dying("spool", "sheet", after=False),
    "after the first secret was hashed": dying("temporaries", "issue", after=False),
    "after the first secret was issued": dying("temporaries", "issue", after=True),
    "after the last secret was issued": dying("temporaries", "issue", after=True, nth=PEOPLE),
    "on a page": lambda use_case: replace(use_case, press=PressDyingOnThePage(use_case.press)),
    "after the document": dying("press", "lay_out", after=True),
    "before the commit": dying("spool", "commit", after=False),
    "between the two renames": lambda use_case: replace(
        use_case, spool=SpoolDyingBetweenRenames(use_case.spool.folder)
    ),
    "after the commit": dying("spool", "commit", after=True),
    "after the first row was noted, not committed": dying("outbox", "done", after=True),
    "before the first was told as sent": dying("temporaries", "sent", after=False),
    "after the first was told as sent": dying("temporaries", "sent", after=True),
    "before it was settled": dying("spool", "settle", after=False),
    "after it was settled": dying("spool", "settle", after=True),
}


IN_SQL = (
    "after the claim, not committed",
    "after the claim was committed",
    "after the commit",
    "after the first row was noted, not committed",
)
"""Steps between two statements of SQL: at any other, one store is as good as the other."""
WHERE = [*(("postgres", step) for step in STEPS), *(("sqlite", step) for step in IN_SQL)]
at_every_step = pytest.mark.parametrize(("sql_url", "step"), WHERE, indirect=["sql_url"])
at_the_steps_of_a_lease = pytest.mark.parametrize(
    ("sql_url", "step"),
    [
        ("postgres", "after the claim, not committed"),
        ("sqlite", "after the claim was committed"),
        ("postgres", "after the first secret was issued"),
        ("postgres", "between the two renames"),
        ("sqlite", "after the commit"),
        ("postgres", "after the first was told as sent"),
    ],
    indirect=["sql_url"],
)


@pytest.fixture
def post(tmp_path, sql_url, valkey_url):
    folder = tmp_path / "data"
    folder.mkdir()
    instance = Instance(
        folder, sql_url=sql_url, redis_url=valkey_url, clock=Clock(), signing_algs=("ES256",)
    )
    yield Post(instance)
    with instance.app.app_context():
        instance.parts.database.engine.dispose()


def killed(post, step):
    """Print in a process of its own that dies at a step; tell whether it did."""
    post.instance.parts.database.engine.dispose()
    child = os.fork()
    if not child:
        with post.instance.app.app_context():
            STEPS[step](print_letters(post.instance.parts)).run(limit=100, actor=JEANNE)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def printed_again(post):
    with post.instance.app.app_context():
        return print_letters(post.instance.parts).run(limit=100, actor=JEANNE)


@pytest.fixture
def people(post):
    added = [post.add_person(f"100000{n}", address_1=f"M {n}A") for n in range(PEOPLE)]
    for person in added:
        post.promise(person)
    post.promise(None)
    post.promise(added[0], Kind.PASSWORD_CHANGED)
    return added


def check_everybody_has_one_letter(post, people):
    pages = post.pages()
    assert len(pages) == PEOPLE + 1
    assert sorted(page.address[0] for page in pages) == ["M 0A", "M 0A", "M 1A", "M 2A"]
    for person in people:
        opening = [page for page in pages if page.secrets and post.opens(person, page.secrets[0])]
        assert len(opening) == 1
    assert sorted(post.states()) == [PromiseState.DONE] * (PEOPLE + 1) + [PromiseState.DROPPED]
    suffixes = {path.name.partition(".")[2] for path in post.spool.iterdir()}
    assert suffixes == {"lock", "pdf", "json"}
    told = [(event, account) for event, account, _ in post.instance.audit()]
    for person in people:
        assert told.count(("temporary_password.sent", person.account_id)) == 1


@at_every_step
def test_a_print_killed_twice_and_run_again_leaves_everybody_one_letter(post, people, step):
    assert killed(post, step)
    killed(post, step)  # the first may have left it nothing to die at
    post.instance.clock.advance(LEASE)

    printed_again(post)

    check_everybody_has_one_letter(post, people)
    assert printed_again(post).letters == 0


@at_the_steps_of_a_lease
def test_it_need_not_wait_for_the_leases_of_the_killed_run(post, people, step):
    killed(post, step)

    printed_again(post)

    check_everybody_has_one_letter(post, people)


def test_no_secret_of_a_batch_that_was_not_committed_stays_on_disk(post, people):
    killed(post, "on a page")
    assert list(post.spool.glob("*.partial"))

    printed_again(post)

    assert not list(post.spool.glob("*.partial"))


def test_a_batch_is_adopted_even_after_its_leases_ended(post, people):
    killed(post, "after the commit")
    post.instance.clock.advance(timedelta(hours=8))

    printed = printed_again(post)

    assert (printed.adopted, printed.letters) == (PEOPLE + 1, 0)
    check_everybody_has_one_letter(post, people)
