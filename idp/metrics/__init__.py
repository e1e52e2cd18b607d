"""Numbers for Prometheus: what each process counted, and how things stand in the stores.

Wiring: the rings know no Prometheus, they tell ports of theirs what happens (ADR 0027)::

    web, hash pool, audit log, stores --tell--> counts --files of one slot a worker--> port
    keys, stores ----------------------looked at when asked---------------> standing --> port

===============  ========================================================================
``not_counted``  what is told while numbers are off: nothing happens
``counts``       every count, and what may become a label
``standing``     keys and readiness of a process, outbox, letters, drill and seals of all
``slots``        gunicorn's hooks: where the workers of one master count together
``port``         ``/metrics`` on an address of its own, and nothing else
``begin``        join them to a process
===============  ========================================================================
"""
