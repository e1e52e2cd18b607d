"""Every page, mail and letter in every state: what the preview shows is what the suites check."""
