"""What the library is told: networks, training, sampling, graphs and sources of images, as frozen models of pydantic.

They know no params file and no key of one. `adm.params` derives the sections of params files from them.
"""
