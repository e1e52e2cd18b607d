"""One file a revision, in order. A published revision is never edited."""
