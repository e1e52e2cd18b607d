"""``idp doctor`` on FranceConnect: whether what proves us is private, and whether it answers."""

from collections.abc import Iterator

from idp.cli.findings import Finding
from idp.cli.findings import Level
from idp.identity.franceconnect_port import FranceConnectAway
from idp.identity.franceconnect_port import FranceConnectMistrusted
from idp.metrics.not_counted import NOT_COUNTED
from idp.parts import Parts
from idp.wiring.franceconnect import build_franceconnect

NAME = "franceconnect"
_PAGE = "see docs/operate/franceconnect-away.md"


def franceconnect(built: Parts) -> Iterator[Finding]:
    """Whether people can sign in through it; the settings have told whether they are whole."""
    client = build_franceconnect(built, NOT_COUNTED)
    issuer = built.settings.franceconnect_issuer
    if client is None:
        yield Finding(Level.OK, NAME, "is not offered; IDP_FRANCECONNECT_ISSUER is not set")
        return
    try:
        keys = client.look()
    except FranceConnectAway as away:
        what = f"{issuer} does not answer ({away.fault}): the other block works; {_PAGE}"
        yield Finding(Level.WARN, NAME, what)
    except FranceConnectMistrusted as mistrusted:
        what = f"{issuer} answers as another ({mistrusted.fault}): set IDP_FRANCECONNECT_ISSUER"
        yield Finding(Level.FAIL, NAME, f"{what} as its discovery document says; {_PAGE}")
    else:
        if keys:
            yield Finding(Level.OK, NAME, f"{issuer} answers, with {keys} keys that sign")
        else:
            what = f"{issuer} publishes no ES256 or RS256 key: nobody comes in; {_PAGE}"
            yield Finding(Level.FAIL, NAME, what)
