"""The world: SQL, Redis, files, mail.

==================  =====================================================
port                adapter
==================  =====================================================
``Accounts``        ``accounts.SqlAccounts``
``Subjects``        ``accounts.SqlSubjects``
``Clients``         ``clients.SqlClients``
``AuditLog``        ``audit.SqlAuditLog``
``Sessions``        ``sessions.RedisSessions``
``Codes``           ``codes.RedisCodes``
``Attempts``        ``attempts.RedisAttempts``
``KeyRings``        ``key_files.KeyFiles``
``Press``           ``letter.LetterPress``
``Spool``           ``letter_spool.LetterSpool``
``PrintedLetters``  ``letter_desk.SqlLetterDesk``
``Mailer``          ``mail.SmtpMailer``, which ``mail_text`` writes for
==================  =====================================================

``tables`` holds the schema, ``sql`` and ``redis_store`` the connections and the translation of
their failures into StoreUnavailable, ``directory`` the dossier import.
"""
