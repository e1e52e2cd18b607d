"""Relying parties that are not ours to bend: npm ``openid-client`` and Authlib's Flask client.

Each is a program of its own, started with one argument, a JSON file::

    {"issuer": …, "port": …, "clients": {NAME: {"client_id": …, "client_secret": …, "alg": …}}}

(no ``client_secret``: a public client; no ``alg``: whatever the library expects by default), and
shows the same pages for each NAME, so that one set of tests drives both:

``/NAME``            ``<pre id="session">`` holds what it knows, as JSON; links to the three below
``/NAME/sign-in``    sends the browser to the provider
``/NAME/refresh``    the same with ``prompt=none``: SSO, or an error and no question
``/NAME/sign-out``   forgets the person, then RP-initiated logout

``node/machine.mjs`` is a machine and an API in one, without a browser.
"""
