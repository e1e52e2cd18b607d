"""What a browser says of itself, read into a few names; what is read is all that is kept.

The header is anybody's to write, so nothing hangs on it: it helps a member to know a device again.
Most browsers call themselves by the names of others too, so the order of each list matters.
"""

LIMIT = 512

_BROWSERS = (
    ("Edg", "Edge"),  # Edg/, EdgA/, EdgiOS/
    ("OPR/", "Opera"),
    ("OPT/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chrome/", "Chrome"),
    ("Version/", "Safari"),
)
_SYSTEMS = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("Windows", "Windows"),
    ("CrOS", "ChromeOS"),
    ("Macintosh", "Mac"),
    ("Linux", "Linux"),
)


def told_by(header: str) -> tuple[str, str]:
    """Name browser and system, each "" when it is none of those that we know."""
    read = header[:LIMIT]
    if not read.startswith("Mozilla/"):
        return "", ""
    browser = next((name for mark, name in _BROWSERS if mark in read), "")
    if browser == "Safari" and "Safari/" not in read:
        browser = ""
    return browser, next((name for mark, name in _SYSTEMS if mark in read), "")
