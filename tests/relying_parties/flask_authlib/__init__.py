"""A relying party on Authlib's own Flask client, used as its documentation shows."""
