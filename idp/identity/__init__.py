"""Who a person is to the fund. No Flask, SQL, Redis or Authlib in this ring.

=================  ============================================================================
``dossier``        the directory's row: qualité, number, identity, address, situations
``directory``      one line of the business system's export becomes a ``Dossier``, or its faults
``account``        what the person set here: password, confirmed e-mail; its store port
``password``       hash and verify: Argon2id with our pepper, imported schemes, decoys
``letters``        promises by post become batches; ``letters_again`` promises lost ones again
``postal_address`` six lines of 38 characters; ``working_days`` when a letter is in the box
``login``          dossier number + password becomes ``SignedIn``, or one refusal
=================  ============================================================================
"""
