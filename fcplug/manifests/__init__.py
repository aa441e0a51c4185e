"""The files that deploy a configuration, as texts: ``s.yaml``, a Containerfile, Kubernetes."""
