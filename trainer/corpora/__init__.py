"""Recorded speech with transcripts: readers, splits, conversion."""
