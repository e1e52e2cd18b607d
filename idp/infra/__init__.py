"""The world: SQL, Redis, files, mail.

============================  ===================================================
port                          adapter
============================  ===================================================
``Accounts``                  ``accounts.SqlAccounts``
``Subjects``                  ``accounts.SqlSubjects``
``Contacts``, ``MailMixes``   ``contacts.SqlContacts``
``Clients``                   ``clients.SqlClients``
``AuditLog``, ``AuditTrail``  ``audit.SqlAuditLog``
``SealDesk``                  ``audit_seals.SqlAuditSeals``
``Outbox``, ``OutboxDesk``    ``outbox.SqlOutbox``
``PrintedLetters``            ``letter_desk.SqlLetterDesk``
``Sessions``                  ``sessions.RedisSessions``
``Codes``                     ``codes.RedisCodes``
``RefreshFamilies``           ``refresh_families.SqlRefreshFamilies``
``Consents``                  ``consents.SqlConsents``
``Links``                     ``franceconnect_links.SqlLinks``
``PivotDirectory``            ``franceconnect_links.SqlPivotDirectory``
``Attempts``                  ``attempts.RedisAttempts``
``TemporaryPasswords``        ``temporary_passwords.RedisTemporaryPasswords``
``ResetQuotas``               ``reset_quotas.RedisResetQuotas``
``PendingAddresses``          ``pending_addresses.RedisPendingAddresses``
``Once``                      ``once.RedisOnce``
``FetchedKeys``               ``jwks_fetch.RemoteKeys``
``ClientFailures``            ``client_failures.RedisClientFailures``
``AntiRobot``                 ``anti_robot.AltchaAntiRobot``
``KeyRings``                  ``key_files.KeyFiles``
``KeyFetches``                ``key_fetches.RedisKeyFetches``
``Press``                     ``letter.LetterPress``
``Spool``                     ``letter_spool.LetterSpool``
``Mailer``                    ``mail.SmtpMailer``, which ``mail_text`` writes for
============================  ===================================================

``tables`` holds the schema, ``sql`` and ``redis_store`` the connections and the translation of
their failures into StoreUnavailable, ``postgres`` that of a server that says nothing; ``directory``
the dossier import; ``kept_counts`` and ``registry`` what a process keeps and when it reads again;
``redis_health`` what ``idp doctor`` asks; ``key_names`` and ``key_reading`` the files of keys, and
``key_passphrase`` what opens them; ``private_files`` and ``secret_files`` what others may
not read.
"""
