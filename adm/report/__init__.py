"""Tables, figures and verdicts from metrics and other artifacts; this package imports no torch."""
