"""The verbs outside the pipeline, for single files and whole results folders."""
