//go:build !linux

package transport

// keepTo does nothing: threads can't be told which cores to keep to.
func keepTo([]int) (restore func() bool, kept bool) { return nil, false }
