//go:build rdma_matrix

package verbs

import (
	"os"
	"testing"
)

// TestConformanceOnAllThereAre runs the suite on the guest's devices, one or many.
func TestConformanceOnAllThereAre(t *testing.T) {
	conforms(t, Config{}, os.Getenv("RDMA_TYPE") == "siw")
}

// TestConformanceByRDMACM runs it on soft-RoCE connected by rdma_cm, where it is a choice.
func TestConformanceByRDMACM(t *testing.T) { conforms(t, Config{Connect: CM}, false) }
