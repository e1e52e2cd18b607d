"""Flask sessions kept in one process, so that no token travels in a cookie."""

import secrets
import threading
from collections import OrderedDict
from typing import Any

from flask import Flask
from flask import Request
from flask import Response
from flask.sessions import SessionInterface
from flask.sessions import SessionMixin

COOKIE = "demo_session"
MOST_SESSIONS = 1000


class MemorySession(dict[str, Any], SessionMixin):
    """What one browser's visit holds."""

    def __init__(self, identifier: str) -> None:
        super().__init__()
        self.identifier = identifier


class MemorySessions(SessionInterface):
    """The visits of this process, the oldest forgotten first."""

    def __init__(self) -> None:
        self._visits: OrderedDict[str, MemorySession] = OrderedDict()
        self._lock = threading.Lock()

    def open_session(self, app: Flask, request: Request) -> MemorySession:
        """Find the visit of this browser, or begin one that is kept once something is in it."""
        del app
        with self._lock:
            known = self._visits.get(request.cookies.get(COOKIE, ""))
            if known is not None:
                self._visits.move_to_end(known.identifier)
                return known
        return MemorySession(secrets.token_urlsafe(32))

    def save_session(self, app: Flask, session: SessionMixin, response: Response) -> None:
        """Keep what is not empty, and give a new browser its cookie."""
        del app
        if not isinstance(session, MemorySession):
            return
        with self._lock:
            if not session:
                self._visits.pop(session.identifier, None)
                return
            is_new = session.identifier not in self._visits
            self._visits[session.identifier] = session
            while len(self._visits) > MOST_SESSIONS:
                self._visits.popitem(last=False)
        if is_new:
            # Lax: the answer of the identity provider comes from another site. No Secure: this
            # service is on http, on loopback.
            response.set_cookie(COOKIE, session.identifier, httponly=True, samesite="Lax")

    def renew(self, session: SessionMixin) -> None:
        """Give the visit another identifier: what stood in the cookie before opens nothing."""
        if not isinstance(session, MemorySession):
            return
        with self._lock:
            self._visits.pop(session.identifier, None)
        session.identifier = secrets.token_urlsafe(32)

    def forget(self, name: str, sid: str) -> None:
        """End the visits of a service that began with this session of the identity provider."""
        with self._lock:
            for identifier, visit in list(self._visits.items()):
                if name in visit and visit[name]["claims"].get("sid") == sid:
                    del visit[name]
                    if not visit:
                        del self._visits[identifier]
