//go:build rdma

package verbs

import "testing"

// TestConformanceOnRealDevices runs the suite on the guest's soft-RoCE devices; on one with what
// is the default see TestConformanceOnAllThereAre.
func TestConformanceOnRealDevices(t *testing.T) {
	for name, cfg := range map[string]Config{
		"one device, with immediate data": {Rails: []string{"rxe0"}, Notice: NoticeImm},
		"two devices":                     {},
	} {
		t.Run(name, func(t *testing.T) { conforms(t, cfg, false) })
	}
}
