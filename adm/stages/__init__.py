"""The stages, one module for each verb: each makes an artifact from sections of the params file and other artifacts."""
