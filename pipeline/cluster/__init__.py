"""Submit, watch, read and stop a run on a Kubernetes cluster with Argo Workflows."""
