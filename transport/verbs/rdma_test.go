//go:build rdma

package verbs

import "testing"

// TestConformanceOnRealDevices runs the suite on the guest's soft-RoCE devices.
func TestConformanceOnRealDevices(t *testing.T) {
	for name, rails := range map[string][]string{"one device": {"rxe0"}, "two devices": nil} {
		t.Run(name, func(t *testing.T) { conforms(t, Config{Rails: rails}, false) })
	}
}
