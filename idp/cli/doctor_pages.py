"""``idp doctor`` on what members see: colours, the legal pages, and whether all is closed."""

from collections.abc import Iterator

from idp.cli.findings import Finding
from idp.cli.findings import Level
from idp.cli.findings import Unusable
from idp.identity.working_days import day_in_france
from idp.infra.theme_folder import InvalidTheme
from idp.infra.theme_folder import standard_colours
from idp.parts import PACKAGE
from idp.parts import Parts
from idp.theme import faults_of
from idp.wiring.pages import build_legal


def theme(built: Parts) -> Iterator[Finding]:
    """Whether every text can be read in both schemes.

    Raises:
        Unusable: the folder holds what nothing would read: no page and no mail is made with it.
    """
    try:
        own = built.theme
    except InvalidTheme as error:
        raise Unusable(str(error)) from None
    sheet = (PACKAGE / "static" / "pages.css").read_text(encoding="utf-8")
    pale = [
        Finding(Level.FAIL, "theme", f"{scheme}: {fault}; change its colours.toml")
        for scheme, standard in standard_colours(sheet).items()
        for fault in faults_of(own.of(scheme, standard))
    ]
    which = built.settings.theme_folder or "the one that is shipped"
    yield from pale or [Finding(Level.OK, "theme", f"{which}: every text can be read")]


def legal_pages(built: Parts) -> Iterator[Finding]:
    """Whether the pages that the law asks for are complete."""
    legal = build_legal(built)
    if missing := legal.missing():
        what = f"say « à compléter » until these are set: {', '.join(missing)}"
        yield Finding(Level.WARN, "legal pages", what)
    day = day_in_france(built.now())
    if legal.audit is not None and legal.audit_on(day) is None:
        what = f"the audit of {legal.audit.on} is too old to count; the pages say « non conforme »"
        yield Finding(Level.WARN, "legal pages", what)
    elif not missing:
        what = f"are complete; « Accessibilité : {legal.accessibility_on(day)} »"
        yield Finding(Level.OK, "legal pages", what)


def maintenance(built: Parts) -> Iterator[Finding]:
    """Whether an operator closed the pages."""
    path = built.maintenance.path.absolute()
    closure = built.maintenance.closure()
    if closure is None:
        yield Finding(Level.OK, "maintenance", f"open; touch {path} to close")
        return
    until = f"{closure.until:%Y-%m-%d %H:%M %Z}" if closure.until else "nobody said when"
    what = f"closed by {path}, until: {until}; remove it to open"
    yield Finding(Level.WARN, "maintenance", what)
