"""Arithmetic that params are checked by and stages compute with: respacing, levels of a network, shares of a batch.

It is part of the code of every stage that uses it, while the declarations in `adm.params` are not: what those hold
reaches a stage as values.
"""
