//go:build rdma_siw

package verbs

import "testing"

// TestConformanceOnSoftIWARP runs the suite on the guest's two soft-iWARP devices.
func TestConformanceOnSoftIWARP(t *testing.T) { conforms(t, Config{}, true) }
