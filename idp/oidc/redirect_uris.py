"""Which addresses a service may register: redirect URIs, pages of its own, origins of forms.

A redirect URI is where codes go, so everything that browsers, proxies and libraries read in
different ways is refused at registration; at ``/authorize`` only whole strings are compared, save
for the port of a native application on loopback: docs/adr/0021-applications-on-a-device.md.

Spec: RFC 9700 §4.1 (exact match), RFC 8252 §7 (native applications), RFC 6749 §3.1.2 (no fragment).
"""

import re
from collections.abc import Container
from ipaddress import IPv4Address
from urllib.parse import SplitResult
from urllib.parse import urlsplit

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
LONGEST = 2000
HIGHEST_PORT = 65535

_DEFAULT_PORTS = {"https": ":443", "http": ":80"}
_SCRIPTING = frozenset({"javascript", "data", "file", "vbscript", "blob", "about"})
_URI_CHARACTERS = re.compile(r"[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_HOST = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_ANY_PORT = re.compile(r"http://(?:127\.0\.0\.1|\[::1\])(?=[/?]|\Z)")
_WITH_PORT = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\])):([1-9][0-9]{0,4})(?=[/?]|\Z)")
_DOT_SEGMENT = re.compile(r"/(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)


def faults_of_redirect_uri(uri: str, *, public: bool) -> list[str]:
    """Say in plain words what is wrong with a redirect URI; nothing when it may be registered.

    Args:
        uri: as the service sends it, character for character.
        public: the service has no secret, as an application on a telephone.
    """
    faults = _faults_of_text(uri)
    if faults:
        return faults
    try:
        parts = urlsplit(uri)
    except ValueError:
        return ["it is not a URI"]
    if not parts.scheme:
        return ["it is not absolute: it must begin with https://"]
    if "#" in uri:
        faults.append("it has a fragment (#), which would carry the answer away")
    if parts.scheme in {"https", "http"}:
        return faults + _faults_of_web_address(uri, parts)
    if parts.scheme in _SCRIPTING:
        faults.append(f"{parts.scheme}: would run or read something in the member's browser")
    elif "." not in parts.scheme:
        faults.append(
            f"the scheme {parts.scheme}: may belong to any application; an application's own scheme"
            " is its domain name reversed, as com.example.app: (RFC 8252 §7.1)"
        )
    elif not public:
        faults.append(
            f"the scheme {parts.scheme}: is for applications on a device, which keep no secret;"
            " with token_endpoint_auth_method none only"
        )
    if not (parts.path.strip("/") or parts.netloc):
        faults.append("nothing follows its scheme")
    if "@" in parts.netloc:
        faults.append("it has a user name (@)")
    return faults


def registered_as(asked: str, registered: Container[str], *, public: bool) -> str:
    """Find the registered redirect URI that an address is; "" when it is none.

    The address of a public client on loopback may have any port where the registered one has none:
    the system gives a native application a free one each time. The port alone is taken out, and the
    rest compared whole. ``localhost`` is a name that a device may give to somebody else.

    Spec: RFC 8252 §7.3, §8.3, §8.4.
    """
    if asked in registered:
        return asked
    found = _WITH_PORT.match(asked) if public else None
    if found is None or int(found[2]) > HIGHEST_PORT:
        return ""
    without_port = found[1] + asked[found.end() :]
    return without_port if without_port in registered else ""


def is_of_a_device(registered: str, *, public: bool) -> bool:
    """Tell whether any application on the member's device could receive what is sent there.

    A registered port of loopback is a developer's.

    Spec: RFC 8252 §8.6.
    """
    if not registered.startswith(("https://", "http://")):
        return True
    return public and bool(_ANY_PORT.match(registered))


def faults_of_page(uri: str) -> list[str]:
    """Say what is wrong with the address of a page: https, or http on loopback."""
    faults = _faults_of_text(uri)
    if faults:
        return faults
    try:
        parts = urlsplit(uri)
    except ValueError:
        return ["it is not a URI"]
    if parts.scheme not in {"https", "http"}:
        return ["it must begin with https://"]
    return _faults_of_web_address(uri, parts)


def faults_of_origin(origin: str) -> list[str]:
    """Say what is wrong with an origin, which goes into a page's CSP as it stands."""
    faults = faults_of_page(origin)
    if not faults and origin.count("/") != 2:
        faults.append("it has a path: an origin is https://host or https://host:port")
    if not faults and ("?" in origin or "#" in origin):
        faults.append(
            "it has a query or a fragment: an origin is https://host or https://host:port"
        )
    return faults


def faults_of_web_origin(origin: str) -> list[str]:
    """Say what is wrong with an origin that is compared with what browsers send as ``Origin``.

    Spec: WHATWG HTML §7.1.1 (an origin's serialization).
    """
    faults = faults_of_origin(origin)
    if faults:
        return faults
    parts = urlsplit(origin)
    scheme, authority = parts.scheme, parts.netloc.lower()
    sent = f"{scheme}://{authority.removesuffix(_DEFAULT_PORTS[scheme])}"
    return [] if origin == sent else [f"browsers send it as {sent}: register it so"]


def host_of(uri: str) -> str:
    """The host of a redirect URI that may be registered; its scheme where it has no host."""
    parts = urlsplit(uri)
    return parts.hostname or f"{parts.scheme}:"


def sector_of(uri: str) -> str:
    """The host that a redirect URI has for itself; "" on loopback or in a scheme, which have none.

    Spec: OIDC Core 1.0 §8.1.
    """
    parts = urlsplit(uri)
    own = parts.scheme in ("https", "http") and parts.hostname not in LOOPBACK
    return (parts.hostname or "") if own else ""


def _faults_of_text(uri: str) -> list[str]:
    faults = []
    if not uri or len(uri) > LONGEST:
        faults.append(f"it must have 1 to {LONGEST} characters")
    if "\\" in uri:
        faults.append("it has a backslash, which browsers read as a slash")
    if "*" in uri:
        faults.append("it has a wildcard (*): register each address in full")
    if any(character.isspace() for character in uri):
        faults.append("it has a space or a line break")
    if not uri.isascii():
        faults.append(
            "it has characters outside ASCII: write the host in punycode, the rest as %XX"
        )
    if not faults and not _URI_CHARACTERS.fullmatch(uri):
        faults.append("it has a control character, or one that no URI may hold (RFC 3986)")
    if not faults and _BAD_ESCAPE.search(uri):
        faults.append("a % is not followed by two hexadecimal digits")
    return faults


def _faults_of_web_address(uri: str, parts: SplitResult) -> list[str]:
    if not uri.startswith(f"{parts.scheme}://") or not parts.netloc:
        return ["it has no host, or its scheme is not in lower case"]
    faults = []
    if "@" in parts.netloc:
        faults.append("it has a user name (@): what stands before it only looks like the host")
    try:
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return [*faults, "its port is not a number from 1 to 65535"]
    named = f"[{host}]" if host == "::1" else host
    if not _is_plain(host):
        faults.append("its host is not a name in letters, digits, dots and hyphens")
    elif port == 0 or parts.netloc.lower().rpartition("@")[2] not in {named, f"{named}:{port}"}:
        faults.append("its port is not a number from 1 to 65535")
    if parts.scheme == "http" and host not in LOOPBACK:
        faults.append("plain http is for localhost, 127.0.0.1 and [::1] only: it must be https")
    if _DOT_SEGMENT.search(parts.path):
        faults.append("its path has a . or .. segment, which browsers take out")
    return faults


def _is_plain(host: str) -> bool:
    if host in LOOPBACK:
        return True
    if _NUMBER.fullmatch(host.rpartition(".")[2]):
        # Browsers read 0x7f.1 or 2130706433 as 127.0.0.1: only the usual form will do.
        try:
            return str(IPv4Address(host)) == host
        except ValueError:
            return False
    return bool(_HOST.fullmatch(host))
