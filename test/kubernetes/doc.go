// Package kubernetes holds deploy/kubernetes.yaml against the types of the Kubernetes API: a test,
// and nothing else.
//
// It is a module of its own, so that those types, and what they need, are neither in the module
// that users build nor in what its tests download.
package kubernetes
