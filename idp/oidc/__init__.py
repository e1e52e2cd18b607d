"""The protocol. Authlib's core and joserfc; no Flask, no identity.

===================  ==========================  ====================================
endpoint             file                        specification
===================  ==========================  ====================================
``/authorize``       ``authorize``, ``waiting``  OIDC Core 1.0 §3.1.2, RFC 9207
                     ``next_step``               OIDC Core 1.0 §3.1.2.3, §3.1.2.4
``/token``           ``provider``, ``grants``,   RFC 6749 §4.1.3, §6, RFC 7636, RFC 9068
                     ``client_credentials``      RFC 6749 §4.4
``/revoke``          ``revocation``              RFC 7009
``/introspect``      ``introspection``           RFC 7662
``/userinfo``        ``userinfo``, ``claims``    OIDC Core 1.0 §5.3
``/logout``          ``logout``                  OIDC RP-Initiated Logout 1.0
``/jwks``            ``keys``, ``discovery``     RFC 7517, OIDC Core 1.0 §10.1.1
``/.well-known/…``   ``discovery``               OIDC Discovery 1.0, RFC 8414
===================  ==========================  ====================================

``authenticate`` is the one client authenticator, ``assertions`` and ``service_keys`` what a service
signs and with which keys, ``clients`` the record and ``registration`` its rules; ``tokens`` mints,
``access_tokens`` tells whether one still opens anything, ``service_grants`` what a machine's own
hangs on, ``resources`` which APIs a token may be for, ``claims_request`` what is asked for claim by
claim, ``levels`` how well somebody must sign in, ``rotation`` when a key is due, ``signer`` what
signs with it, ``key_compromise`` what ends with it, ``key_watch`` and ``key_drill`` who has fetched
it; ``refresh`` what goes on without a session, ``consent`` what members granted to services of
others.
Which traps of Authlib are closed where: docs/adr/0007-what-authlib-does-here.md.
"""
