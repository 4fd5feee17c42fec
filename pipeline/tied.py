"""Imported by the local fork server before all else: from here on it dies with the executor, even
in the middle of its imports, and its stages die with it, even if they no longer heed a signal."""

from pipeline.parent import die_with_parent

die_with_parent()
