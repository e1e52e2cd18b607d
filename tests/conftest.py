"""Fixtures that every suite shares; the real stores come from ``real_stores``."""

pytest_plugins = ["tests.real_stores"]
