//go:build tools

// Package tools pins the Kubernetes programs that the test bed builds.
package tools

import (
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
)
