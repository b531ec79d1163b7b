"""The page of a scale: all that its results show, in one file that asks no host for anything."""
