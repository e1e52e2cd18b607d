"""Authorization codes and grants in Redis."""

import json
from collections.abc import Callable
from datetime import UTC
from datetime import datetime
from datetime import timedelta
from typing import cast

from idp.infra.redis_store import RedisStore
from idp.infra.redis_store import Writes
from idp.infra.redis_store import redis_failures_told
from idp.infra.sessions import note_visit
from idp.oidc.authorization import VISITS_KEPT
from idp.oidc.authorization import Authorization
from idp.oidc.authorization import CodeReplayed
from idp.oidc.authorization import grant_id_of
from idp.session import Visit

# A value begins with the session's key and the client, so that one look tells whether the session
# still lives and whose the code is; neither ever holds a space. "~" before them marks what is
# offline: its code needs the session, its grant does not.
_ALIVE = """
local function alive(kept)
  return redis.call('EXISTS', 'session:' .. string.match(kept, '^~?(%S+)')) == 1
end
"""

# KEYS  1 code   2 tombstone, which names the client   3 grant
# ARGV  1 client   2 grant lifetime (s)   3 tombstone lifetime (s)
_TAKE = (
    _ALIVE
    + """
local client = ARGV[1]
local kept = redis.call('GET', KEYS[1])
if kept then
  if string.match(kept, '^%S+ (%S+) ') ~= client then return false end
  redis.call('DEL', KEYS[1])
  redis.call('SET', KEYS[2], client, 'EX', ARGV[3])
  if not alive(kept) then return false end
  redis.call('SET', KEYS[3], kept, 'EX', ARGV[2])
  return kept
end
if redis.call('GET', KEYS[2]) == client then
  return redis.call('DEL', KEYS[3]) == 1 and 'revoked' or 'replayed'
end
return false
"""
)

# KEYS  1 grant   2 what revokes one token of it alone
_GRANT = (
    _ALIVE
    + """
local kept = redis.call('GET', KEYS[1])
if not kept or redis.call('EXISTS', KEYS[2]) == 1 then return false end
return (string.sub(kept, 1, 1) == '~' or alive(kept)) and kept
"""
)

TOMBSTONE = timedelta(hours=1)
"""How long a used code is remembered: longer than anything its first use can have given."""


class RedisCodes:
    """The port ``Codes``. Codes are kept under the name of their grant, never in clear."""

    def __init__(
        self, store: RedisStore, *, session_absolute: timedelta, now: Callable[[], datetime]
    ) -> None:
        self._store = store
        self._now = now
        self._session_absolute = session_absolute
        self._take = store.script(_TAKE)
        self._grant = store.script(_GRANT)

    def put(self, code: str, authorization: Authorization, *, lifetime: timedelta) -> None:
        """Keep a fresh code, and note the visit that it begins."""
        name = f"code:{{{grant_id_of(code)}}}"
        key = authorization.session_key
        visit = Visit(authorization.account_id, key, authorization.client_id)
        with self._store.writes() as writes:
            writes.add("SET", name, _write(authorization), "EX", int(lifetime.total_seconds()))
            note_visit(writes, key, visit, kept=self._session_absolute)
            self._note_last(writes, visit)

    def last_visits(self, account_id: str) -> dict[str, datetime]:
        """Tell when a member was last led to each service, by client."""
        since = (self._now() - VISITS_KEPT).timestamp()
        with redis_failures_told():
            # The cast: redis types the answer with and without scores as one.
            found = cast(
                "list[tuple[str, float]]",
                self._store.client.zrangebyscore(
                    f"last-visits:{account_id}", f"({since}", "+inf", withscores=True
                ),
            )
        return {client_id: datetime.fromtimestamp(at, UTC) for client_id, at in found}

    def _note_last(self, writes: Writes, visit: Visit) -> None:
        now, name = self._now(), f"last-visits:{visit.account_id}"
        writes.add("ZADD", name, now.timestamp(), visit.client_id)
        writes.add("ZREMRANGEBYSCORE", name, 0, (now - VISITS_KEPT).timestamp())
        writes.add("EXPIRE", name, int(VISITS_KEPT.total_seconds()))

    def take(self, code: str, *, client_id: str, grant_lifetime: timedelta) -> Authorization | None:
        """Take a code of this client once, while its session lives; a replay revokes its grant.

        Raises:
            CodeReplayed: this client took it before.
        """
        tag = f"{{{grant_id_of(code)}}}"
        kept = self._take(
            [f"code:{tag}", f"used-code:{tag}", f"grant:{tag}"],
            [client_id, int(grant_lifetime.total_seconds()), int(TOMBSTONE.total_seconds())],
        )
        if kept in ("revoked", "replayed"):
            raise CodeReplayed(revoked=kept == "revoked")
        return _read(kept) if kept else None

    def grant(self, grant_id: str, *, token_id: str = "") -> Authorization | None:
        """Read a live grant, of a live session or offline, unless that token is revoked."""
        kept = self._grant([f"grant:{{{grant_id}}}", f"revoked-token:{token_id}"])
        return _read(kept) if kept else None

    def renew(self, grant_id: str, authorization: Authorization, *, lifetime: timedelta) -> None:
        """Keep an offline grant for the access tokens of a refresh."""
        name = f"grant:{{{grant_id}}}"
        with self._store.writes() as writes:
            writes.add("SET", name, _write(authorization), "EX", int(lifetime.total_seconds()))

    def revoke(self, grant_id: str) -> None:
        """End a grant."""
        with redis_failures_told():
            self._store.client.delete(f"grant:{{{grant_id}}}")

    def revoke_token(self, token_id: str, *, lifetime: timedelta) -> None:
        """End one access token, for the time that is left of it."""
        # A second more: the token's own time is rounded.
        seconds = int(lifetime.total_seconds()) + 1
        with self._store.writes() as writes:
            writes.add("SET", f"revoked-token:{token_id}", "1", "EX", seconds)


def _write(authorization: Authorization) -> str:
    body = json.dumps(
        [
            authorization.redirect_uri,
            list(authorization.scope),
            authorization.account_id,
            authorization.credential_version,
            authorization.session_ends_at.timestamp(),
            authorization.auth_time.timestamp(),
            authorization.acr,
            list(authorization.amr),
            authorization.nonce,
            authorization.code_challenge,
            list(authorization.resources),
            list(authorization.userinfo_claims),
            list(authorization.id_token_claims),
        ],
        separators=(",", ":"),
    )
    mark = "~" if authorization.is_offline else ""
    return f"{mark}{authorization.session_key} {authorization.client_id} {body}"


def _read(kept: str) -> Authorization:
    session_key, client_id, body = kept.removeprefix("~").split(" ", 2)
    written = json.loads(body)
    (redirect_uri, scope, account_id, version, ends_at, auth_time, acr, amr, nonce,
     code_challenge) = written[:10]  # fmt: skip
    # What follows came with later versions: an earlier one may have written this.
    resources, userinfo_claims, id_token_claims = [*written[10:13], [], [], []][:3]
    return Authorization(
        client_id=client_id,
        redirect_uri=redirect_uri,
        scope=tuple(scope),
        account_id=account_id,
        credential_version=version,
        session_key=session_key,
        session_ends_at=datetime.fromtimestamp(ends_at, UTC),
        auth_time=datetime.fromtimestamp(auth_time, UTC),
        acr=acr,
        amr=tuple(amr),
        nonce=nonce,
        code_challenge=code_challenge,
        resources=tuple(resources),
        userinfo_claims=tuple(userinfo_claims),
        id_token_claims=tuple(id_token_claims),
    )
