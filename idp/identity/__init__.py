"""Who a person is to the fund. No Flask, SQL, Redis or Authlib in this ring.

======================  ==========================================================================
``dossier``             the directory's row: qualité, number, identity, address, situations
``directory``           a line of the export becomes a ``Dossier``, or its faults
``account``             what the person set here: password, confirmed e-mail; its store port
``contact``             where a person can be written to now; the mix that decoys follow
``password``            hash and verify: Argon2id with our pepper, imported schemes, decoys
``hash_pool``           the few threads that hash, and who may wait for them
``login``               dossier number + password becomes ``SignedIn``, or one refusal
``reset``               who asks for a reset, by which channel, and what is promised
``reset_journey``       a reset under way, sealed from page to page
``reset_quotas``        how many messages may be asked for, and the letter breaker
``mask``                what a page shows of an address or of none; ``rendezvous`` draws decoys
``anti_robot``          what a form asks for and accepts; ``question`` asks it in words
``temporary_password``  its shape, its states, its store port
``new_password``        choosing a password under the lease that a temporary one opened
``password_policy``     when a proposal is good enough; ``password_lists`` holds leaked ones
``email_address``       an address proposed here, confirmed by a code
``pivot``               the six fields of FranceConnect, and when a dossier equals them
``franceconnect``       who comes from there becomes ``SignedIn``, a choice, or nobody known;
                        ``franceconnect_finding`` finds their dossiers, ``franceconnect_linking``
                        links them, ``franceconnect_links`` and ``franceconnect_port`` are its ports
``outbox``              what was promised, a row each; its ports
``delivery``            a promise becomes a mail that left; ``composers`` say what each kind says
``letters``             promises by post become batches; ``letters_again`` promises lost ones anew
``letter_batch``        a batch, and the ports of the press and the printer's folder
``postal_address``      six lines of 38 characters; ``working_days`` when a letter is in the box
``help_desk``           what may be done for a member on the phone
``timeline``            what happened to an account, from ``audit_trail``, in ``timeline_words``
======================  ==========================================================================
"""
